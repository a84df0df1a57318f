"""What Redis knows of credentials: published by the database's writer, read on connect."""

from asyncio import Future
from typing import Any

import msgspec

from scheduling.model.credentials import Credential
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import is_done

Changes = tuple[tuple[str, int], ...]

_TOLD_MS = 3_600_000
_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Credential).decode


class CredentialStore:
    """The only reader and writer of ``{creds}``; a record ends unless published again."""

    def __init__(self, connection: Connection, *, keys: Keys, life_ms: int) -> None:
        self._connection = connection
        self._keys = keys
        self._life_ms = life_ms
        self.test_clock: int | str = ""

    def publish(self, credential: Credential) -> "Future[bool]":
        """Make sockets go by `credential`; False when a newer record is published."""
        prefix = credential.principal.credential
        return self._connection.run_script(
            "publish_credential",
            keys=[self._keys.access.credential(prefix), self._keys.access.changes()],
            args=[
                prefix,
                credential.version,
                _encode(credential),
                self._life_ms,
                _TOLD_MS,
                self.test_clock,
            ],
            read=is_done,
        )

    def find(self, prefix: str) -> "Future[Credential | None]":
        """Return what is published of a token, None where nothing is."""
        return self._connection.execute(
            "HGET", self._keys.access.credential(prefix), "record", read=_read_credential
        )

    def list_changes(self, *, since_ms: int) -> "Future[Changes]":
        """Return the tokens that changed since a moment of Redis's clock, oldest first."""
        return self._connection.execute(
            *("ZRANGEBYSCORE", self._keys.access.changes(), since_ms, "+inf", "WITHSCORES"),
            read=_read_changes,
        )

    def note_published(self, *, for_ms: int) -> "Future[Any]":
        """Note that every credential was published; the note is lost with Redis's data."""
        return self._connection.execute("SET", self._keys.access.published(), "1", "PX", for_ms)

    def is_published(self) -> "Future[bool]":
        """Say whether every credential was published a short while ago."""
        return self._connection.execute("EXISTS", self._keys.access.published(), read=bool)

    def burn_ticket(self, ticket_id: str, *, for_ms: int) -> "Future[bool]":
        """Use a ticket up; False when it was used before."""
        return self._connection.execute(
            "SET", self._keys.access.ticket(ticket_id), "1", "NX", "PX", for_ms, read=bool
        )


def _read_credential(raw: str | None) -> Credential | None:
    return None if raw is None else _decode(raw)


def _read_changes(raw: list[Any]) -> Changes:
    """Redis answers a flat list, or pairs, as its protocol's version will have it."""
    if raw and isinstance(raw[0], list | tuple):
        return tuple((prefix, int(float(at_ms))) for prefix, at_ms in raw)
    return tuple(
        (prefix, int(float(at_ms))) for prefix, at_ms in zip(raw[::2], raw[1::2], strict=True)
    )
