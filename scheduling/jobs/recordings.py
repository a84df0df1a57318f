"""Audio sent ahead of the utterances that name it."""

from scheduling.model.callbacks import Recording
from scheduling.store.allowances import AllowanceStore
from scheduling.store.recordings import RecordingStore


class Recordings:
    """Keeps recordings for a while, for whoever sent them."""

    def __init__(
        self, *, store: RecordingStore, allowances: AllowanceStore, most_bytes: int
    ) -> None:
        self._store = store
        self._allowances = allowances
        self._most_bytes = most_bytes

    async def count(self, size_bytes: int, *, owner: str) -> int:
        """Count audio that its owner wants kept; return 0, or how many ms to wait.

        A bucket of bytes, on all instances: full again by when all that it gave has ended.

        :raises DependencyDown: Redis did not answer
        """
        taken = await self._allowances.take(
            principal_id=owner or "nobody",
            bucket="kept",
            cost=min(size_bytes, self._most_bytes),
            per_s=self._most_bytes * 1000 / self._store.life_ms,
            burst=self._most_bytes,
        )
        return 0 if taken.done else max(taken.retry_after_ms, 1)

    async def keep(self, audio_ref: str, *, recording: Recording) -> int:
        """Keep a recording; return for how many ms.

        :raises DependencyDown: Redis did not answer
        """
        await self._store.keep(audio_ref, recording=recording)
        return self._store.life_ms

    async def find(self, audio_ref: str) -> Recording | None:
        """Return a recording, None where it is unknown or its time is over.

        :raises DependencyDown: Redis did not answer
        """
        return await self._store.find(audio_ref)
