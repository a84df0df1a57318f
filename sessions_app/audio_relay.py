"""One utterance on its way to the node that hears it, while it is spoken (SP4, SP10)."""

from collections.abc import Callable

from scheduling.model.background import Background
from scheduling.model.delivery import Delivery
from scheduling.model.errors import DependencyDown
from scheduling.model.events import AudioSpoken, SpeechEnded, StreamFailed
from sessions_app.spoken_pieces import SpokenPieces


class AudioRelay:
    """Sends every piece once and in order to whoever has the job's newest attempt.

    It holds the utterance until a node has all of it and Redis too, for until then the next
    attempt begins with the first piece. To a node of this instance a piece goes at once; to
    another's, what was said while one envelope was on its way leaves in the next.
    """

    __slots__ = (
        "_attempt",
        "_background",
        "_delivery",
        "_end",
        "_is_sending",
        "_is_useless",
        "_job_id",
        "_node_id",
        "_on_broken",
        "_sent",
        "_session_id",
        "_spoken",
        "_was_ended",
    )

    def __init__(
        self,
        *,
        session_id: str,
        job_id: str,
        spoken: SpokenPieces,
        delivery: Delivery,
        on_broken: Callable[[StreamFailed], None],
    ) -> None:
        self._session_id = session_id
        self._job_id = job_id
        self._delivery = delivery
        self._on_broken = on_broken
        self._background = Background()
        self._spoken: SpokenPieces | None = spoken
        spoken.hold()
        self._end: SpeechEnded | None = None
        self._attempt = 0
        self._node_id = ""
        self._sent = 0
        self._was_ended = False
        self._is_sending = False
        self._is_useless = False

    def end(self, *, attempt: int, duration_ms: int, padding_ms: int | None, reason: str) -> None:
        """Nothing more will be said; `reason` is the flag of the cut, ``""`` for none.

        An attempt after this one is given all of it by Redis.
        """
        if self._spoken is None:
            return
        self._end = SpeechEnded(
            job_id=self._job_id,
            attempt=attempt,
            session_id=self._session_id,
            last_seq=len(self._spoken.pieces) - 1,
            duration_ms=duration_ms,
            padding_ms=padding_ms,
            reason=reason,
        )
        self.move_on()

    def go_to(self, *, attempt: int, node_id: str) -> None:
        """A node has an attempt: it hears the utterance from its beginning."""
        if attempt <= self._attempt or not node_id:
            return
        if self._end is not None and attempt > self._end.attempt:
            self.close()
            return
        self._attempt, self._node_id = attempt, node_id
        self._sent, self._was_ended = 0, False
        if self._is_useless:
            self._break("stream_gap")
        else:
            self.move_on()

    def give_up(self) -> None:
        """What was sent is of no use: the job is to go on without this."""
        self._is_useless = True
        self._let_go()
        if self._node_id:
            self._break("stream_gap")

    def close(self) -> None:
        """Nobody is to hear it any more."""
        self._node_id = ""
        self._let_go()

    def note_broken(self, event: StreamFailed) -> None:
        """The node's connection did not get all of it."""
        if event.attempt == self._attempt and self._node_id:
            self._break(event.reason)

    def move_on(self) -> None:
        """Send what is not sent yet; what cannot be sent at once goes on beside the speaker."""
        while not self._is_sending and (event := self._find_next()) is not None:
            here = self._delivery.local.to_node(self._node_id, event, conn_epoch=None)
            if here is None:
                self._is_sending = True
                self._background.run(self._send_elsewhere(event), name="speech to another instance")
                return
            if not here:
                self._break("stream_slow")
                return
            self._note_sent(event)

    def _find_next(self) -> AudioSpoken | SpeechEnded | None:
        if not self._node_id or self._spoken is None:
            return None
        if self._sent < len(self._spoken.pieces):
            return AudioSpoken(
                job_id=self._job_id,
                attempt=self._attempt,
                session_id=self._session_id,
                first_seq=self._sent,
                pieces=tuple(self._spoken.pieces[self._sent :]),
            )
        if self._end is not None and not self._was_ended:
            return SpeechEnded(
                job_id=self._end.job_id,
                attempt=self._attempt,
                session_id=self._end.session_id,
                last_seq=self._end.last_seq,
                duration_ms=self._end.duration_ms,
                padding_ms=self._end.padding_ms,
                reason=self._end.reason,
            )
        return None

    def _note_sent(self, event: AudioSpoken | SpeechEnded) -> None:
        if isinstance(event, SpeechEnded):
            self._was_ended = True
            self._let_go()
        else:
            self._sent = event.first_seq + len(event.pieces)

    def _let_go(self) -> None:
        spoken, self._spoken = self._spoken, None
        if spoken is not None:
            spoken.let_go()

    async def _send_elsewhere(self, event: AudioSpoken | SpeechEnded) -> None:
        node_id = self._node_id
        try:
            taken = await self._delivery.to_node(node_id, event)
        except DependencyDown:
            taken = False
        self._is_sending = False
        if event.attempt == self._attempt and node_id == self._node_id:
            if not taken:
                self._break("stream_gap")
                return
            self._note_sent(event)
        self.move_on()

    def _break(self, reason: str) -> None:
        node_id, self._node_id = self._node_id, ""
        if self._end is not None:
            self._let_go()
        self._on_broken(
            StreamFailed(
                session_id=self._session_id,
                job_id=self._job_id,
                attempt=self._attempt,
                node_id=node_id,
                reason=reason,
            )
        )
