"""Sessions without a socket: an utterance is a request, its answer is fetched or called back."""

import asyncio
import base64
import collections
import secrets

import msgspec

from scheduling.jobs.accepted_jobs import AcceptedJobs
from scheduling.jobs.dispatch import Dispatcher
from scheduling.jobs.hooks import Hooks
from scheduling.jobs.job_recovery import JobRecovery
from scheduling.jobs.recordings import Recordings
from scheduling.jobs.session_jobs import FoundJob
from scheduling.jobs.sessions import Sessions
from scheduling.jobs.settlement import Settlement
from scheduling.model import clock, errors, ids
from scheduling.model.callbacks import Hook, Recording
from scheduling.model.credentials import Principal
from scheduling.model.delivery import Delivery
from scheduling.model.events import JobSettled
from scheduling.model.jobs import Request
from scheduling.model.outcomes import Refused
from scheduling.model.reports import JobReport, describe_job
from sessions_app import http_messages
from sessions_app.audio import UndecodableAudio
from sessions_app.http_requests import read_request
from sessions_app.http_room_outcomes import HttpRoomOutcomes, is_proved
from sessions_app.http_session import HttpSession
from sessions_app.job_cancellation import make_end
from sessions_app.job_ends import JobEnds
from sessions_app.requests import Profile, fan_out, read_profile, read_targets
from sessions_app.services import find_tenant
from sessions_app.whole_audio import WholeAudio, refuse_file, settle_audio
from sockets.endpoints import Call

_NO_MEMBER = "Name the session_id and the member_token that you had when you came into the room."
_CANCELLED = "The caller cancelled it."


