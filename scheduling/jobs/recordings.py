"""Audio sent ahead of the utterances that name it."""

from scheduling.model.callbacks import Recording
from scheduling.store.recordings import RecordingStore


class Recordings:
    """Keeps recordings for a while, for whoever sent them."""

    def __init__(self, *, store: RecordingStore) -> None:
        self._store = store

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
