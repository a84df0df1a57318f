"""What speakers and nodes of streams say: chunks that can be told apart, and answers."""

import array
import base64
import json
import struct
import wave
from importlib import resources

from bench import frames

CHUNK_BYTES = 3_200
"""100 ms of PCM16 at 16 kHz."""
_STAMP = struct.Struct("<q")
_STAMP_CHARS = 16
_AUDIBLE = 1_000


def read_clip() -> bytes:
    """Return 2.8 s of speech as PCM16 at 16 kHz."""
    clip = resources.files("lingua_node") / "clips" / "go_forward_ten_meters.wav"
    with resources.as_file(clip) as path, wave.open(str(path)) as file:
        return bytes(file.readframes(file.getnframes()))


def find_last_voiced(pcm16: bytes) -> int:
    """Return the byte behind the last sample that is loud enough to be a voice."""
    samples = array.array("h", pcm16)
    return 2 * max(at for at, sample in enumerate(samples, 1) if abs(sample) > _AUDIBLE)


class Chunks:
    """A session's frames: a clip again and again, each chunk with its number in its last bytes."""

    def __init__(self, session_id: str) -> None:
        clip = read_clip()
        self._heads = [
            base64.b64encode(clip[at : at + CHUNK_BYTES - _STAMP.size]).decode()
            for at in range(0, len(clip) - CHUNK_BYTES, CHUNK_BYTES)
        ]
        self._before = f'{{"type":"audio_chunk","session_id":"{session_id}","seq":'

    def build(self, number: int) -> bytes:
        head = self._heads[number % len(self._heads)]
        stamp = base64.b64encode(_STAMP.pack(number)).decode()
        return self._wrap(number, head + stamp, "false")

    def say(self, number: int, audio: bytes, *, is_final: bool = False) -> bytes:
        """Return a chunk of any audio."""
        payload = base64.b64encode(audio).decode()
        return self._wrap(number, payload, "true" if is_final else "false")

    def _wrap(self, number: int, payload: str, is_final: str) -> bytes:
        text = f'{self._before}{number},"is_final":{is_final},"payload":"{payload}"}}'
        return frames.wrap(text.encode())


def read_stamp(audio: str) -> int:
    """Return the number of the last chunk in a piece."""
    number: int = _STAMP.unpack(base64.b64decode(audio[-_STAMP_CHARS:])[-_STAMP.size :])[0]
    return number


def open_session(*, streams: bool) -> bytes:
    init = {
        "type": "session_init",
        "client_version": "bench",
        "platform": "linux",
        "src_lang": "en",
        "tgt_lang": "es",
        "audio_format": "pcm16",
        "sample_rate": 16_000,
        "enable_streaming": streams,
    }
    return frames.wrap(json.dumps(init).encode())
