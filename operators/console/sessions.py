"""What operators ask about sessions, wherever their sockets are."""

import dataclasses
from typing import Any

import msgspec

from operators.console.cluster_stats import ClusterStats
from scheduling.model.instances import SessionRow
from scheduling.store.sessions import SessionStore

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Empty fields let every session through; `language` is spoken or heard.

    `only_of` is the tenant whose sessions alone whoever asks may see.
    """

    tenant_id: str = ""
    instance_id: str = ""
    language: str = ""
    only_of: str = ""

    def takes(self, row: SessionRow) -> bool:
        """Say whether a session is wanted."""
        return (
            self.tenant_id in ("", row.tenant_id)
            and self.only_of in ("", row.tenant_id)
            and self.instance_id in ("", row.instance_id)
            and (not self.language or any(self.language in pair for pair in row.languages))
        )


class SessionQueries:
    """Lists sessions as instances published them; one alone is read from its own record."""

    def __init__(self, *, cluster_stats: ClusterStats, sessions: SessionStore) -> None:
        self._cluster_stats = cluster_stats
        self._sessions = sessions

    async def list_sessions(self, wanted: SessionFilter) -> list[Json]:
        """Return the sessions of all instances, the latest first, some seconds old.

        :raises DependencyDown: Redis did not answer
        """
        rows = await self._cluster_stats.list_sessions()
        return [_describe(row) for row in rows if wanted.takes(row)]

    async def find_session(self, session_id: str) -> Json | None:
        """Return what Redis knows of a session now; its resume token stays there.

        :raises DependencyDown: Redis did not answer
        """
        record = await self._sessions.find(session_id=session_id)
        if record is None:
            return None
        jobs = await self._sessions.list_tracked(session_id=session_id)
        return {
            "session_id": session_id,
            "instance_id": record.instance_id,
            "opened_at_ms": record.opened_at_ms,
            "is_resumable": record.is_resumable,
            "profile": msgspec.json.decode(record.profile or b"{}"),
            "unacknowledged_jobs": jobs,
        }


def _describe(row: SessionRow) -> Json:
    return {
        "session_id": row.session_id,
        "instance_id": row.instance_id,
        "tenant_id": row.tenant_id,
        "languages": [{"src": src, "tgt": tgt} for src, tgt in row.languages],
        "connected_at_ms": row.connected_at_ms,
    }
