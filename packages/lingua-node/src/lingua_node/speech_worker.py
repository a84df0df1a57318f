"""The process that recognizes and speaks, so that the node's event loop never waits for the CPU.

Run as `python -m lingua_node.speech_worker`. Pocketsphinx holds the GIL while it decodes, so
threads would not do. Frames in both directions: one letter, uint32 little-endian length, body.

    in   R  PCM16 at 16 kHz                out  P  text so far, any number; then F  the final text
    in   S  JSON {voice, text}             out  A  PCM16 at 16 kHz
    in   C  uint32 rate, then PCM16        out  A  the same at 16 kHz
                                           out  E  in place of F or A: why it failed
                                           out  Y  once, after the start: ready
"""

import importlib
import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import BinaryIO

from lingua_node import audio
from lingua_node.jobs import AudioInvalid

_STEP_BYTES = audio.SAMPLE_RATE  # half a second between partial texts
_SPEAK_WITHIN_S = 20


class Recognizer:
    """English words out of PCM16 at 16 kHz."""

    def __init__(self) -> None:
        decoder = importlib.import_module("pocketsphinx").Decoder  # untyped, and optional

        self._decoder = decoder(samprate=audio.SAMPLE_RATE, loglevel="FATAL")
        # A second, nearly idle decoder that only listens how loud and how colored a recording is.
        self._ear = decoder(samprate=audio.SAMPLE_RATE, lm=None, keyphrase="go", loglevel="FATAL")

    def recognize(self, pcm16: bytes) -> Iterator[tuple[str, bool]]:
        """Yield (text so far, False) each time it grew, and at last (final text, True).

        The mean of the whole recording is measured first and given to the decoder: as good as
        decoding it in one piece, and nothing of the last speaker's microphone is carried over.
        """
        self._decoder.set_cmn(self._measure(pcm16))
        self._decoder.start_utt()
        text = ""
        for start in range(0, len(pcm16), _STEP_BYTES):
            self._decoder.process_raw(pcm16[start : start + _STEP_BYTES])
            if (heard := self._heard()) != text:
                text = heard
                yield text, False
        self._decoder.end_utt()
        yield self._heard(), True

    def _heard(self) -> str:
        hypothesis = self._decoder.hyp()
        return hypothesis.hypstr if hypothesis is not None else ""

    def _measure(self, pcm16: bytes) -> str:
        self._ear.start_utt()
        self._ear.process_raw(pcm16, no_search=True, full_utt=True)
        mean: str = self._ear.get_cmn(update=False)
        self._ear.end_utt()
        return mean


def speak(*, voice: str, text: str) -> bytes:
    """Return the text spoken by eSpeak NG, as PCM16 at 16 kHz.

    :raises RuntimeError: eSpeak NG failed
    """
    # The text goes in through stdin, so that no text can look like an option.
    spoken = subprocess.run(
        ["espeak-ng", "-v", voice, "-b", "1", "--stdin", "--stdout"],
        input=text.encode(),
        capture_output=True,
        timeout=_SPEAK_WITHIN_S,
        check=False,
    )
    if spoken.returncode:
        raise RuntimeError(f"espeak-ng failed: {spoken.stderr.decode(errors='replace').strip()}")
    pcm16, rate = audio.read_wav(spoken.stdout)
    return audio.resample(pcm16, from_rate=rate)


def read_frame(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """Return the letter and the body; None when the other end is gone."""
    head = stream.read(5)
    if len(head) < 5:  # noqa: PLR2004 - the size of the head
        return None
    (length,) = struct.unpack("<I", head[1:])
    body = stream.read(length)
    return (head[:1], body) if len(body) == length else None


def write_frame(stream: BinaryIO, letter: bytes, body: bytes) -> None:
    stream.write(letter + struct.pack("<I", len(body)) + body)
    stream.flush()


def _answer(recognizer: Recognizer, letter: bytes, body: bytes) -> Iterator[tuple[bytes, bytes]]:
    match letter:
        case b"R":
            for text, is_final in recognizer.recognize(body):
                yield b"F" if is_final else b"P", text.encode()
        case b"S":
            yield b"A", speak(**json.loads(body))
        case b"C":
            (rate,) = struct.unpack_from("<I", body)
            yield b"A", audio.resample(body[4:], from_rate=rate)
        case _:
            yield b"E", b"unknown request"


def main() -> None:
    """Answer requests until stdin ends, which it also does when the node dies."""
    recognizer = Recognizer()
    speak(voice="es", text="hola")  # computes the resampling filters before the first job
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    write_frame(sink, b"Y", b"")
    while (frame := read_frame(source)) is not None:
        try:
            for letter, body in _answer(recognizer, *frame):
                write_frame(sink, letter, body)
        except (AudioInvalid, RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            write_frame(sink, b"E", str(error).encode())


if __name__ == "__main__":
    main()
