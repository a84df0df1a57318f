"""Which attempt of a job its speaker follows before the end: of two nodes the first to speak."""

_MOST_FOLLOWED = 256


class FollowedAttempts:
    """The attempts whose partial results are shown; what two nodes say is never mixed."""

    __slots__ = ("_followed",)

    def __init__(self) -> None:
        self._followed: dict[str, int] = {}

    def follows(self, job_id: str, attempt: int, *, is_hedge: bool) -> bool:
        """Say whether what an attempt says is shown.

        A later attempt takes the place of one before; one that `is_hedge`, beside which another
        goes on, only where that has said nothing. 0: which attempt it is was not told.
        """
        if not attempt:
            return True
        followed = self._followed.get(job_id, 0)
        if not followed or (attempt > followed and not is_hedge):
            self._followed[job_id] = followed = attempt
            if len(self._followed) > _MOST_FOLLOWED:
                del self._followed[next(iter(self._followed))]
        return attempt == followed

    def forget(self, job_id: str) -> None:
        """A job is over."""
        self._followed.pop(job_id, None)
