"""A node in Redis: its record, its connection, its health."""

import asyncio
import enum
from asyncio import Future
from collections.abc import Sequence
from typing import Any

import msgspec

from scheduling.model.limits import JobLimits, NodeLimits
from scheduling.model.nodes import Flaws, Hold, Node, NodeDescription, NodeStatus, Usage
from scheduling.model.standing import GOOD_STANDING, Standing, StandingRules
from scheduling.store.keys import Keys
from scheduling.store.leases import Attempt, list_lease_keys, name_attempt, read_attempts
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import is_done, read_speeds, read_standing

_encode = msgspec.json.encode


class Registered(msgspec.Struct, frozen=True):
    """A node's new connection; `attempts` are those that still hold a slot.

    `was_taken` says that a living connection lost its id to this one, `takeovers` how often.
    """

    conn_epoch: int
    now_ms: int
    held: Hold
    was_taken: bool
    takeovers: int
    attempts: tuple[Attempt, ...]
    standing: Standing = GOOD_STANDING


class HeartbeatRecorded(msgspec.Struct, frozen=True):
    """The node's state after a heartbeat, and its status before.

    `shown` is what `repeat_heartbeat` takes for the same, ``""`` where the next must be whole.
    """

    status: NodeStatus
    before: NodeStatus
    load: int
    draining: bool
    held: Hold
    now_ms: int
    standing: Standing = GOOD_STANDING
    shown: str = ""


class Retired(msgspec.Struct, frozen=True):
    """What became of retiring a node.

    `attempts` are those it still holds, None where it was not retired; then `alive_for_ms` says
    how long until it could be, None where it is back on a newer connection, or unknown.
    """

    attempts: tuple[Attempt, ...] | None = None
    alive_for_ms: int | None = None


class Unheard(enum.StrEnum):
    """Why a heartbeat was not recorded: Redis knows no such node, or a newer connection of it."""

    UNKNOWN = "unknown"
    FENCED = "stale_epoch"


class Owner(msgspec.Struct, frozen=True):
    """Who holds a node's connection."""

    instance_id: str
    conn_epoch: int


class Restored(enum.StrEnum):
    """What became of writing a node back."""

    RESTORED = "restored"
    KNOWN = "known"
    FENCED = "stale_epoch"


class Moved(msgspec.Struct, frozen=True):
    """A node on its new connection; `reserved` are attempts it was sent and has not accepted."""

    node: Node
    load: int
    reserved: tuple[Attempt, ...]


class Unmoved(enum.StrEnum):
    """Why a node's connection was not moved: it must register first, or is not who it says."""

    UNKNOWN = "unknown"
    CONFLICT = "conflict"


