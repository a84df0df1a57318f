"""Binary frames and base64 as clients send them."""

import base64
import binascii

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sessions_app import audio
from sessions_app.audio import BinaryChunk, MalformedFrame, UndecodableAudio

pytestmark = pytest.mark.req("J17")


def test_the_recorded_binary_frames_decode():
    chunk = bytes.fromhex("010a00000000d9f4abf90000732d3030303030303031660048825b03")
    final = bytes.fromhex("020a05000000d8f9abf9732d3030303030303031")

    assert audio.decode_binary_frame(chunk) == BinaryChunk(
        session_id="s-00000001",
        seq=0,
        sent_at_low32_ms=0xF9ABF4D9,
        is_final=False,
        audio=bytes.fromhex("660048825b03"),
    )
    assert audio.decode_binary_frame(final) == BinaryChunk(
        session_id="s-00000001", seq=5, sent_at_low32_ms=0xF9ABF9D8, is_final=True, audio=b""
    )


def test_a_binary_chunk_can_be_final():
    frame = bytes.fromhex("0101070000000000000001007301000a")

    decoded = audio.decode_binary_frame(frame)

    assert decoded is not None
    assert (decoded.is_final, decoded.seq, decoded.audio) == (True, 7, b"\x01\x00\x0a")


@pytest.mark.parametrize("frame", [b"\x10", b"\x11", b"\x10ping"])
def test_ping_and_pong_are_ignored(frame):
    assert audio.decode_binary_frame(frame) is None


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x00",
        b"\x03abc",
        b"\x01",
        bytes.fromhex("010a00000000d9f4abf90000732d30"),
        bytes.fromhex("010000000000d9f4abf90000"),
        bytes.fromhex("010100000000d9f4abf90000ff"),
        bytes.fromhex("020a05000000d8f9abf9732d30303030303030"),
        bytes.fromhex("020a05000000d8f9abf9732d303030303030303100"),
    ],
    ids=[
        "empty",
        "type 0",
        "type 3",
        "no header",
        "short id",
        "no id",
        "id not UTF-8",
        "final, short id",
        "final with audio",
    ],
)
def test_a_malformed_frame_is_refused_by_name(frame):
    with pytest.raises(MalformedFrame) as refusal:
        audio.decode_binary_frame(frame)

    assert refusal.value.code == "INVALID_MESSAGE"


@given(st.one_of(st.binary(), st.builds(bytes.__add__, st.just(b"\x01\x02"), st.binary())))
def test_any_frame_is_decoded_ignored_or_refused(frame):
    try:
        decoded = audio.decode_binary_frame(frame)
    except MalformedFrame:
        return

    assert decoded is None or decoded.session_id


@given(st.binary())
def test_a_chunks_payload_decodes(payload):
    assert audio.decode_chunk_payload(base64.b64encode(payload).decode()) == payload


@pytest.mark.parametrize("payload", [None, "", "*", "QQ", "QQ=", "Q Q=", "QQ==\n", "é" * 4, "-_-_"])
def test_an_undecodable_chunk_is_no_audio(payload):
    assert audio.decode_chunk_payload(payload) == b""


base64_like = st.text("AQZaz09+/=-_ \n*é", max_size=12)


def _decode_strictly(text: str) -> int:
    """Return how many bytes a text is; Python alone takes padding behind a whole quantum."""
    if len(text) % 4:
        raise ValueError("no whole number of quanta")
    return len(binascii.a2b_base64(text, strict_mode=True))


@example("0000=")
@given(base64_like)
def test_the_utterance_check_and_a_strict_decoder_agree(text):
    try:
        decoded_bytes = _decode_strictly(text)
    except ValueError:
        with pytest.raises(UndecodableAudio):
            audio.check_utterance_audio(text)
        assert audio.decode_chunk_payload(text) == b""
    else:
        assert audio.check_utterance_audio(text) == decoded_bytes
        assert len(audio.decode_chunk_payload(text)) == decoded_bytes


def test_an_undecodable_utterance_is_refused_in_the_clients_words():
    with pytest.raises(UndecodableAudio, match="Audio decode failed") as refusal:
        audio.check_utterance_audio("QQ=Q")

    assert refusal.value.code == "INTERNAL_ERROR"
