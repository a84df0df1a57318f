"""What operators erase: a session, or all of a tenant or a principal, wherever it is (RE10)."""

import msgspec

from operators.console.dead_letters import DeadLetterService
from operators.db.erased_rows import delete_of_sessions, delete_of_tenant
from operators.db.threads import read_database
from operators.db.token_models import ApiToken
from scheduling.jobs.erasing import Erasure

_TENANT, _PRINCIPAL = "tenant", "principal"
KINDS = ("session", _TENANT, _PRINCIPAL)


class ErasureReport(msgspec.Struct, frozen=True):
    """How much there was, and is no more; nothing of what it was."""

    sessions: int
    jobs_cancelled: int
    redis_entries: int
    captions: int
    recordings: int
    dead_letters: int
    history_rows: int


class ErasureService:
    """Erases in the database once more after Redis, for what was written down meanwhile.

    `dead_letters` is None where the channel layer keeps none.
    """

    def __init__(self, *, erasure: Erasure, dead_letters: DeadLetterService | None) -> None:
        self._erasure = erasure
        self._dead_letters = dead_letters

    async def erase(self, kind: str, name: str) -> ErasureReport:
        """Erase what is kept of whom one of `KINDS` and a name say.

        :raises DependencyDown: Redis did not answer; what is left is erased by a repeat
        :raises DatabaseError: the database did not answer; the same
        """
        principals: list[str] = [name] if kind == _PRINCIPAL else []
        sessions, tenant_id = [name], ""
        # What is asked of the database first is asked before anything is erased.
        if kind == _TENANT:
            tenant_id = name
            principals = await read_database(lambda: _list_principals(name))
        if kind != KINDS[0]:
            sessions = await self._erasure.list_sessions(tenant_id=tenant_id, principals=principals)
        # Whose they are is known by records in Redis: while those stand, a repeat finds the rest.
        # Later is done again what others wrote meanwhile.
        letters = await self._purge_letters(set(sessions))
        rows = await _delete_rows(sessions, tenant_id)
        erased = await self._erasure.erase_sessions(set(sessions))
        letters += await self._purge_letters(set(sessions))
        recordings = await self._erasure.erase_recordings(principals=principals)
        rows += await _delete_rows(sessions, tenant_id)
        return ErasureReport(
            sessions=len(sessions),
            jobs_cancelled=erased.jobs_cancelled,
            redis_entries=erased.entries,
            captions=erased.captions,
            recordings=recordings,
            dead_letters=letters,
            history_rows=rows,
        )

    async def _purge_letters(self, sessions: set[str]) -> int:
        if self._dead_letters is None:
            return 0
        return await self._dead_letters.purge_sessions(sessions)


async def _delete_rows(sessions: list[str], tenant_id: str) -> int:
    deleted = await read_database(lambda: delete_of_sessions(sessions))
    if tenant_id:
        deleted += await read_database(lambda: delete_of_tenant(tenant_id))
    return deleted


def _list_principals(tenant_id: str) -> list[str]:
    tokens = ApiToken.objects.filter(tenant_id=tenant_id)
    return sorted(set(tokens.values_list("principal_id", flat=True)))
