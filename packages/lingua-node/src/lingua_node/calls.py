"""Calls the handler; whatever it returns or raises becomes one frame that can be sent."""

import asyncio

from lingua_node import answers, clock, intake, messages, mistakes, results
from lingua_node.failures import FailureReporter
from lingua_node.handlers import as_async
from lingua_node.jobs import AsyncHandler, Handler, Job, JobFailed, Result, StreamHandler, StreamJob
from lingua_node.partials import Partials, Tell
from lingua_node.pieces import PieceQueue

# What schedulers take by default that do not say how much they take.
MOST_FRAME_BYTES = 8 * 2**20


class HandlerCalls:
    """The one handler of a node, called for one attempt after another or for several at once."""

    def __init__(self, *, audio: intake.AudioForm, most_unread_bytes: int) -> None:
        self.most_frame_bytes = MOST_FRAME_BYTES
        self._audio = audio
        self._most_unread_bytes = most_unread_bytes
        self._failures = FailureReporter()
        self._whole: AsyncHandler | None = None
        self._streaming: StreamHandler | None = None
        self._place = ""

    @property
    def is_ready(self) -> bool:
        """Whether there is a handler."""
        return self._whole is not None or self._streaming is not None

    @property
    def hears_streams(self) -> bool:
        """Whether the handler takes audio while it is spoken."""
        return self._streaming is not None

    def take_handler(self, handler: Handler) -> None:
        """Call this one from now on.

        :raises NodeMistake: it cannot be called with a job, or never returns a result
        """
        mistakes.check_handler(handler)
        mistakes.check_single(is_other=self._streaming is not None)
        self._whole = as_async(handler)
        self._place = results.find_place(handler)

    def take_stream_handler(self, handler: StreamHandler) -> None:
        """Call this one from now on, for what is still being spoken and for what came whole.

        :raises NodeMistake: it is no `async def` of a job, or never returns a result
        """
        mistakes.check_stream_handler(handler, audio=self._audio)
        mistakes.check_single(is_other=self._whole is not None)
        self._streaming = handler
        self._place = results.find_place(handler)

    def listen(self, opened: messages.OpenJob) -> PieceQueue:
        """Begin to hear an utterance that is still being spoken.

        :raises JobFailed: this node hears none, or none in this form
        """
        if self._streaming is None:
            raise JobFailed("this node takes whole utterances", code="UNSUPPORTED_FEATURE")
        return PieceQueue(opened, wanted=self._audio, most_bytes=self._most_unread_bytes)

    async def answer(
        self,
        assign: messages.AssignJob,
        *,
        node_id: str,
        tell: Tell,
        pieces: PieceQueue | None = None,
    ) -> messages.JobResult:
        """Have one attempt done; what is still being spoken is answered after its end.

        :raises KeyboardInterrupt: the handler was interrupted from the keyboard
        :raises asyncio.CancelledError: this attempt was cancelled
        """
        started_s = clock.monotonic_s()
        partials = Partials(
            assign,
            node_id=node_id,
            tell=tell,
            check=self._check_partial,
            has_begun=lambda: pieces is None or pieces.has_begun,
        )
        try:
            result = results.read(await self._call(assign, partials, pieces))
            spent_ms = clock.elapsed_ms(since_s=started_s)
            answer = answers.success(assign, node_id, result, spent_ms)
            self.check_length(answer, what="the Result")
            if pieces is not None:
                pieces.ignore()
                await pieces.over.wait()
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
        asyncio.get_running_loop().call_soon(self._check_awaited, partials, assign.job_id)
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

    async def _call(
        self, assign: messages.AssignJob, partials: Partials, pieces: PieceQueue | None
    ) -> Result:
        """Call the handler with the audio in the form it asked for.

        :raises AudioInvalid: it is not what it claims to be
        """
        if self._streaming is not None:
            pieces = pieces or self._hear_whole(assign)
            return await self._streaming(
                StreamJob(
                    assign=assign,
                    audio=pieces,
                    audio_format=pieces.audio_format,
                    sample_rate=pieces.sample_rate,
                    _partials=partials,
                )
            )
        if self._whole is None:
            raise RuntimeError("this node has no handler")
        data, audio_format, rate = await intake.read_audio(assign, wanted=self._audio)
        return await self._whole(
            Job(
                assign=assign,
                audio=data,
                audio_format=audio_format,
                sample_rate=rate,
                _partials=partials,
            )
        )

    def _hear_whole(self, assign: messages.AssignJob) -> PieceQueue:
        """Hear an utterance that came in one piece."""
        pieces = PieceQueue(assign, wanted=self._audio, most_bytes=len(assign.audio) + 1_024)
        job_id, attempt_id = assign.job_id, assign.attempt_id
        pieces.take(
            messages.SpokenAudio(job_id=job_id, attempt_id=attempt_id, seq=0, audio=assign.audio)
        )
        pieces.take(messages.CloseJob(job_id=job_id, attempt_id=attempt_id, last_seq=0))
        return pieces

    def _check_partial(self, partial: messages.Partial, name: str) -> None:
        self.check_length(partial, what=name)

    def _check_awaited(self, partials: Partials, job_id: str) -> None:
        """Tell the author of what nobody awaited."""
        for name, count in partials.not_awaited.items():
            if count:
                self.warn(
                    f"{name} was called and not awaited, so nobody is told: write "
                    f"await job.{name}(…), in an `async def`",
                    job_id=job_id,
                )


def _is_running() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
