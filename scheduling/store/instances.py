"""Instances in Redis: who lives, and where its inbox listens (C1)."""

from asyncio import Future
from collections.abc import Iterable
from typing import Any

import msgspec

from scheduling.model.instances import InstanceFigures, InstanceRecord, SessionRow
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import is_done

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(InstanceRecord).decode
_decode_figures = msgspec.json.Decoder(InstanceFigures).decode
_decode_session = msgspec.json.Decoder(SessionRow).decode


class Claimed(msgspec.Struct, frozen=True):
    """What claiming an id gave: `taken_by` another process, or ours, renewed or written anew."""

    taken_by: InstanceRecord | None = None
    was_there: bool = False


class InstanceStore:
    """The only reader and writer of ``{instance:<id>}`` keys and of the list of instances."""

    def __init__(self, connection: Connection, *, keys: Keys, presence_ms: int) -> None:
        self._connection = connection
        self._keys = keys
        self._presence_ms = presence_ms
        self.test_clock = ""

    def claim(self, record: InstanceRecord, *, gone_boot_id: str = "") -> "Future[Claimed]":
        """Say that this instance lives; `gone_boot_id` names a process known to have ended."""
        return self._connection.run_script(
            "claim_presence",
            keys=[self._keys.instance.presence(record.instance_id)],
            args=[
                record.boot_id,
                _encode(record),
                self._presence_ms,
                gone_boot_id,
                self.test_clock,
            ],
            read=_read_claimed,
        )

    def resign(self, record: InstanceRecord) -> "Future[bool]":
        """Leave in order; False when the id is another process's."""
        return self._connection.run_script(
            "resign_presence",
            keys=[self._keys.instance.presence(record.instance_id)],
            args=[record.boot_id],
            read=is_done,
        )

    def note_seen(self, instance_id: str) -> "Future[int]":
        """Enter the list of instances, or move up in it; return Redis's time."""
        return self._connection.run_script(
            "note_seen",
            keys=[self._keys.instance.seen()],
            args=[self.test_clock, instance_id],
            read=lambda raw: int(raw[1]),
        )

    def list_seen(self) -> "Future[dict[str, int]]":
        """Return every instance and when it last noted that it lives, dead ones too."""
        return self._connection.run_script(
            "list_seen", keys=[self._keys.instance.seen()], args=[self.test_clock], read=_read_seen
        )

    def find(self, instance_id: str) -> "Future[InstanceRecord | None]":
        """Return a living instance."""
        return self._connection.execute(
            "HGET",
            self._keys.instance.presence(instance_id),
            "record",
            read=lambda raw: _decode(raw) if raw else None,
        )

    def publish_standing(
        self,
        instance_id: str,
        *,
        figures: InstanceFigures,
        life_ms: int,
        came: Iterable[SessionRow] = (),
        gone: Iterable[str] = (),
        anew: bool = False,
    ) -> "Future[int]":
        """Say how this instance stands; return how many of its sessions are listed now."""
        rows = {row.session_id: _encode(row).decode() for row in came}
        return self._connection.run_script(
            "publish_standing",
            keys=[
                self._keys.instance.figures(instance_id),
                self._keys.instance.sessions(instance_id),
            ],
            args=[
                _encode(figures),
                life_ms,
                _encode(rows),
                _encode(list(gone)),
                "1" if anew else "",
            ],
            read=lambda raw: int(raw[1]),
        )

    def find_figures(self, instance_id: str) -> "Future[InstanceFigures | None]":
        """Return how an instance last said it stands."""
        return self._connection.execute(
            "GET",
            self._keys.instance.figures(instance_id),
            read=lambda raw: _decode_figures(raw) if raw else None,
        )

    def list_sessions(self, instance_id: str) -> "Future[list[SessionRow]]":
        """Return the sessions an instance said it holds."""
        return self._connection.execute(
            "HVALS",
            self._keys.instance.sessions(instance_id),
            read=lambda raw: [_decode_session(row) for row in raw],
        )

    def drop(self, instance_id: str, *, seen_at_ms: int) -> "Future[bool]":
        """Take an instance off the list unless it was seen after `seen_at_ms`."""
        return self._connection.run_script(
            "drop_seen",
            keys=[self._keys.instance.seen()],
            args=[instance_id, seen_at_ms],
            read=is_done,
        )


def _read_claimed(raw: list[Any]) -> Claimed:
    if raw[0] == 1:
        return Claimed(was_there=raw[2] == "1")
    return Claimed(taken_by=_decode(raw[2]))


def _read_seen(raw: list[Any]) -> dict[str, int]:
    pairs = iter(raw[2:])
    return {member: int(float(score)) for member, score in zip(pairs, pairs, strict=True)}