class HttpSessionService:
    """Takes utterances that come as requests to the same dispatcher as all others."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        recordings: Recordings,
        hooks: Hooks,
        accepted: AcceptedJobs,
        job_recovery: JobRecovery,
        delivery: Delivery,
        dispatcher: Dispatcher,
        settlement: Settlement,
        ends: JobEnds,
        rooms: HttpRoomOutcomes,
        most_jobs: int,
    ) -> None:
        self._sessions = sessions
        self._recordings = recordings
        self._hooks = hooks
        self._accepted = accepted
        self._job_recovery = job_recovery
        self._delivery = delivery
        self._dispatcher = dispatcher
        self._settlement = settlement
        self._ends = ends
        self._rooms = rooms
        self._calls: dict[str, HttpSession] = {}
        self._most_jobs = most_jobs
        self._under_way: collections.Counter[str] = collections.Counter()
        self._is_leaving = False

    def leave(self) -> None:
        """The process ends: what was dispatched goes on elsewhere, nothing new is taken."""
        self._is_leaving = True

    def send_away(self) -> None:
        """It ends now: who still waits in the middle of a request is to ask another one."""
        self._ends.leave()

    async def keep_audio(self, call: Call[bytes]) -> http_messages.Kept:
        """Keep audio for the utterances that will name it.

        :raises BadInput: there is none
        :raises TooManyRequests: its sender has as much here as it may
        :raises ForeignAudio: it is a file that we do not take
        """
        if not call.message:
            raise errors.BadInput("There is no audio.", code="INVALID_MESSAGE")
        refuse_file(call.message)
        wait_ms = await self._recordings.count(len(call.message), owner=_name(call.principal))
        if wait_ms:
            raise errors.TooManyRequests(
                "You keep as much audio here as you may. Use what there is, or wait.",
                details={"retry_after_ms": wait_ms},
            )
        audio_ref = f"audio-{secrets.token_hex(16)}"
        recording = Recording(
            audio=base64.b64encode(call.message).decode(), owner=_name(call.principal)
        )
        life_ms = await self._recordings.keep(audio_ref, recording=recording)
        return http_messages.Kept(
            audio_ref=audio_ref,
            size_bytes=len(call.message),
            expires_at_ms=clock.now_ms() + life_ms,
        )

    async def dispatch(
        self, call: Call[http_messages.DispatchUtterance]
    ) -> http_messages.Dispatched | http_messages.DispatchedToSeveral:
        """Dispatch an utterance, to one language or to each of several; answers at once.

        :raises TooManyRequests: the caller has as many jobs under way here as it may
        :raises Refusal: nothing was accepted; of several languages, each says so for itself
        """
        if self._is_leaving:
            raise errors.BadInput("This instance ends; ask another one.", code="DRAINING")
        message = call.message
        targets = read_targets(message.tgt_lang, message.tgt_langs)
        if self._under_way[_name(call.principal)] >= self._most_jobs:
            raise errors.TooManyRequests(
                "You have as many jobs under way here as you may. Wait for one to end.",
                details={"retry_after_ms": 1_000},
            )
        if message.callback is not None:
            self._hooks.check(message.callback.url)
        audio = await self._find_audio(call)
        session_id, index, profile = await self._find_session(call, targets)
        request = read_request(
            message, profile=profile, session_id=session_id, index=index, audio=audio
        )
        requests = await self._rooms.aim(
            fan_out(request, targets),
            code=message.room_code,
            profile=profile,
            ask=lambda one: self._dispatch(one, profile, None),
        )
        answers = await asyncio.gather(
            *(self._dispatch(one, profile, message.callback) for one in requests),
            return_exceptions=True,
        )
        jobs = [answer for answer in answers if isinstance(answer, http_messages.DispatchedJob)]
        failures = [
            (one, answer)
            for one, answer in zip(requests, answers, strict=True)
            if isinstance(answer, BaseException)
        ]
        for one, failure in failures:
            self._rooms.note_failure(one, failure)
        if failures and not jobs:
            raise failures[0][1]
        if message.tgt_langs is None and message.room_code is None:
            return http_messages.Dispatched(
                **msgspec.structs.asdict(jobs[0]), session_id=session_id, utterance_index=index
            )
        return http_messages.DispatchedToSeveral(
            session_id=session_id,
            utterance_index=index,
            jobs=jobs,
            refused=[_tell(one, failure) for one, failure in failures],
        )

    async def find_job(self, call: Call[None]) -> JobReport:
        """Return where a job stands; its outcome may be asked for again while it is kept.

        :raises NoSuchJob: there is none, or it is nothing of the caller's
        """
        found, is_own = await self._find_job(call, ends_it=False)
        report = describe_job(found.record, found.outcome)
        if is_own and report.ended:
            self._settlement.note_delivered(session_id=report.session_id, job_id=report.job_id)
            self._accepted.note_told(report.job_id, by_hook=False)
        return report

    async def cancel_job(self, call: Call[None]) -> JobReport:
        """End a job nobody waits for; return where it stands, which may be another end.

        :raises NoSuchJob: there is none, or it is nothing of the caller's
        """
        found, _ = await self._find_job(call, ends_it=True)
        job_id = found.record.job_id
        if await self._settlement.cancel(job_id=job_id, reason=_CANCELLED):
            self._dispatcher.discard(job_id)
            accepted = self._accepted.find(job_id)
            if accepted is not None:
                refused = Refused(code="CANCELLED", message=_CANCELLED)
                self._settled(make_end(accepted.request, refused))
        return await self.find_job(call)

    async def _find_job(self, call: Call[None], *, ends_it: bool) -> tuple[FoundJob, bool]:
        """Return a job, and whether it was accepted from the caller itself.

        Who is in a room is shown the ids of others' jobs: theirs it takes the member's token to
        end. A tenant may look at what is its own.

        :raises NoSuchJob: there is none, or it is nothing of the caller's
        """
        found = await self._sessions.jobs.find_job(call.name)
        if found is None and await self._job_recovery.restore(call.name):
            found = await self._sessions.jobs.find_job(call.name)
        if found is None:
            raise errors.NoSuchJob
        profile = msgspec.json.decode(found.profile, type=Profile)
        is_own = profile.caller == _name(call.principal) and is_proved(profile, call.member_token)
        tenant_id = call.principal.tenant_id if call.principal else ""
        is_of_tenant = bool(tenant_id) and tenant_id == found.record.tenant_id
        if not is_own and (not is_of_tenant or (ends_it and profile.member_digest)):
            raise errors.NoSuchJob
        return found, is_own

    async def _find_audio(self, call: Call[http_messages.DispatchUtterance]) -> WholeAudio:
        message = call.message
        if (message.audio is None) == (message.audio_ref is None):
            raise errors.BadInput("Send audio, or name audio_ref.", code="INVALID_MESSAGE")
        text = message.audio or ""
        if message.audio_ref is not None:
            recording = await self._recordings.find(message.audio_ref)
            if recording is None or recording.owner != _name(call.principal):
                raise errors.BadInput("There is no such audio_ref.", code="NO_SUCH_AUDIO")
            text = recording.audio
        try:
            return settle_audio(
                text, audio_format=message.audio_format, sample_rate=message.sample_rate
            )
        except UndecodableAudio as error:
            raise errors.BadInput(str(error), code="INVALID_MESSAGE") from error

    async def _find_session(
        self, call: Call[http_messages.DispatchUtterance], targets: tuple[str, ...]
    ) -> tuple[str, int, Profile]:
        """Return the session an utterance belongs to, and its place there; a new one if need be."""
        message = call.message
        tenant_id = find_tenant(message.tenant_id, call.principal)
        session_id = message.session_id
        if session_id is None:
            if message.room_code is not None:
                raise errors.BadInput(_NO_MEMBER, code="INVALID_MESSAGE")
            profile = read_profile(
                message,
                tgt_lang=targets[0],
                tgt_langs=targets if len(targets) > 1 else (),
                tenant_id=tenant_id,
                caller=_name(call.principal),
                principal=call.principal,
            )
            opened = await self._sessions.open(
                profile=msgspec.json.encode(profile), resumable=False
            )
            session_id = opened.session_id
        elif not ids.is_session_id(session_id) or not await self._is_own(call, session_id):
            raise errors.BadInput("You have no such session.", code="INVALID_SESSION")
        spoken = await self._sessions.speak(session_id, wanted_index=message.utterance_index)
        if spoken is None:
            raise errors.BadInput("You have no such session.", code="INVALID_SESSION")
        return session_id, spoken.utterance_index, msgspec.json.decode(spoken.profile, type=Profile)

    async def _is_own(self, call: Call[http_messages.DispatchUtterance], session_id: str) -> bool:
        """Say whether a session is one without a socket, and the caller's own."""
        text = await self._sessions.find_profile(session_id)
        if text is None:
            return False
        profile = msgspec.json.decode(text, type=Profile)
        is_meant = call.message.tenant_id in {None, "", profile.tenant_id}
        is_callers = is_meant and profile.caller == _name(call.principal)
        return is_callers and is_proved(profile, call.message.member_token)

    async def _dispatch(
        self, request: Request, profile: Profile, callback: http_messages.Callback | None
    ) -> http_messages.DispatchedJob:
        job = request.assignment
        session_id, job_id = job.session_id, job.job_id
        hook = None
        if callback is not None:
            hook = Hook(url=callback.url, secret=callback.secret, owner=profile.caller or "")
            await self._hooks.keep(session_id=session_id, job_id=job_id, hook=hook)
        self._accepted.accept(request, profile=msgspec.json.encode(profile), hook=hook)
        self._attend(job_id, session_id, profile)
        try:
            existing = await self._dispatcher.dispatch(request)
        except errors.Refusal as refusal:
            self._accepted.forget(job_id)
            self._forget(session_id, job_id)
            if callback is not None and not isinstance(refusal, errors.DependencyDown):
                await self._hooks.drop(session_id=session_id, job_id=job_id)
            raise
        if existing is not None:
            self._accepted.forget(job_id)
            self._forget(session_id, job_id)
            held = self._calls.get(session_id)
            if held is None or existing not in held.jobs:
                self._rooms.pass_over(request)
            if callback is not None:
                await self._hooks.drop(session_id=session_id, job_id=job_id)
        found = await self._sessions.jobs.find_job(existing or job_id)
        if found is None:
            # Redis lost it in this very moment, and nobody was told that it was accepted.
            self._accepted.forget(job_id)
            self._forget(session_id, job_id)
            raise errors.DependencyDown
        record = found.record
        return http_messages.DispatchedJob(
            job_id=record.job_id,
            node_id=record.node_id or None,
            attempt_id=record.attempt,
            state=record.state,
            tgt_lang=job.tgt_lang,
        )

    def _attend(self, job_id: str, session_id: str, profile: Profile) -> None:
        """Hear of the end of a job, and let nothing else be told to nobody."""
        held = self._calls.get(session_id)
        if held is None:
            held = HttpSession(session_id, profile=profile, on_settled=self._settled)
            self._calls[session_id] = held
            self._delivery.local.attach_session(session_id, held)
        if job_id not in held.jobs:
            held.jobs.add(job_id)
            self._under_way[held.caller] += 1

    def _settled(self, settled: JobSettled) -> None:
        self._accepted.end(settled)
        self._ends.tell(settled)
        self._rooms.tell(settled)
        self._forget(settled.session_id, settled.job_id)
        self._hooks.look_soon(settled.session_id, settled.job_id)

    def _forget(self, session_id: str, job_id: str) -> None:
        held = self._calls.get(session_id)
        if held is not None:
            if job_id in held.jobs:
                held.jobs.discard(job_id)
                self._under_way[held.caller] -= 1
            if not held.jobs:
                del self._calls[session_id]
                self._delivery.local.detach_session(session_id, held)


def _name(principal: Principal | None) -> str:
    return principal.principal_id if principal else ""


def _tell(request: Request, failure: BaseException) -> http_messages.RefusedTarget:
    """Return what is told of a language that was refused.

    :raises BaseException: `failure`, where it is no refusal
    """
    if not isinstance(failure, errors.Refusal):
        raise failure
    return http_messages.RefusedTarget(
        error=failure.code,
        detail=str(failure),
        details=failure.details,
        tgt_lang=request.assignment.tgt_lang,
    )
