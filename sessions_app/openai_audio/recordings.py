"""A recording as one utterance, and the request that waits for what it says."""

import asyncio
import base64
import contextlib
from typing import Literal

from scheduling.model.errors import BadInput, Refusal
from scheduling.model.languages import AUTO, is_same
from scheduling.model.outcomes import Result
from scheduling.model.reports import JobReport
from sessions_app import http_messages, messages
from sessions_app.http_sessions import HttpSessionService
from sessions_app.job_ends import JobEnds
from sessions_app.openai_audio.answers import find_language, write_answer
from sessions_app.openai_audio.forms import AudioRequest, read_form
from sessions_app.openai_audio.problems import fail_as_openai
from sockets.endpoints import Call, HttpAnswer

_ENGLISH = "en"
# A job's end is told at once; where that was lost with a message, it is looked for.
_LOOK_AGAIN_S = 15.0

Task = Literal["transcribe", "translate"]


class RecordingService:
    """Takes recordings as jobs without a socket, and answers when they end."""

    def __init__(self, *, service: HttpSessionService, ends: JobEnds) -> None:
        self._service = service
        self._ends = ends

    async def transcribe(self, call: Call[bytes]) -> HttpAnswer:
        """Answer with what a recording says, in its own language.

        :raises Refusal: it cannot be taken, or nobody can hear it
        """
        return await self._take(call, "transcribe")

    async def translate(self, call: Call[bytes]) -> HttpAnswer:
        """Answer with what a recording says, in English.

        :raises Refusal: it cannot be taken, or nobody can translate it
        """
        return await self._take(call, "translate")

    async def _take(self, call: Call[bytes], task: Task) -> HttpAnswer:
        wish = read_form(call.message, content_type=call.content_type)
        is_english = wish.language != AUTO and is_same(wish.language, _ENGLISH)
        translates = task == "translate" and not is_english
        message = _say(wish, translates=translates)
        begun = await self._service.dispatch(
            Call(principal=call.principal, message=message, name="", wait_gone=call.wait_gone)
        )
        if not isinstance(begun, http_messages.Dispatched):
            raise BadInput("One recording is one job.")
        report = await self._await_end(call, begun.job_id)
        if not isinstance(report.result, Result):
            return fail_as_openai(report.error or "INTERNAL_ERROR", report.detail or "No result.")
        result = report.result
        spoken = find_language(wish.language, result)
        return write_answer(
            result.text_translated if translates else result.text_asr,
            task=task,
            language="english" if task == "translate" else spoken,
            duration_ms=wish.samples.duration_ms,
            form=wish.response_format,
            with_segments=wish.wants_segments,
        )

    async def _await_end(self, call: Call[bytes], job_id: str) -> JobReport:
        """Wait until a job ended; one that nobody waits for any more is cancelled."""
        about: Call[None] = Call(
            principal=call.principal, message=None, name=job_id, wait_gone=call.wait_gone
        )
        ended = self._ends.expect(job_id)
        gone = asyncio.create_task(_wait_gone(call), name="a recording's sender left")
        try:
            while True:
                report = await self._service.find_job(about)
                if report.ended:
                    return report
                await _await_either(ended, gone)
        except BaseException:
            with contextlib.suppress(Refusal):
                await self._service.cancel_job(about)
            raise
        finally:
            gone.cancel()
            self._ends.forget(job_id)


async def _await_either(ended: asyncio.Future[None], gone: asyncio.Task[None]) -> None:
    """Wait until a job ended, or it is time to look.

    :raises BadInput: whoever asked went away, or the process ends
    """
    await asyncio.wait((ended, gone), timeout=_LOOK_AGAIN_S, return_when=asyncio.FIRST_COMPLETED)
    if gone.done():
        raise BadInput("Nobody waits for it any more.", code="CANCELLED")
    if ended.done():
        ended.result()


async def _wait_gone(call: Call[bytes]) -> None:
    await call.wait_gone()


def _say(wish: AudioRequest, *, translates: bool) -> http_messages.DispatchUtterance:
    target = _ENGLISH if translates or wish.language == AUTO else wish.language
    return http_messages.DispatchUtterance(
        src_lang=wish.language,
        tgt_lang=target,
        audio=base64.b64encode(wish.samples.pcm16).decode(),
        audio_format="pcm16",
        sample_rate=wish.samples.sample_rate,
        pipeline=messages.PipelineWanted(use_asr=True, use_nmt=translates, use_tts=False),
    )
