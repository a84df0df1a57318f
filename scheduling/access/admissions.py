"""Sockets that showed a credential and are open in this process."""

from collections.abc import Callable, Iterator

from scheduling.model.credentials import Principal

Close = Callable[[int, str], None]


class Admission:
    """One open socket: who it is, and how to end it when that is no longer true."""

    __slots__ = ("_close", "_ended", "connection_id", "node_id", "principal")

    def __init__(self, *, principal: Principal, connection_id: str) -> None:
        self.principal = principal
        self.connection_id = connection_id
        self.node_id = ""
        self._close: Close | None = None
        self._ended: tuple[int, str] | None = None

    def attend(self, close: Close) -> None:
        """Say how to close the socket; at once if it was ended while it opened."""
        self._close = close
        if self._ended is not None:
            close(*self._ended)

    def end(self, code: int, reason: str) -> None:
        """Close the socket, once."""
        if self._ended is None:
            self._ended = (code, reason)
            if self._close is not None:
                self._close(code, reason)


class Admissions:
    """The open sockets of this process, by credential."""

    def __init__(self) -> None:
        self._open: dict[str, dict[str, Admission]] = {}

    def __iter__(self) -> Iterator[Admission]:
        return iter([one for several in self._open.values() for one in several.values()])

    @property
    def credentials(self) -> tuple[str, ...]:
        return tuple(self._open)

    def list_of(self, credential: str) -> list[Admission]:
        return list(self._open.get(credential, {}).values())

    def add(self, admission: Admission) -> None:
        of_credential = self._open.setdefault(admission.principal.credential, {})
        of_credential[admission.connection_id] = admission

    def remove(self, admission: Admission) -> None:
        """Forget a socket that is gone; one that is not known changes nothing."""
        credential = admission.principal.credential
        of_credential = self._open.get(credential, {})
        of_credential.pop(admission.connection_id, None)
        if not of_credential:
            self._open.pop(credential, None)
