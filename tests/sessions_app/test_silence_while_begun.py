"""Silence that is noticed while what was said before it is still being begun."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scheduling.jobs.sessions import Opened
from scheduling.model import clock
from scheduling.model.metrics import Metrics
from sessions_app.cuts import SegmentationSettings
from sessions_app.deadline_timer import DeadlineTimer
from sessions_app.requests import Profile
from sessions_app.sent_chunk import SentChunk
from sessions_app.session_life import SessionLife
from sessions_app.speaker import Speaker
from sessions_app.speech_input import SpeechInput
from sessions_app.spoken_context import SpokenContext

_SESSION = "s-1A2B3C4D"
_VOICE = b"\1\0" * 8_000


class SlowStream:
    """Takes its time, and notes what it is asked to do and who asks before it is done."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.overlaps = 0
        self.goes_on = asyncio.Event()
        self._is_busy = False

    async def follow(self, speech: SpeechInput, sent: SentChunk) -> None:
        await self._take("follow")

    async def end(self, requests: list[Any]) -> list[Any]:
        await self._take("end")
        return []

    async def _take(self, what: str) -> None:
        self.asked.append(what)
        self.overlaps += self._is_busy
        self._is_busy = True
        await self.goes_on.wait()
        self._is_busy = False


class Alone:
    """Nobody hears the speaker in a room."""

    async def aim(self, requests: list[Any]) -> list[Any]:
        return requests


def _make_speaker(live: SlowStream) -> Speaker:
    profile = Profile(src_lang="zh", tgt_lang="en", trace_id="t-1", tenant_id="")
    context = SpokenContext(glossary=(), keeps_said=False)
    speech = SpeechInput(
        session_id=_SESSION,
        profile=profile,
        context=context,
        segmentation=SegmentationSettings(pause_ms=1, hangover_auto_ms=0),
        metrics=Metrics(),
    )
    unused = cast(Any, None)
    return Speaker(
        room=unused,
        audience=cast(Any, Alone()),
        opened=Opened(session_id=_SESSION, conn_epoch=1, resume_token=""),
        profile=profile,
        life=SessionLife(can_resume=False),
        acknowledges=False,
        speech=speech,
        submission=cast(Any, SimpleNamespace(has_untold=False)),
        results=unused,
        writer=unused,
        recovery=unused,
        live=cast(Any, live),
        context=context,
    )


async def _let_timers_ring() -> None:
    """Wait until every timer that was due by now has rung."""
    rung = asyncio.Event()

    async def ring() -> None:
        rung.set()

    DeadlineTimer(ring).set_for(clock.now_ms() + 20)
    await rung.wait()


@pytest.mark.req("SP4", "SP9")
async def test_silence_while_an_utterance_is_begun_ends_it_once_it_is() -> None:
    live = SlowStream()
    speaker = _make_speaker(live)
    live.goes_on.set()
    await speaker.submit(speaker.speech.hear(audio=_VOICE, is_final=False, seq=0))
    live.goes_on.clear()
    said = speaker.speech.hear(audio=_VOICE, is_final=False, seq=1)
    beginning = asyncio.create_task(speaker.submit(said))
    await _let_timers_ring()

    live.goes_on.set()
    await beginning
    await _let_timers_ring()

    assert "end" in live.asked
    assert live.overlaps == 0


@pytest.mark.req("SP4", "SP9")
async def test_what_is_said_while_silence_ends_an_utterance_waits_for_that() -> None:
    live = SlowStream()
    speaker = _make_speaker(live)
    live.goes_on.set()
    await speaker.submit(speaker.speech.hear(audio=_VOICE, is_final=False, seq=0))
    live.goes_on.clear()
    await _let_timers_ring()
    assert live.asked == ["follow", "end"]

    said = speaker.speech.hear(audio=_VOICE, is_final=False, seq=1)
    taking = asyncio.create_task(speaker.submit(said))
    await _let_timers_ring()
    live.goes_on.set()
    await taking

    assert live.overlaps == 0
