"""What members of rooms without a socket say there, and what becomes of it."""

import hmac
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from scheduling.model.credentials import digest_secret
from scheduling.model.errors import Refusal, RoomUnknown
from scheduling.model.events import JobSettled
from scheduling.model.jobs import Request
from scheduling.model.outcomes import Refused, Result
from scheduling.rooms.captions import Captions
from sessions_app.http_room_seats import HttpRoomSeats
from sessions_app.job_cancellation import make_end, refuse
from sessions_app.requests import Profile
from sessions_app.room_audience import RoomAudience

Dispatch = Callable[[Request], Awaitable[object]]


class HttpRoomOutcomes:
    """The utterances that came here as requests and are said in rooms, until the rooms know all."""

    def __init__(self, *, captions: Captions, seats: HttpRoomSeats) -> None:
        self._captions = captions
        self._seats = seats
        self._said: dict[tuple[str, int], _Said] = {}

    async def aim(
        self, requests: Sequence[Request], *, code: str | None, profile: Profile, ask: Dispatch
    ) -> Sequence[Request]:
        """Ask for an utterance in the languages that others in its room listen in.

        It is as it was where nobody does, and outside a room.

        :raises RoomUnknown: the room is over, or its speaker is not in it
        :raises DependencyDown: Redis did not answer
        """
        if code is None:
            return requests
        job = requests[0].assignment
        key = job.session_id, job.utterance_index
        if key not in self._said:
            audience = RoomAudience(
                session_id=job.session_id, captions=self._captions, go_on_from=_number_nothing
            )
            audience.enter(code, name=profile.shown_name)
            await self._seats.hold(code, job.session_id)
            if await audience.find_place(job.utterance_index, src_lang=job.src_lang) is None:
                raise RoomUnknown
            self._said.setdefault(key, self._expect_answers(audience, ask))
        said = self._said[key]
        aimed = await said.audience.aim(requests)
        said.expect(aimed)
        if not said.audience.outcomes.is_awaited:
            del self._said[key]
        return aimed

    def tell(self, settled: JobSettled) -> None:
        """A job is over: its room is told what became of it."""
        said = self._said.get((settled.session_id, settled.utterance_index))
        if said is None:
            return
        settled = said.name_target(settled)
        if isinstance(settled.outcome, Result) and settled.outcome.is_empty:
            said.audience.outcomes.take_silence(settled)
        else:
            said.audience.outcomes.take(settled)
        self._let_go(settled.session_id, settled.utterance_index)

    def note_failure(self, request: Request, failure: BaseException) -> None:
        """A job was not created: the room is told that there will be no text of it."""
        reason = failure if isinstance(failure, Refusal) else Refusal()
        self.tell(refuse(request, reason))

    def pass_over(self, request: Request) -> None:
        """It was said before, and whoever took it then tells the room."""
        job = request.assignment
        said = self._said.get((job.session_id, job.utterance_index))
        if said is not None:
            said_before = Refused(code="CANCELLED", message="")
            said.audience.outcomes.take_silence(make_end(request, said_before))
            self._let_go(job.session_id, job.utterance_index)

    def _expect_answers(self, audience: RoomAudience, ask: Dispatch) -> "_Said":
        said = _Said(audience)

        async def ask_again(requests: Sequence[Request]) -> None:
            """Let a room read at least what was said, where nobody serves its languages."""
            said.expect(requests)
            for request in requests:
                try:
                    await ask(request)
                except Refusal as refusal:
                    self.note_failure(request, refusal)

        audience.outcomes.connect(ask_again)
        return said

    def _let_go(self, session_id: str, utterance_index: int) -> None:
        said = self._said[session_id, utterance_index]
        if not said.audience.outcomes.is_awaited:
            del self._said[session_id, utterance_index]


class _Said:
    """One utterance, and in which language each of its jobs is."""

    __slots__ = ("_targets", "audience")

    def __init__(self, audience: RoomAudience) -> None:
        self.audience = audience
        self._targets: dict[str, str] = {}

    def expect(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self._targets[request.assignment.job_id] = request.assignment.tgt_lang

    def name_target(self, settled: JobSettled) -> JobSettled:
        """Return the end of a job with its language, which other instances do not tell."""
        target = settled.tgt_lang or self._targets.get(settled.job_id, "")
        return msgspec.structs.replace(settled, tgt_lang=target)


def is_proved(profile: Profile, member_token: str | None) -> bool:
    """Say whether a session is the asker's: in rooms all know its id, and its token nobody else."""
    if not profile.member_digest:
        return True
    return hmac.compare_digest(profile.member_digest, digest_secret(member_token or ""))


def _number_nothing(_utterance_index: int) -> None:
    """Its session numbers its utterances by itself."""
