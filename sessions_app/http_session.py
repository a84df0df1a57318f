"""A session without a socket, as the core knows it while a job of it is under way here."""

from collections.abc import Callable

from scheduling.model import clock
from scheduling.model.events import (
    JobSettled,
    ToSession,
)
from scheduling.model.instances import SessionRow
from sessions_app.requests import Profile


class HttpSession:
    """Where events of a session without a socket go while a job of it is under way here."""

    def __init__(
        self, session_id: str, *, profile: Profile, on_settled: Callable[[JobSettled], None]
    ) -> None:
        self._session_id = session_id
        self._profile = profile
        self._begun_at_ms = clock.now_ms()
        self.languages = profile.languages
        self.caller = profile.caller or ""
        self.jobs: set[str] = set()
        self.is_fenced = False
        self._on_settled = on_settled

    def enqueue(self, event: ToSession) -> None:
        """Take the end of a job; steps before it are told to nobody."""
        match event:
            case JobSettled():
                if event.job_id in self.jobs:
                    self._on_settled(event)
            case _:
                pass

    def describe(self, *, instance_id: str) -> SessionRow:
        """Return the session as lists of operators show it."""
        return SessionRow(
            session_id=self._session_id,
            instance_id=instance_id,
            tenant_id=self._profile.tenant_id,
            languages=self.languages,
            connected_at_ms=self._begun_at_ms,
        )

    @property
    def is_idle(self) -> bool:
        """Say whether no job of it is under way here."""
        return not self.jobs

    def go_away(self) -> None:
        """There is no socket to close; whoever asks again asks another process."""

    async def restore(self) -> None:
        """Redis lost its data; `JobRecovery` writes back what was accepted."""
