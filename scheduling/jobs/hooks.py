"""Tell outcomes to callers' web hooks: by whoever is alive, again and again, but not for ever."""

import asyncio
import collections
import hashlib
import hmac
import logging
from typing import Protocol

import msgspec

from scheduling.jobs.accepted_jobs import AcceptedJobs
from scheduling.jobs.settlement import Settlement
from scheduling.model import clock, errors
from scheduling.model.background import Background
from scheduling.model.callbacks import Hook
from scheduling.model.jobs import ENDED
from scheduling.model.reports import describe_job
from scheduling.store import timers
from scheduling.store.hooks import HookStore
from scheduling.store.jobs import JobStore
from scheduling.store.outcomes import OutcomeStore
from scheduling.store.timers import TimerStore

logger = logging.getLogger(__name__)

_LOOK_AGAIN_MS = 2_000
_FIRST_WAIT_MS = 1_000
_LONGEST_WAIT_MS = 60_000
_MOST_AT_ONCE = 32


class WebhookSender(Protocol):
    """What brings a body to an address."""

    def check(self, url: str) -> None:
        """See that hooks may go there at all.

        :raises Refusal: they may not
        """

    async def post(self, url: str, *, body: bytes, headers: dict[str, str]) -> int:
        """Return the status of the answer.

        :raises OSError: there was none
        :raises Refusal: hooks may not go there
        """


class Hooks:
    """Keeps hooks beside their jobs, each with a timer that any instance acts on.

    A hook is told at least once, or given up after `most_tries`; two instances may tell it twice.
    """

    def __init__(
        self,
        *,
        hooks: HookStore,
        jobs: JobStore,
        outcomes: OutcomeStore,
        timer_store: TimerStore,
        settlement: Settlement,
        accepted: AcceptedJobs,
        webhook_client: WebhookSender,
        most_tries: int,
        most_each: int,
        timeout_ms: int,
    ) -> None:
        self._hooks = hooks
        self._jobs = jobs
        self._outcomes = outcomes
        self._timers = timer_store
        self._settlement = settlement
        self._accepted = accepted
        self._webhook_client = webhook_client
        self._most_tries = most_tries
        self._most_each = most_each
        self._under_way: collections.Counter[str] = collections.Counter()
        self._timeout_ms = timeout_ms
        self._busy: set[str] = set()
        self._room = asyncio.Semaphore(_MOST_AT_ONCE)
        self._background = Background()

    def check(self, url: str) -> None:
        """See that a hook may go there.

        :raises Refusal: it may not
        """
        self._webhook_client.check(url)

    async def keep(self, *, session_id: str, job_id: str, hook: Hook) -> None:
        """Keep a hook before its job is created, so that no death of a process loses it."""
        await asyncio.gather(
            self._timers.arm(timers.name_hook(session_id, job_id), delay_ms=_LOOK_AGAIN_MS),
            self._hooks.keep(session_id=session_id, job_id=job_id, hook=hook),
        )

    async def drop(self, *, session_id: str, job_id: str) -> None:
        """Forget a hook: its job was refused at once, it was told, or it is given up."""
        await asyncio.gather(
            self._hooks.drop(session_id=session_id, job_id=job_id),
            self._timers.disarm(timers.name_hook(session_id, job_id)),
        )

    def look_soon(self, session_id: str, job_id: str) -> None:
        """See in a moment whether a hook can be told; never waits."""
        if job_id not in self._busy:
            self._busy.add(job_id)
            self._background.run(self._look(session_id, job_id), name="a web hook")

    async def _look(self, session_id: str, job_id: str) -> None:
        try:
            async with self._room:
                await self.look(session_id=session_id, job_id=job_id)
        finally:
            self._busy.discard(job_id)

    async def look(self, *, session_id: str, job_id: str) -> None:
        """Tell a hook whose job has ended; else, and where that fails, look again later."""
        hook, record, outcome = await asyncio.gather(
            self._hooks.find(session_id=session_id, job_id=job_id),
            self._jobs.find(session_id=session_id, job_id=job_id),
            self._outcomes.find(session_id=session_id, job_id=job_id),
        )
        if hook is None or record is None:
            await self.drop(session_id=session_id, job_id=job_id)
            return
        entity = timers.name_hook(session_id, job_id)
        if record.state not in ENDED:
            await self._timers.arm(entity, delay_ms=_LOOK_AGAIN_MS)
            return
        # Whoever tells it now is given the time to; when this process dies, somebody else does.
        await self._timers.arm(entity, delay_ms=self._timeout_ms + _LOOK_AGAIN_MS)
        body = msgspec.json.encode(describe_job(record, outcome))
        if self._under_way[hook.owner] >= self._most_each:
            # Its owner's receivers are slow: they may hold up each other, and nobody else.
            await self._timers.arm(entity, delay_ms=_FIRST_WAIT_MS)
            return
        self._under_way[hook.owner] += 1
        try:
            is_told = await self._tell(hook, job_id=job_id, body=body)
        finally:
            self._under_way[hook.owner] -= 1
            if not self._under_way[hook.owner]:
                del self._under_way[hook.owner]
        if is_told:
            self._settlement.note_delivered(session_id=session_id, job_id=job_id)
            self._accepted.note_told(job_id, by_hook=True)
            await self.drop(session_id=session_id, job_id=job_id)
            return
        await self._put_off(hook, session_id=session_id, job_id=job_id)

    async def _put_off(self, hook: Hook, *, session_id: str, job_id: str) -> None:
        """A hook was not taken: try again later, each time later, or give it up."""
        tries = hook.tries + 1
        if tries >= self._most_tries:
            logger.warning("a web hook is given up", extra={"job_id": job_id})
            self._accepted.note_told(job_id, by_hook=True)
            await self.drop(session_id=session_id, job_id=job_id)
            return
        later = msgspec.structs.replace(hook, tries=tries)
        await self._hooks.keep(session_id=session_id, job_id=job_id, hook=later)
        wait_ms = min(_FIRST_WAIT_MS << hook.tries, _LONGEST_WAIT_MS)
        await self._timers.arm(timers.name_hook(session_id, job_id), delay_ms=wait_ms)

    async def _tell(self, hook: Hook, *, job_id: str, body: bytes) -> bool:
        headers = {
            "X-Lingua-Delivery": job_id,
            "X-Lingua-Signature": sign(body, secret=hook.secret, at_s=clock.now_ms() // 1000),
        }
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                status = await self._webhook_client.post(hook.url, body=body, headers=headers)
        except (OSError, TimeoutError, ValueError, errors.Refusal) as error:
            logger.info("a web hook failed: %s", error, extra={"job_id": job_id})
            return False
        return 200 <= status < 300  # noqa: PLR2004 - what HTTP calls success


def sign(body: bytes, *, secret: str, at_s: int) -> str:
    """Return what proves that a body is ours: HMAC-SHA256 over the moment, a dot and the body."""
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"
