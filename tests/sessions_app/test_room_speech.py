"""Speech as rooms get it: PCM16 of Opus, and nothing of what is neither."""

import array
import base64

import pytest
from lingua_node import opus

from sessions_app.room_speech import make_pcm16
from tests.peers.streaming import CLIP


def spell(audio: bytes) -> str:
    return base64.b64encode(audio).decode()


def loudness(pcm16: bytes) -> float:
    samples = array.array("h", pcm16)
    return sum(map(abs, samples)) / len(samples)


@pytest.mark.req("RM5")
async def test_opus_becomes_the_same_speech_as_pcm16() -> None:
    made = base64.b64decode(await make_pcm16(spell(opus.encode(CLIP)), "opus"))

    assert abs(len(made) - len(CLIP)) <= 640
    assert 0.7 < loudness(made) / loudness(CLIP) < 1.4


@pytest.mark.req("RM5")
async def test_pcm16_stays_as_it_came() -> None:
    assert await make_pcm16("AAAB", "pcm16") == "AAAB"
    assert await make_pcm16("", "opus") == ""


@pytest.mark.req("RM5")
@pytest.mark.parametrize(
    "audio",
    [
        b"\x05",
        b"\x05\x00ab",
        b"\xff\xff" + b"a" * 70_000,
        b"\x02\x00\xff\xff" * 3,
        # A packet of a byte stands for 60 ms: more than two minutes of them.
        b"\x01\x00\x18" * 2_001,
    ],
    ids=["half a length", "half a packet", "too long a packet", "no packet", "two minutes"],
)
async def test_what_is_no_speech_is_left_out(audio: bytes) -> None:
    assert await make_pcm16(spell(audio), "opus") == ""


@pytest.mark.req("RM5")
async def test_what_is_no_base64_is_left_out() -> None:
    assert await make_pcm16("!!!", "opus") == ""
