"""The process that recognizes and speaks, so that the node's event loop never waits for the CPU.

Run as `python -m lingua_node.speech_worker`; with `mute` it recognizes nothing and loads no model.
Pocketsphinx holds the GIL while it decodes, so threads would not do. Frames in both directions:
one letter, uint32 little-endian length, body.

    in   R  PCM16 at 16 kHz                out  P  text so far, any number; then F  the final text
    in   O  uint32 rate: somebody speaks   out  P  JSON of the guess so far, any number
         D  PCM16 at that rate, any number
         L  nothing: that was all               F  the final text
    in   S  JSON {voice, text}             out  A  PCM16 at 16 kHz
    in   C  uint32 rate, then PCM16        out  A  the same at 16 kHz
                                           out  E  in place of F or A: why it failed
                                           out  Y  once, after the start: ready
"""

import dataclasses
import json
import queue
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import soxr

from lingua_node import audio, recognizers
from lingua_node.jobs import AudioInvalid
from lingua_node.workers import MUTE

_SPEAK_WITHIN_S = 20
_MOST_FRAMES_WAITING = 32

Frame = tuple[bytes, bytes]
Frames = queue.Queue[Frame | None]


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
    return resample(pcm16, from_rate=rate)


def resample(pcm16: bytes, *, from_rate: int) -> bytes:
    """Return the whole of a recording at 16 kHz, in a hundredth of what `audio.resample` takes."""
    changed = soxr.resample(np.frombuffer(pcm16, np.int16), from_rate, audio.SAMPLE_RATE)
    return changed.astype(np.int16, copy=False).tobytes()


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


def _answer(
    recognizer: recognizers.Recognizer | None, frame: Frame, frames: Frames
) -> Iterator[Frame]:
    letter, body = frame
    match letter:
        case b"R" if recognizer is not None:
            for text, is_final in recognizer.recognize(body):
                yield b"F" if is_final else b"P", text.encode()
        case b"O" if isinstance(recognizer, recognizers.MoonshineRecognizer):
            (rate,) = struct.unpack("<I", body)
            yield from _listen(recognizer, frames, rate=rate)
        case b"S":
            yield b"A", speak(**json.loads(body))
        case b"C":
            (rate,) = struct.unpack_from("<I", body)
            yield b"A", resample(body[4:], from_rate=rate)
        case _:
            yield b"E", b"unknown request"


def _listen(
    recognizer: recognizers.MoonshineRecognizer, frames: Frames, *, rate: int
) -> Iterator[Frame]:
    listening = recognizer.listen()
    resampler = soxr.ResampleStream(rate, audio.SAMPLE_RATE, 1, dtype="int16")

    def change_rate(pcm16: bytes, *, is_last: bool = False) -> bytes:
        if rate == audio.SAMPLE_RATE:
            return pcm16
        return resampler.resample_chunk(np.frombuffer(pcm16, np.int16), last=is_last).tobytes()

    while (frame := frames.get()) is not None and frame[0] == b"D":
        listening.hear(change_rate(frame[1]))
        # What waits is heard first: a guess that is already old helps nobody.
        if frames.empty() and (guess := listening.guess()) is not None:
            yield b"P", json.dumps(dataclasses.asdict(guess)).encode()
    if frame is not None:
        listening.hear(change_rate(b"", is_last=True))
        yield b"F", listening.end().encode()


def _read_all(source: BinaryIO, frames: Frames) -> None:
    """Read beside the work, so that it is known whether more waits; bounded by the queue."""
    while (frame := read_frame(source)) is not None:
        frames.put(frame)
    frames.put(None)


def main() -> None:
    """Answer requests until stdin ends, which it also does when the node dies."""
    recognizer = None if MUTE in sys.argv[1:] else recognizers.load()
    speak(voice="es", text="hola")  # the first is slower than the others
    frames: Frames = queue.Queue(_MOST_FRAMES_WAITING)
    threading.Thread(target=_read_all, args=(sys.stdin.buffer, frames), daemon=True).start()
    sink = sys.stdout.buffer
    write_frame(sink, b"Y", b"")
    while (frame := frames.get()) is not None:
        try:
            for letter, body in _answer(recognizer, frame, frames):
                write_frame(sink, letter, body)
        except (AudioInvalid, RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            write_frame(sink, b"E", str(error).encode())


if __name__ == "__main__":
    main()
