"""How far a session's life on one socket has come."""

import dataclasses


@dataclasses.dataclass(slots=True, kw_only=True)
class SessionLife:
    """Whether its socket is open, and whether anything for it may still end here.

    Only its `Speaker` changes it; whatever acts for the session later looks first. None of the
    four is ever taken back.
    """

    can_resume: bool
    is_closed: bool = False  # in order, by its client
    is_parked: bool = False  # the socket is gone, its speaker may come back
    is_gone: bool = False  # the socket is gone, nobody waits for answers
    is_fenced: bool = False  # it goes on at another socket

    @property
    def is_here(self) -> bool:
        """Say whether the socket is open, as far as is known."""
        return not (self.is_gone or self.is_parked or self.is_fenced)

    @property
    def goes_on(self) -> bool:
        """Say whether its jobs are still this process's to end."""
        return not (self.is_gone or self.is_fenced)

    @property
    def can_return(self) -> bool:
        """Say whether the speaker may resume on another socket."""
        return self.can_resume and not (self.is_closed or self.is_fenced)
