"""`lingua-node speak`: recordings said to a scheduler, by one or many, alone or in a room."""

import argparse
import asyncio
import os
import random
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from websockets.exceptions import WebSocketException

from lingua_node import console
from lingua_node.event_queue import EventQueue
from lingua_node.line import SpeakerRefused
from lingua_node.mistakes import NodeMistake
from lingua_node.room import Room
from lingua_node.signals import run_until_drained
from lingua_node.speaker import Speaker
from lingua_node.speaker_messages import CaptionMissed, CaptionShown

_URL = "ws://127.0.0.1:5010/ws/session"
_CLIPS = Path(__file__).with_name("clips")
_SHOWN_WITHIN_S = 60.0


def add_arguments(speak: argparse.ArgumentParser) -> None:
    """Add what `speak` is told."""
    speak.add_argument("clip", nargs="*", help="WAV files (default: five that come with this)")
    speak.add_argument("--src", default="en", metavar="LANG", help="what is spoken (default: en)")
    speak.add_argument("--tgt", default="es", metavar="LANG", help="what is wanted (default: es)")
    speak.add_argument("--speakers", type=_count, default=1, help="how many (default: 1)")
    speak.add_argument(
        "--every",
        type=_seconds,
        metavar="S",
        help="say another clip so long after each answer, until Ctrl-C (default: each clip once)",
    )
    where = speak.add_mutually_exclusive_group()
    where.add_argument("--room", metavar="CODE", help="speak in this room, and show its captions")
    where.add_argument("--create-room", action="store_true", help="open a room and speak there")
    speak.add_argument("--name", default="", help="how one is shown in the room")
    speak.add_argument(
        "--lang", metavar="LANG", help="what one reads in the room (default: what is spoken)"
    )
    speak.add_argument("--save", metavar="WAV", help="where the last speech is written")
    speak.add_argument("--url", default=_URL, help="where speakers connect (default: %(default)s)")
    speak.add_argument("--token", help="API token; better by LINGUA_SPEAKER_TOKEN")
    speak.add_argument("--verbose", action="store_true", help="log every detail")


def run(options: argparse.Namespace) -> int:
    """Speak as told; return the exit code.

    :raises NodeMistake: it cannot be done
    """
    options.token = options.token or os.environ.get("LINGUA_SPEAKER_TOKEN")
    paths = options.clip or [str(path) for path in sorted(_CLIPS.glob("*.wav"))]
    clips = [console.read_clip(path) for path in paths]
    leaving = asyncio.Event()

    async def speak_all() -> None:
        await _Crowd(options, clips=clips, leaving=leaving).speak()

    try:
        asyncio.run(run_until_drained(speak_all(), drain=leaving.set))
    except (SpeakerRefused, OSError, WebSocketException) as trouble:
        raise NodeMistake(f"{options.url}: {str(trouble) or type(trouble).__name__}") from None
    return 0


class _Crowd:
    """Speakers, each with a session of its own; in a room the first one opens it, if told to."""

    def __init__(
        self, options: argparse.Namespace, *, clips: list[bytes], leaving: asyncio.Event
    ) -> None:
        self._options = options
        self._clips = clips
        self._leaving = leaving
        self._code: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def speak(self) -> None:
        """Say everything.

        :raises SpeakerRefused: a speaker was refused
        """
        if self._options.room:
            self._code.set_result(self._options.room)
        speakers = [self._speak_one(number) for number in range(self._options.speakers)]
        outcomes = await asyncio.gather(*speakers, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _speak_one(self, number: int) -> None:
        told = self._options
        async with Speaker(
            told.url, src_lang=told.src, tgt_lang=told.tgt, token=told.token
        ) as speaker:
            if not (told.room or told.create_room):
                await self._say_all(lambda clip: self._say(speaker, clip))
                return
            room = await self._enter(speaker, number)
            listener = speaker.make_listener(room=room.code, lang=room.lang)
            ends = listener.events(CaptionShown, CaptionMissed)
            async with listener:
                await self._say_all(
                    lambda clip: self._say_in_room(speaker, room, clip, ends, shows=number == 0)
                )

    async def _enter(self, speaker: Speaker, number: int) -> Room:
        seat = {"name": self._options.name, "lang": self._options.lang or self._options.src}
        if number or self._options.room:
            return await speaker.join_room(await asyncio.shield(self._code), **seat)
        try:
            room = await speaker.create_room(**seat)
        except BaseException:
            self._code.cancel()
            raise
        self._code.set_result(room.code)
        say(f"room {room.code}")
        return room

    async def _say_all(self, say_one: Callable[[bytes], Awaitable[None]]) -> None:
        every = self._options.every
        number = 0
        while not self._leaving.is_set() and (every is not None or number < len(self._clips)):
            clip = self._clips[number] if every is None else random.choice(self._clips)
            number += 1
            try:
                await say_one(clip)
            except SpeakerRefused as refused:
                if every is None:
                    raise
                say(str(refused))
            if every is not None:
                await _wait(self._leaving, every)

    async def _say(self, speaker: Speaker, clip: bytes) -> None:
        told = await speaker.say(clip)
        say(f"{speaker.session_id}  {told.text_asr}  →  {told.text_translated}")
        if self._options.save and told.tts_format == "pcm16":
            console.save_wav(self._options.save, told.tts_audio)

    async def _say_in_room(
        self,
        speaker: Speaker,
        room: Room,
        clip: bytes,
        ends: "EventQueue[CaptionShown | CaptionMissed]",
        *,
        shows: bool,
    ) -> None:
        """Say a clip, and show what all say until its own caption is there."""
        await room.say(clip)
        async with asyncio.timeout(_SHOWN_WITHIN_S):
            async for caption in ends:
                is_over = isinstance(caption, CaptionMissed) or caption.is_final
                if is_over and shows:
                    say(_describe(caption))
                if is_over and caption.speaker_id == speaker.session_id:
                    return


def say(words: str) -> None:
    """Show something at once."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def _describe(caption: CaptionShown | CaptionMissed) -> str:
    who = caption.speaker_name or caption.speaker_id
    if isinstance(caption, CaptionMissed):
        return f"{who}  ({caption.reason})"
    source = f"{caption.source_text}  →  " if caption.source_text != caption.text else ""
    return f"{who}  {source}{caption.text}"


async def _wait(leaving: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await leaving.wait()
    except TimeoutError:
        return


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value
