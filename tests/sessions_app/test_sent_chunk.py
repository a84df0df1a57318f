"""What is passed on of a chunk: the speaker's own base64 where that is what it is."""

import base64

import pytest

from sessions_app.sent_chunk import SentChunk


@pytest.mark.req("SP10")
@pytest.mark.parametrize("size", [1, 2, 3, 640, 3_199, 3_200])
def test_a_chunk_that_goes_on_whole_travels_as_it_came(size: int) -> None:
    audio = bytes(at % 251 for at in range(size))
    text = base64.b64encode(audio).decode()
    assert SentChunk(audio, text).spell(bytes(audio)) is text


@pytest.mark.req("SP10")
def test_part_of_a_chunk_is_spelled_anew() -> None:
    audio = bytes(range(200))
    sent = SentChunk(audio, base64.b64encode(audio).decode())
    assert base64.b64decode(sent.spell(audio[2:]), validate=True) == audio[2:]


@pytest.mark.req("SP10")
def test_a_chunk_that_came_as_bytes_is_spelled() -> None:
    assert SentChunk(b"abcd").spell(b"abcd") == "YWJjZA=="


@pytest.mark.req("SP10")
@pytest.mark.parametrize(("text", "audio"), [("QR==", b"A"), ("AAAAQUJ=", b"\0\0\0AB")])
def test_bits_that_mean_nothing_are_not_passed_on(text: str, audio: bytes) -> None:
    assert SentChunk(audio, text).spell(audio) == base64.b64encode(audio).decode()
