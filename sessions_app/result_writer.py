"""The frames of outcomes, said to one speaker's socket."""

from scheduling.model import clock
from scheduling.model.events import ClauseSpoken, JobSettled, TranslationHeard
from scheduling.model.jobs import Request
from scheduling.model.outcomes import Refused, Result
from sessions_app import result_frames
from sessions_app.error_thinning import ErrorThinning
from sessions_app.groups import UtteranceGroups
from sessions_app.job_cancellation import make_end
from sessions_app.session_limits import SessionLimits
from sessions_app.spoken_context import SpokenContext
from sockets.outbound import Outbound
from sockets.wire import encode_text

_TOO_SLOW = 1013


class ResultWriter:
    """Says what became of utterances; knows which refusals were said before their place came.

    `names_targets` says that each outcome names its language: the session has several. Who
    `streams` is told when speech ended.
    """

    __slots__ = (
        "_announced",
        "_context",
        "_errors",
        "_groups",
        "_missed_clause",
        "_names_targets",
        "_outbound",
        "_streams",
    )

    def __init__(
        self,
        *,
        session_id: str,
        outbound: Outbound,
        limits: SessionLimits,
        names_targets: bool,
        streams: bool,
        context: SpokenContext,
    ) -> None:
        self._context = context
        self._outbound = outbound
        self._names_targets = names_targets
        self._streams = streams
        self._announced: set[str] = set()
        self._errors = ErrorThinning()
        self._missed_clause: tuple[str, int] | None = None
        self._groups = UtteranceGroups(
            session_id=session_id,
            window_ms=limits.group_window_ms,
            max_parts=limits.group_parts,
        )

    def say(self, message: result_frames.Frame) -> bool:
        """Queue a frame; False when the speaker is too far behind."""
        return self._outbound.enqueue(encode_text(message))

    def say_translation(self, event: TranslationHeard, *, request: Request | None) -> None:
        """Show a translation as it grows; what a slow reader misses stands in the next."""
        if request is not None:
            target = request.assignment.tgt_lang if self._names_targets else None
            self.say(result_frames.tell_translation(event, tgt_lang=target))

    def say_clause(self, event: ClauseSpoken, *, request: Request | None) -> None:
        """Speak the next clause of a translation; after one that a slow reader missed no more.

        The result has all of them.
        """
        attempt = event.job_id, event.attempt
        if request is None or attempt == self._missed_clause:
            return
        target = request.assignment.tgt_lang if self._names_targets else None
        if not self.say(result_frames.tell_clause(event, tgt_lang=target)):
            self._missed_clause = attempt

    def close(self, code: int, reason: str) -> None:
        """Close the socket after what is queued."""
        self._outbound.close(code, reason)

    def announce(self, event: JobSettled) -> None:
        """Say that an utterance is refused; its marker follows when its place has come."""
        frames = result_frames.tell_refusal(event)
        for message in self._errors.thin(frames, now_ms=clock.steady_ms()):
            self.say(message)
        self._announced.add(event.job_id)

    def tell(self, event: JobSettled) -> bool:
        """Say how an utterance ended; a speaker too far behind finds it in the outbox later."""
        now_ms, target = clock.now_ms(), self._name_target(event)
        frames = result_frames.tell_outcome(
            event,
            groups=self._groups,
            now_ms=now_ms,
            tgt_lang=target,
            is_announced=event.job_id in self._announced,
            tells_speech_end=self._streams,
        )
        self._announced.discard(event.job_id)
        if isinstance(event.outcome, Result):
            said = event.outcome.text_asr
            self._context.note_said(said, utterance_index=event.utterance_index)
        thinned = self._errors.thin(frames, now_ms=clock.steady_ms())
        if not (sent := all(self.say(message) for message in thinned)):
            self.close(_TOO_SLOW, "too far behind")
        return sent

    def tell_missing(self, request: Request, *, reason: str) -> None:
        """Say that there will be no result."""
        event = make_end(request, Refused(code="CANCELLED", message=reason))
        now_ms, target = clock.now_ms(), self._name_target(event)
        self.say(result_frames.tell_missing(event, reason=reason, now_ms=now_ms, tgt_lang=target))

    def note_playback(self, *, group_id: str, ended_at_ms: int) -> None:
        """The client has played a translation: what comes soon is of the same group."""
        self._groups.on_playback_ended(
            group_id=group_id, ended_at_ms=ended_at_ms, now_ms=clock.now_ms()
        )

    def _name_target(self, event: JobSettled) -> str | None:
        return event.tgt_lang if self._names_targets else None