class NodeStore:
    """The only writer of a node's record; one script a method, issued at once.

    What jobs do with its slots is in `NodeSlotStore`.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        keys: Keys,
        node_limits: NodeLimits,
        job_limits: JobLimits,
        standing_rules: StandingRules,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._limits = node_limits
        self._jobs = job_limits
        self._rules = standing_rules
        self.test_clock: int | str = ""

    def register(
        self,
        *,
        node_id: str,
        instance_id: str,
        max_jobs: int,
        description: NodeDescription,
        shown_token: str,
        kept_token: str,
        cordoned: bool = False,
        own_epoch: int | None = None,
        standing: Standing = GOOD_STANDING,
    ) -> "Future[Registered | None]":
        """Give a node's id to a new connection; None when it lives and the token is wrong (N4).

        `own_epoch` is what this very socket had before. `cordoned` says that operators want it
        so; a cordon its record knows of stays, too. `standing` is what it begins with where Redis
        knows nothing of it.
        """
        return self._connection.run_script(
            "register_node",
            keys=list_lease_keys(self._keys, node_id),
            args=[
                instance_id,
                max_jobs,
                _encode(description),
                shown_token,
                kept_token,
                self._limits.heartbeat_timeout_ms,
                self._limits.forget_ms,
                int(cordoned),
                "" if own_epoch is None else own_epoch,
                self._rules.encode_standing(standing),
                self.test_clock,
            ],
            read=_read_registered,
        )

    def move(
        self, *, node_id: str, instance_id: str, shown_token: str
    ) -> "Future[Moved | Unmoved]":
        """Bring the connection of a node that asks over HTTP to the instance it asked (N18)."""
        return self._connection.run_script(
            "move_node",
            keys=list_lease_keys(self._keys, node_id)[:3],
            args=[shown_token, instance_id, self.test_clock],
            read=lambda raw: _read_moved(node_id, raw),
        )

    def record_heartbeat(
        self,
        *,
        node_id: str,
        conn_epoch: int,
        healthy: bool,
        usage: Usage,
        description: NodeDescription | None,
        draining: bool | None,
        running: Sequence[Attempt] | None,
        flaws: Flaws | None = None,
    ) -> "Future[HeartbeatRecorded | Unheard]":
        """Record that a node lives, or say why this connection does not speak for it.

        `running` are the attempts it listed, None when it lists none and all it holds are renewed.
        """
        rules = self._limits
        return self._connection.run_script(
            "record_heartbeat",
            keys=list_lease_keys(self._keys, node_id),
            args=[
                conn_epoch,
                int(healthy),
                _encode(usage),
                _encode(description) if description else "",
                "" if draining is None else int(draining),
                "*" if running is None else ",".join(name_attempt(*pair) for pair in running),
                self._jobs.run_lease_ms,
                rules.good_heartbeats,
                rules.consecutive_failures,
                rules.window_failures,
                rules.window,
                rules.warmup_ms,
                rules.forget_ms,
                _encode(flaws) if flaws else "",
                self.test_clock,
            ],
            read=_read_heartbeat,
            patient=True,
        )

    def repeat_heartbeat(self, *, node_id: str, shown: str, usage: Usage | None) -> "Future[bool]":
        """Record that a node lives and nothing else changed; False where it is not as `shown`."""
        return self._connection.run_script(
            "repeat_heartbeat",
            keys=[self._keys.node.info(node_id)],
            args=[
                shown,
                _encode(usage) if usage else "",
                self._limits.forget_ms,
                self.test_clock,
            ],
            read=is_done,
        )

    def retire(self, *, node_id: str, conn_epoch: int, silent_ms: int = 0) -> "Future[Retired]":
        """Take a node offline, with `silent_ms` only if it was silent that long (C13)."""
        return self._connection.run_script(
            "retire_node",
            keys=list_lease_keys(self._keys, node_id)[:3],
            args=[conn_epoch, silent_ms, self.test_clock],
            read=_read_retired,
        )

    def find(self, *, node_id: str) -> "Future[tuple[Node, int] | None]":
        """Return a node and its last counted load for those who ask, None when it is unknown."""
        found = self._connection.execute(
            "HGETALL", self._keys.node.info(node_id), read=lambda raw: _read_node(node_id, raw)
        )
        counted = self._connection.execute(
            "HMGET", self._keys.node.cap(node_id), "reserved", "running", read=_read_load
        )

        async def join() -> tuple[Node, int] | None:
            node, load = await asyncio.gather(found, counted)
            return None if node is None else (node, load)

        return asyncio.ensure_future(join())

    def find_owner(self, *, node_id: str) -> "Future[Owner | None]":
        """Return the instance and the epoch of the connection a node has, as far as Redis knows."""
        return self._connection.execute(
            "HMGET",
            self._keys.node.info(node_id),
            "instance_id",
            "conn_epoch",
            read=lambda raw: Owner(instance_id=raw[0], conn_epoch=int(raw[1])) if raw[0] else None,
        )

    def restore(
        self, *, node: Node, resume_token: str, attempts: Sequence[Attempt]
    ) -> "Future[Restored]":
        """Write back a node whose record is lost, and the leases of what it was given (G5)."""
        return self._connection.run_script(
            "restore_node",
            keys=[
                self._keys.node.info(node.node_id),
                self._keys.node.resv(node.node_id),
                self._keys.node.run(node.node_id),
            ],
            args=[
                node.instance_id,
                node.conn_epoch,
                node.max_jobs,
                _encode(node.description),
                node.status,
                int(node.draining),
                node.held,
                resume_token,
                ",".join(name_attempt(*pair) for pair in attempts),
                self._jobs.run_lease_ms,
                self._limits.forget_ms,
                self._rules.encode_standing(node.standing),
                self.test_clock,
            ],
            read=lambda raw: Restored(raw[1]),
        )

    def drain(self, *, node_id: str, draining: bool, lasting: bool = False) -> "Future[bool]":
        """Ask a node to take nothing new, or to take work again; False when it is unknown.

        With `lasting` until it is resumed, over new connections too, while its record lasts.
        """
        return self._connection.run_script(
            "drain_node",
            keys=[self._keys.node.info(node_id)],
            args=[int(draining), int(lasting)],
            read=is_done,
        )


def _read_node(node_id: str, raw: dict[str, str]) -> Node | None:
    if not raw:
        return None
    return Node(
        node_id=node_id,
        instance_id=raw["instance_id"],
        conn_epoch=int(raw["conn_epoch"]),
        status=NodeStatus(raw["status"]),
        max_jobs=int(raw["max"]),
        description=msgspec.json.decode(raw["description"], type=NodeDescription),
        usage=msgspec.json.decode(raw["usage"], type=Usage) if raw.get("usage") else Usage(),
        heartbeat_at_ms=int(raw["heartbeat_at_ms"]),
        draining=raw.get("draining") == "1",
        held=Hold(raw.get("held", "")),
        flaws=msgspec.json.decode(raw["flaws"], type=Flaws) if raw.get("flaws") else Flaws(),
        takeovers=int(raw.get("takeovers", 0)),
        standing=read_standing(raw.get("standing", "")),
        registered_at_ms=int(raw.get("registered_at_ms", 0)),
        speeds=read_speeds(raw.get("speeds", "")),
    )


def _read_load(raw: list[str | None]) -> int:
    return sum(int(count or 0) for count in raw)


def _read_registered(raw: list[Any]) -> Registered | None:
    if raw[0] != 1:
        return None
    _, conn_epoch, now_ms, held, was_taken, takeovers, standing, *attempts = raw
    return Registered(
        conn_epoch=conn_epoch,
        now_ms=now_ms,
        held=Hold(held),
        was_taken=was_taken == 1,
        takeovers=takeovers,
        standing=read_standing(standing),
        attempts=read_attempts(attempts),
    )


def _read_moved(node_id: str, raw: list[Any]) -> Moved | Unmoved:
    if raw[0] != 1:
        return Unmoved(raw[1])
    _, load, reserved, flat = raw
    node = _read_node(node_id, dict(zip(flat[::2], flat[1::2], strict=True)))
    if node is None:
        return Unmoved.UNKNOWN
    return Moved(node=node, load=load, reserved=read_attempts(reserved))


def _read_heartbeat(raw: list[Any]) -> HeartbeatRecorded | Unheard:
    if raw[0] != 1:
        return Unheard(raw[1])
    _, status, before, load, draining, held, now_ms, standing, shown = raw
    return HeartbeatRecorded(
        status=NodeStatus(status),
        before=NodeStatus(before),
        load=load,
        draining=draining == "1",
        held=Hold(held),
        now_ms=now_ms,
        standing=read_standing(standing),
        shown=shown,
    )


def _read_retired(raw: list[Any]) -> Retired:
    if raw[0] == 1:
        return Retired(attempts=read_attempts(raw[1:]))
    return Retired(alive_for_ms=int(raw[2])) if raw[1] == "alive" else Retired()
