"""All nodes, found without a scan: who was last heard of when (N12, N13)."""

import logging
from asyncio import Future
from collections.abc import Sequence
from typing import Any

import msgspec

from scheduling.model import clock
from scheduling.model.nodes import Hold, Node, NodeDescription, NodeStatus, Usage
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import is_done, read_speeds, read_standing

logger = logging.getLogger(__name__)

MOST_SEEN = 1000


class Seen(msgspec.Struct, frozen=True):
    """Every node in the index, and when it was last heard of, in ms of Redis's clock."""

    now_ms: int
    at_ms: dict[str, int]


class NodeRead(msgspec.Struct, frozen=True):
    """A node as its slot has it, and its live load."""

    node: Node
    load: int


class NodeIndexStore:
    """The only reader and writer of the index of nodes; it reads whole nodes, writes none."""

    def __init__(self, connection: Connection, *, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys
        self.test_clock: int | str = ""

    def note_seen(self, node_ids: Sequence[str]) -> "Future[int]":
        """These nodes, 1 to `MOST_SEEN` of them, were heard of now."""
        return self._connection.run_script(
            "note_seen",
            keys=[self._keys.node.seen()],
            args=[self.test_clock, *node_ids],
            read=lambda raw: int(raw[1]),
            patient=True,
        )

    def list_seen(self) -> "Future[Seen]":
        """Return who was heard of when."""
        return self._connection.run_script(
            "list_seen", keys=[self._keys.node.seen()], args=[self.test_clock], read=_read_seen
        )

    def read(self, node_id: str) -> "Future[NodeRead | None]":
        """Return a node as it is now; None where nothing is known of it."""
        keys = self._keys
        return self._connection.run_script(
            "read_node",
            keys=[keys.node.info(node_id), keys.node.resv(node_id), keys.node.run(node_id)],
            args=[self.test_clock],
            read=lambda raw: _read_node(node_id, raw),
        )

    def forget(self, node_id: str, *, silent_ms: int) -> "Future[bool]":
        """Delete every key of a node; False when it was heard of meanwhile."""
        keys = self._keys
        return self._connection.run_script(
            "forget_node",
            keys=[
                keys.node.info(node_id),
                keys.node.resv(node_id),
                keys.node.run(node_id),
                keys.node.cap(node_id),
                keys.node.unavail(node_id),
                keys.node.stamp(node_id),
            ],
            args=[silent_ms, self.test_clock],
            read=is_done,
        )

    def drop(self, node_id: str, *, seen_at_ms: int) -> "Future[bool]":
        """Take a node out of the index unless it was heard of after `seen_at_ms`."""
        return self._connection.run_script(
            "drop_seen",
            keys=[self._keys.node.seen()],
            args=[node_id, seen_at_ms],
            read=is_done,
        )


def _read_seen(raw: list[Any]) -> Seen:
    pairs = iter(raw[2:])
    at_ms = {member: int(float(score)) for member, score in zip(pairs, pairs, strict=True)}
    return Seen(now_ms=int(raw[1]), at_ms=at_ms)


def _read_node(node_id: str, raw: list[Any]) -> NodeRead | None:
    """Return a node; one whose record cannot be read is none, and stops nobody's start."""
    if raw[0] != 1:
        return None
    try:
        return _read_record(node_id, raw)
    except (msgspec.MsgspecError, KeyError, ValueError) as error:
        words = {"node_id": node_id, "error": str(error)}
        logger.warning("the record of a node cannot be read", extra=words)
        return None


def _read_record(node_id: str, raw: list[Any]) -> NodeRead:
    pairs = iter(raw[3:])
    info = dict(zip(pairs, pairs, strict=True))
    # Its age counts, not the moment: this machine's clock may differ from Redis's.
    age_ms = int(raw[1]) - int(info["heartbeat_at_ms"])
    node = Node(
        node_id=node_id,
        instance_id=info["instance_id"],
        conn_epoch=int(info["conn_epoch"]),
        status=NodeStatus(info["status"]),
        max_jobs=int(info["max"]),
        description=msgspec.json.decode(info["description"], type=NodeDescription),
        usage=msgspec.json.decode(info["usage"], type=Usage) if info.get("usage") else Usage(),
        heartbeat_at_ms=clock.now_ms() - age_ms,
        draining=info.get("draining") == "1",
        held=Hold(info.get("held", "")),
        standing=read_standing(info.get("standing", "")),
        registered_at_ms=int(info.get("registered_at_ms", 0)),
        speeds=read_speeds(info.get("speeds", "")),
    )
    return NodeRead(node=node, load=int(raw[2]))
