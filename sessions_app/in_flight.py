"""The utterances of this process's speakers that have no answer yet."""

import asyncio


class InFlight:
    """Counts, so that a process that leaves can wait for the last answer."""

    __slots__ = (
        "_idle",
        "_jobs",
    )

    def __init__(self) -> None:
        self._jobs: set[str] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._jobs)

    def begin(self, job_id: str) -> None:
        self._jobs.add(job_id)
        self._idle.clear()

    def end(self, job_id: str) -> None:
        """Note an answer; one that was noted before changes nothing."""
        self._jobs.discard(job_id)
        if not self._jobs:
            self._idle.set()

    async def wait_until_idle(self) -> None:
        """Return once every utterance is answered."""
        await self._idle.wait()
