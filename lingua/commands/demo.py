"""The demonstration: a server, a speech node and a speaker, all of them real."""

import asyncio
import base64
import json
import sys
import time
import wave
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import websockets

_CHUNK_FRAMES = 1_600
_MOST_FRAME_BYTES = 16 * 1024 * 1024
_STOPPED_WITHIN_S = 30.0
_TELLS_EVERY_S = 5.0


class DemoFailed(Exception):
    """The demonstration did not come to its end; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Recorded speech: PCM16, one channel."""

    name: str
    sample_rate: int
    pcm: bytes

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / 2 / self.sample_rate


@dataclass(frozen=True, kw_only=True)
class Translated:
    """What became of a clip.

    `first_ms` counts from the first sound to the first words, `total_ms` from the final marker to
    the result.
    """

    text_asr: str
    text_translated: str
    tts: bytes
    sample_rate: int
    first_ms: float
    total_ms: float

    def save(self, path: Path) -> None:
        """Write the speech as a WAV file."""
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(self.sample_rate)
            out.writeframes(self.tts)


def read_clip(path: Path) -> Clip:
    """Read a recording.

    :raises DemoFailed: it is no WAV file of one channel of 16-bit samples
    """
    try:
        with wave.open(str(path)) as recording:
            if (recording.getnchannels(), recording.getsampwidth()) != (1, 2):
                raise DemoFailed(f"{path} is not one channel of 16-bit samples")
            pcm = recording.readframes(recording.getnframes())
            return Clip(name=path.stem, sample_rate=recording.getframerate(), pcm=pcm)
    except (OSError, EOFError, wave.Error) as error:
        raise DemoFailed(f"cannot read {path}: {error}") from error


@asynccontextmanager
async def run_program(
    *,
    arguments: list[str],
    environment: Mapping[str, str],
    until: str,
    within_s: float,
    still: Callable[[float], None] = lambda _waited_s: None,
) -> AsyncIterator[str]:
    """Run a Python program of this project; yield its output up to the line that contains `until`.

    `still` is called every few seconds until then, with how many have passed.

    :raises DemoFailed: the program ended, or stayed silent, before that line
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    seen: list[str] = []
    telling = asyncio.create_task(_tell_waiting(still))
    try:
        try:
            async with asyncio.timeout(within_s):
                is_ready = await _read_until(process, until, seen)
        except TimeoutError as late:
            raise DemoFailed(f"{arguments[0]} was not ready within {within_s:g} s") from late
        finally:
            telling.cancel()
        if not is_ready:
            raise DemoFailed("\n".join([f"{' '.join(arguments[:3])} ended:", *seen[-10:]]))
        async with _dropping_output(process):
            yield "\n".join(seen)
    finally:
        await _stop(process)


async def speak(
    *,
    url: str,
    clip: Clip,
    src_lang: str,
    tgt_lang: str,
    show: Callable[[str], None],
    within_s: float,
    streaming: bool = True,
) -> Translated:
    """Say the clip at the pace it was spoken, and wait for its translation.

    `show` is called with each new guess at what is being said, and what it means.

    :raises DemoFailed: the scheduler refused, or did not answer within `within_s` after the end
    """
    async with websockets.connect(
        f"{url}/ws/session", max_size=_MOST_FRAME_BYTES, compression=None
    ) as socket:
        await socket.send(
            json.dumps(
                {
                    "type": "session_init",
                    "client_version": "lingua-demo",
                    "platform": "web",
                    "src_lang": src_lang,
                    "tgt_lang": tgt_lang,
                    "enable_streaming": streaming,
                }
            )
        )
        session_id = json.loads(await socket.recv())["session_id"]
        listening = asyncio.create_task(_listen(socket, show))
        try:
            began_s = time.monotonic()
            await _say(socket, session_id, clip)
            ended_s = time.monotonic()
            async with asyncio.timeout(within_s):
                heard = await listening
        except TimeoutError as late:
            raise DemoFailed(f"no translation within {within_s:g} s") from late
        finally:
            listening.cancel()
    return Translated(
        text_asr=heard.result["text_asr"],
        text_translated=heard.result["text_translated"],
        tts=base64.b64decode(heard.result["tts_audio"]),
        sample_rate=16_000,
        first_ms=round((heard.first_s - began_s) * 1000, 1),
        total_ms=round((heard.result_s - ended_s) * 1000, 1),
    )


@dataclass(frozen=True, kw_only=True)
class _Heard:
    """What the scheduler told, and when."""

    result: dict[str, Any]
    first_s: float
    result_s: float


async def _say(socket: websockets.ClientConnection, session_id: str, clip: Clip) -> None:
    chunk_bytes = 2 * _CHUNK_FRAMES
    chunks = [clip.pcm[at : at + chunk_bytes] for at in range(0, len(clip.pcm), chunk_bytes)]
    began_s = time.monotonic()
    said_s = 0.0
    for seq, chunk in enumerate([*chunks, b""]):
        # A microphone gives what was said, not what will be; and it does not fall behind.
        said_s += len(chunk) / 2 / clip.sample_rate
        await asyncio.sleep(began_s + said_s - time.monotonic())
        await socket.send(
            json.dumps(
                {
                    "type": "audio_chunk",
                    "session_id": session_id,
                    "seq": seq,
                    "is_final": not chunk,
                    "payload": base64.b64encode(chunk).decode(),
                }
            )
        )


async def _listen(socket: websockets.ClientConnection, show: Callable[[str], None]) -> _Heard:
    first_s = 0.0
    async for text in socket:
        message: dict[str, Any] = json.loads(text)
        now_s = time.monotonic()
        match message:
            case {"type": "asr_partial", "text": str(heard)}:
                first_s = first_s or now_s
                show(heard)
            case {"type": "translation_partial", "committed": str(committed)}:
                show(f"→ {committed} [{message.get('tail') or ''}]")
            case {"type": "error", "code": code, "message": why}:
                raise DemoFailed(f"{code}: {why}")
            case {"type": "missing_result", "reason": reason}:
                raise DemoFailed(f"the utterance has no result: {reason}")
            case {"type": "translation_result"}:
                return _Heard(result=message, first_s=first_s or now_s, result_s=now_s)
            case _:
                pass
    raise DemoFailed("the scheduler closed the connection")


async def _tell_waiting(still: Callable[[float], None]) -> None:
    began_s = time.monotonic()
    while True:
        await asyncio.sleep(_TELLS_EVERY_S)
        still(time.monotonic() - began_s)


async def _read_until(process: asyncio.subprocess.Process, until: str, seen: list[str]) -> bool:
    """Collect lines until one has `until` in it; False when the output ends before."""
    output = process.stdout
    while output is not None and (line := (await output.readline()).decode(errors="replace")):
        seen.append(line.rstrip())
        if until in line:
            return True
    return False


@asynccontextmanager
async def _dropping_output(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """Keep the program's pipe from filling for the length of a block."""
    dropping = asyncio.create_task(_drop_output(process))
    try:
        yield
    finally:
        # Two cannot read one pipe: whoever stops the program reads what it says then.
        dropping.cancel()
        await asyncio.gather(dropping, return_exceptions=True)


async def _drop_output(process: asyncio.subprocess.Process) -> None:
    while process.stdout is not None and await process.stdout.read(65_536):
        pass


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_STOPPED_WITHIN_S):
            await asyncio.gather(process.wait(), _drop_output(process))
    except TimeoutError:
        process.kill()
        await process.wait()
