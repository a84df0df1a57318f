"""What a node's slots are meant to do, in plain Python: the model that the scripts must equal."""

import dataclasses

from scheduling.model.limits import JobLimits, NodeLimits

Attempt = tuple[str, int]
Answer = tuple[str, int]


@dataclasses.dataclass(slots=True)
class NodeModel:
    """One node: leases by their end, and the life of its connection."""

    jobs: JobLimits
    rules: NodeLimits
    status: str = ""
    health: str = ""
    epoch: int = 0
    max: int = 0
    draining: bool = False
    held: bool = False
    registered_at: int = 0
    heard_at: int = 0
    resv: dict[Attempt, int] = dataclasses.field(default_factory=dict)
    run: dict[Attempt, int] = dataclasses.field(default_factory=dict)
    mirror: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def load(self) -> int:
        return len(self.resv) + len(self.run)

    def expire(self, now: int) -> None:
        for leases in (self.resv, self.run):
            for attempt in [each for each, end in leases.items() if end <= now]:
                del leases[attempt]

    def register(self, *, now: int, most: int) -> None:
        self.epoch = max(self.epoch + 1, now)
        self.status, self.health, self.draining = "registering", "", False
        self.held = False
        self.max, self.registered_at, self.heard_at = most, now, now
        self._note()

    def beat(
        self, *, now: int, epoch: int, good: bool, drains: bool | None, runs: set[Attempt] | None
    ) -> bool:
        if not self.status or epoch != self.epoch:
            return False
        self.health = (self.health + ("1" if good else "0"))[-self.rules.window :]
        self.heard_at = now
        self.status = self._next_status(now)
        if drains is not None:
            self.draining = drains or self.held
        for attempt in self.run:
            if runs is None or attempt in runs:
                self.run[attempt] = now + self.jobs.run_lease_ms
        self._note()
        return True

    def _next_status(self, now: int) -> str:
        rules = self.rules
        if self.health.endswith("1" * rules.good_heartbeats):
            return "ready"
        many = self.health.count("0") >= rules.window_failures
        row = self.health.endswith("0" * rules.consecutive_failures)
        if self.status == "ready" and (many or row):
            return "degraded"
        if self.status == "registering" and now - self.registered_at > rules.warmup_ms:
            return "degraded"
        return self.status

    def reserve(self, attempt: Attempt, *, now: int, epoch: int) -> Answer:
        silent = now - self.heard_at > self.rules.heartbeat_timeout_ms
        if self.status in {"", "offline"} or epoch != self.epoch or silent:
            return "offline", 0
        if attempt in self.run:
            return "already", self.load
        if attempt in self.resv:
            self.resv[attempt] = now + self.jobs.reservation_ms
            return "already", self.load
        if self.status != "ready" or self.draining:
            return "not_ready", self.load
        if self.load >= self.max:
            return "full", self.load
        self.resv[attempt] = now + self.jobs.reservation_ms
        self._note()
        return "reserved", self.load

    def commit(self, attempt: Attempt, *, now: int) -> Answer:
        if attempt in self.run:
            return "already", self.load
        word = "committed" if self.resv.pop(attempt, None) else "late"
        if word == "late" and self.load >= self.max:
            return "full", self.load
        self.run[attempt] = now + self.jobs.run_lease_ms
        self._note()
        return word, self.load

    def release(self, attempt: Attempt) -> Answer:
        word = "resv" if self.resv.pop(attempt, None) else "none"
        self._note()
        return word, self.load

    def finish(self, attempt: Attempt) -> Answer:
        word = "run" if self.run.pop(attempt, None) else "none"
        if self.resv.pop(attempt, None) and word == "none":
            word = "resv"
        self._note()
        return word, self.load

    def retire(self, *, now: int, epoch: int, silent_ms: int) -> tuple[set[Attempt] | None, int]:
        if not self.status or epoch != self.epoch:
            return None, 0
        rest = silent_ms - (now - self.heard_at)
        if rest > 0:
            return None, rest
        self.status, self.health = "offline", ""
        return {*self.resv, *self.run}, 0

    def drain(self, *, draining: bool) -> bool:
        if self.status:
            self.draining = self.held = draining
        return bool(self.status)

    def _note(self) -> None:
        if self.max:
            self.mirror = {"max": self.max, "reserved": len(self.resv), "running": len(self.run)}
