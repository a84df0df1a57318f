"""One canary job: an ordinary one in a session of our own, for one node and no other (ND10)."""

import asyncio
import base64
import functools

import msgspec

from scheduling.jobs.reservation import Reservation, ReservationOutcome
from scheduling.jobs.settlement import Settlement
from scheduling.model import ids
from scheduling.model.delivery import Delivery
from scheduling.model.events import JobSettled, ToSession
from scheduling.model.jobs import (
    PARTIAL_EVERY_MS,
    Assignment,
    Need,
    Pipeline,
    Request,
    quote_base64,
)
from scheduling.model.nodes import Node, NodeDescription
from scheduling.model.outcomes import Outcome
from scheduling.model.probes import Probe
from scheduling.placement.decisions import DecisionBuilder
from scheduling.placement.wait_queue import PlacementRequest
from scheduling.store.sessions import SessionStore

_TYPES = ("asr", "nmt", "tts")
_GIVEN_WAY = "given_way"
_PROFILE = b'{"probe":true}'


class ProbeJobs:
    """Asks nodes what is said in a clip, and can take the question back."""

    def __init__(
        self,
        *,
        instance_id: str,
        sessions: SessionStore,
        delivery: Delivery,
        reservation: Reservation,
        settlement: Settlement,
        longest_s: float,
    ) -> None:
        self._instance_id = instance_id
        self._sessions = sessions
        self._delivery = delivery
        self._reservation = reservation
        self._settlement = settlement
        self._longest_s = longest_s
        self._awaited: dict[str, asyncio.Future[Outcome | None]] = {}

    async def ask(self, node: Node, probe: Probe, need: Need) -> Outcome | None:
        """Return what a node made of a clip, None where it was not asked, or need not answer.

        :raises DependencyDown: Redis did not answer; the job, if there is one, ends by its timer
        """
        session_id = ids.new_probe_session_id()
        conn_epoch = await self._sessions.open(
            session_id=session_id, instance_id=self._instance_id, profile=_PROFILE
        )
        if not conn_epoch:
            return None
        assignment = _assign(session_id, probe, need)
        request = Request(assignment=assignment, need=need, tenant_id="")
        answer: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        self._awaited[node.node_id] = answer

        def take(event: ToSession) -> None:
            if isinstance(event, JobSettled) and not answer.done():
                answer.set_result(event.outcome)

        self._delivery.local.probes[session_id] = take
        try:
            created = await self._reservation.create(
                request=request,
                placement_request=PlacementRequest(assignment=assignment, need=need),
                node=node,
                decision_builder=DecisionBuilder(),
            )
            if created is not ReservationOutcome.PLACED:
                await self._settlement.cancel(job_id=assignment.job_id, reason=_GIVEN_WAY)
                return None
            return await self._wait(answer, assignment.job_id)
        finally:
            del self._delivery.local.probes[session_id], self._awaited[node.node_id]
            await self._sessions.close(
                session_id=session_id, instance_id=self._instance_id, conn_epoch=conn_epoch
            )

    def give_way(self, node_id: str) -> None:
        """Take a question back: somebody needs the slot. That says nothing of the node."""
        answer = self._awaited.get(node_id)
        if answer is not None and not answer.done():
            answer.set_result(None)

    async def _wait(self, answer: "asyncio.Future[Outcome | None]", job_id: str) -> Outcome | None:
        """Wait for the answer; the job's own timers see to it that there is one."""
        try:
            outcome = await asyncio.wait_for(answer, self._longest_s)
        except TimeoutError:
            outcome = None
        session_id = ids.find_session_id(job_id)
        if outcome is None or session_id is None:
            await self._settlement.cancel(job_id=job_id, reason=_GIVEN_WAY)
            return None
        self._settlement.note_delivered(session_id=session_id, job_id=job_id)
        return outcome


def list_needs(description: NodeDescription, language: str, *, node_id: str = "") -> list[Need]:
    """Return what a probe may ask of a node, one need for each language it may answer in."""
    languages = description.languages
    targets = {tgt for _, tgt in languages.pairs or ()} | languages.tts | languages.semantic
    return [
        Need(
            src=language,
            tgt=tgt,
            types=_TYPES,
            pairs=((language, tgt),),
            public=False,
            only_node_id=node_id,
        )
        for tgt in sorted(targets - {language})
    ]


def _assign(session_id: str, probe: Probe, need: Need) -> Assignment:
    return Assignment(
        job_id=ids.new_job_id(session_id),
        attempt_id=1,
        session_id=session_id,
        utterance_index=0,
        src_lang=probe.language,
        tgt_lang=need.tgt,
        audio_format="pcm16",
        sample_rate=probe.sample_rate,
        trace_id=ids.new_trace_id(),
        pipeline=Pipeline(),
        enable_streaming_asr=True,
        partial_update_interval_ms=PARTIAL_EVERY_MS,
        audio=_quote_clip(probe.audio),
        is_manual_cut=True,
    )


@functools.lru_cache(maxsize=64)
def _quote_clip(audio: bytes) -> msgspec.Raw:
    """Return a clip as frames carry it: a fleet that joins at once gets the same few."""
    return quote_base64(base64.b64encode(audio).decode("ascii"))
