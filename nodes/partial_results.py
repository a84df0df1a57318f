"""What a node has to say before it is done: text that grows, and speech by clause (SP5, SP6)."""

from collections.abc import Callable

from nodes import messages
from nodes.connections import Held, NodeConnection
from nodes.flaw_reporter import FlawReporter
from nodes.job_service import NodeJobService
from nodes.results import FORMATS
from scheduling.model.delivery import Delivery
from scheduling.model.errors import DependencyDown
from scheduling.model.events import ClauseSpoken, PartialHeard, ToSession, TranslationHeard
from sockets.reader import Flaw, name_kind
from sockets.wire import measure_base64

Partial = messages.AsrPartial | messages.TranslationPartial | messages.TtsChunk


class PartialResults:
    """Passes partial results on; one that breaks its promises is not, and its node hears why.

    Nothing of it is kept: what is lost on the way stands in the result.
    """

    def __init__(self, *, jobs: NodeJobService, delivery: Delivery, flaws: FlawReporter) -> None:
        self._jobs = jobs
        self._flaws = flaws
        self._delivery = delivery

    async def pass_text(self, connection: NodeConnection, message: messages.AsrPartial) -> None:
        """Pass on what has been recognised so far."""
        held = self._take(connection, message, lambda _: None)
        if held is None:
            return
        await self._pass_on(
            PartialHeard(
                session_id=held.session_id,
                job_id=message.job_id,
                utterance_index=held.utterance_index,
                trace_id=held.trace_id,
                text=message.text,
                is_final=message.is_final,
                attempt=held.attempt,
                is_hedge=held.is_hedge,
            )
        )

    async def pass_translation(
        self, connection: NodeConnection, message: messages.TranslationPartial
    ) -> None:
        """Pass on what has been translated so far."""
        held = self._take(
            connection, message, lambda held: held.partial.take_text(message.seq, message.committed)
        )
        if held is None:
            return
        await self._pass_on(
            TranslationHeard(
                session_id=held.session_id,
                job_id=message.job_id,
                utterance_index=held.utterance_index,
                trace_id=held.trace_id,
                attempt=held.attempt,
                committed=message.committed,
                tail=message.tail,
                is_hedge=held.is_hedge,
            )
        )

    async def pass_clause(self, connection: NodeConnection, message: messages.TtsChunk) -> None:
        """Pass on the next clause of the translation, spoken."""
        held = self._take(connection, message, lambda held: _take_clause(held, message))
        if held is None:
            return
        await self._pass_on(
            ClauseSpoken(
                session_id=held.session_id,
                job_id=message.job_id,
                utterance_index=held.utterance_index,
                trace_id=held.trace_id,
                attempt=held.attempt,
                seq=message.seq,
                audio=message.audio,
                tts_format=message.tts_format,
                is_hedge=held.is_hedge,
            )
        )

    def _take(
        self,
        connection: NodeConnection,
        message: Partial,
        take: Callable[[Held], Flaw | None],
    ) -> Held | None:
        """Return the attempt that a message is about, None where it is refused."""
        held = connection.held.get(message.job_id)
        # Older nodes do not say of which attempt what they recognised is.
        if held is None or message.attempt_id not in {held.attempt, None}:
            self._flaws.note_stray(connection, message)
            return None
        flaw = _find_early(held) or take(held)
        if flaw is not None:
            self._refuse(connection, message, flaw)
            return None
        self._jobs.begin(connection, message.job_id, held)
        return held

    def _refuse(
        self,
        connection: NodeConnection,
        message: Partial,
        flaw: Flaw,
    ) -> None:
        self._flaws.refuse(
            connection,
            connection.mistakes,
            "INVALID_MESSAGE",
            flaw,
            kind=name_kind(type(message)),
            job_id=message.job_id,
        )

    async def _pass_on(self, event: ToSession) -> None:
        try:
            await self._delivery.to_session(event.session_id, event)
        except DependencyDown:
            return  # the speaker's instance cannot be reached now; the result is kept for it


def _find_early(held: Held) -> Flaw | None:
    is_unheard = held.relay is not None and not held.relay.has_begun
    return Flaw("job_id", "nothing was said yet") if is_unheard else None


def _take_clause(held: Held, message: messages.TtsChunk) -> Flaw | None:
    if not measure_base64(message.audio):
        return Flaw("audio", "no base64")
    if message.tts_format not in FORMATS:
        return Flaw("tts_format", "neither opus nor pcm16")
    return held.partial.take_clause(message.seq)
