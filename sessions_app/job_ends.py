"""Who waits here, in the middle of a request, for a job without a socket to end."""

import asyncio

from scheduling.model.errors import BadInput
from scheduling.model.events import JobSettled


class JobEnds:
    """Wakes whoever waits for a job; the outcome itself is read where it is kept."""

    def __init__(self) -> None:
        self._awaited: dict[str, asyncio.Future[None]] = {}
        self._is_leaving = False

    def expect(self, job_id: str) -> asyncio.Future[None]:
        """Return what is done when the job ends; it may have ended before."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._awaited[job_id] = ended
        if self._is_leaving:
            _send_away(ended)
        return ended

    def forget(self, job_id: str) -> None:
        """Nobody waits for it any more."""
        ended = self._awaited.pop(job_id, None)
        if ended is not None and not ended.done():
            ended.cancel()

    def tell(self, settled: JobSettled) -> None:
        """A job ended; mostly nobody waits for it."""
        ended = self._awaited.get(settled.job_id)
        if ended is not None and not ended.done():
            ended.set_result(None)

    def leave(self) -> None:
        """The process ends: whoever waits is to ask another instance."""
        self._is_leaving = True
        for ended in self._awaited.values():
            _send_away(ended)


def _send_away(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_exception(BadInput("This instance ends; ask another one.", code="DRAINING"))
        # Whoever went away meanwhile reads it no more.
        ended.exception()
