"""Calls the handler; whatever it returns or raises becomes one frame that can be sent."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from lingua_node import answers, clock, intake, messages, mistakes, results
from lingua_node.failures import FailureReporter
from lingua_node.handlers import as_async
from lingua_node.jobs import AsyncHandler, Handler, Job, JobFailed, Result

# What schedulers take by default that do not say how much they take.
MOST_FRAME_BYTES = 8 * 2**20

Tell = Callable[[messages.AsrPartial], Awaitable[None]]

_NOT_AWAITED = (
    "emit_partial was called and not awaited, so nobody is told: write "
    "await job.emit_partial(…), in an `async def`"
)


class HandlerCalls:
    """The one handler of a node, called for one attempt after another or for several at once."""

    def __init__(self, *, audio: intake.AudioForm) -> None:
        self.most_frame_bytes = MOST_FRAME_BYTES
        self._audio = audio
        self._failures = FailureReporter()
        self._handler: AsyncHandler = _no_handler
        self._place = ""

    @property
    def is_ready(self) -> bool:
        """Whether there is a handler."""
        return self._handler is not _no_handler

    def take_handler(self, handler: Handler) -> None:
        """Call this one from now on.

        :raises NodeMistake: it cannot be called with a job, or never returns a result
        """
        mistakes.check_handler(handler)
        self._handler = as_async(handler)
        self._place = results.find_place(handler)

    async def answer(
        self, assign: messages.AssignJob, *, node_id: str, tell: Tell
    ) -> messages.JobResult:
        """Have one attempt done.

        :raises KeyboardInterrupt: the handler was interrupted from the keyboard
        :raises asyncio.CancelledError: this attempt was cancelled
        """
        started_s = clock.monotonic_s()
        partials = _Partials(assign, node_id=node_id, tell=tell, calls=self)
        try:
            job = await self._open(assign, partials)
            result = results.read(await self._handler(job))
            spent_ms = clock.elapsed_ms(since_s=started_s)
            answer = answers.success(assign, node_id, result, spent_ms)
            self.check_length(answer, what="the Result")
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            # What the handler itself had begun was cancelled: the job is not, and waits for an end.
            failed = RuntimeError("what the handler waited for was cancelled")
            answer = self.fail(assign, failed, node_id=node_id, started_s=started_s)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, GeneratorExit) and not _is_running():
                raise  # the loop is gone, and this is closed with all that was left in it
            answer = self.fail(assign, error, node_id=node_id, started_s=started_s)
        asyncio.get_running_loop().call_soon(partials.check_awaited)
        return answer

    def fail(
        self,
        assign: messages.AssignJob,
        error: BaseException,
        *,
        node_id: str,
        started_s: float | None = None,
    ) -> messages.JobResult:
        """Return the answer to an attempt that failed, and tell the node's author why."""
        failure = error if isinstance(error, JobFailed) else JobFailed(results.describe(error))
        told, faults = results.read_failure(failure)
        self._failures.tell(error, told_as=told, job_id=assign.job_id, handler=self._place)
        for fault in faults:
            self.warn(fault, job_id=assign.job_id)
        spent_ms = 0 if started_s is None else clock.elapsed_ms(since_s=started_s)
        answer = answers.failure(assign, node_id, told, spent_ms)
        if messages.measure(answer) > self.most_frame_bytes:
            told.details = None
            answer = answers.failure(assign, node_id, told, spent_ms)
        return answer

    def withdraw(self, result: messages.JobResult) -> messages.JobResult:
        """Return the failure that takes the place of a result which no scheduler takes."""
        error = results.ResultUnsendable(
            f"the Result makes a frame of {messages.measure(result):,} bytes, which is more than "
            "the scheduler takes: send shorter speech, or Opus",
            code=results.TOO_LARGE,
        )
        self._failures.tell(error, told_as=error, job_id=result.job_id, handler=self._place)
        return answers.withdrawn(result, error)

    def check_length(self, message: messages.FromNode, *, what: str) -> None:
        """See that the scheduler will take a frame.

        :raises ResultUnsendable: it is too long
        """
        length = messages.measure(message)
        if length > self.most_frame_bytes:
            raise results.ResultUnsendable(
                f"{what} makes a frame of {length:,} bytes, and the scheduler takes "
                f"{self.most_frame_bytes:,}: send shorter speech, or Opus",
                code=results.TOO_LARGE,
            )

    def warn(self, words: str, *, job_id: str) -> None:
        """Tell the node's author of a mistake that costs no job."""
        self._failures.warn(words, job_id=job_id, handler=self._place)

    async def _open(self, assign: messages.AssignJob, partials: "_Partials") -> Job:
        """Decode the audio into the form the handler asked for.

        :raises AudioInvalid: it is not what it claims to be
        """
        audio, audio_format, rate = await intake.read_audio(assign, wanted=self._audio)
        return Job(
            assign=assign,
            audio=audio,
            audio_format=audio_format,
            sample_rate=rate,
            _emit=partials.emit,
        )


class _Partials:
    """What one attempt tells before its end."""

    def __init__(
        self, assign: messages.AssignJob, *, node_id: str, tell: Tell, calls: HandlerCalls
    ) -> None:
        self._assign = assign
        self._node_id = node_id
        self._tell = tell
        self._calls = calls
        self._not_awaited = 0

    def emit(self, text: str, is_final: bool) -> Coroutine[Any, Any, None]:  # noqa: FBT001 - called by Job alone
        """Return what tells a text once it is awaited.

        :raises ResultUnsendable: it is no text, or cannot be sent
        """
        text = results.read_text(text, "text of emit_partial")
        partial = answers.partial(self._assign, self._node_id, text=text, is_final=bool(is_final))
        self._calls.check_length(partial, what="emit_partial")
        self._not_awaited += 1
        return self._send(partial)

    def check_awaited(self) -> None:
        """Tell the author of texts that nobody awaited."""
        if self._not_awaited:
            self._calls.warn(_NOT_AWAITED, job_id=self._assign.job_id)

    async def _send(self, partial: messages.AsrPartial) -> None:
        self._not_awaited -= 1
        await self._tell(partial)


async def _no_handler(_job: Job) -> Result:
    raise RuntimeError("this node has no handler")


def _is_running() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
