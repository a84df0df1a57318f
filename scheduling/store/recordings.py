"""Audio that a caller sends ahead, to name it in a request later (J16)."""

from asyncio import Future
from typing import Any

import msgspec

from scheduling.model.callbacks import Recording
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.seals import Seal, make_reader

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Recording).decode


class RecordingStore:
    """The only reader and writer of ``{audio:<ref>}``; a recording ends after `life_ms`."""

    def __init__(
        self, connection: Connection, *, keys: Keys, life_ms: int, seal: Seal | None = None
    ) -> None:
        self._connection = connection
        self._seal = seal
        self._read = make_reader(_decode, seal)
        self._keys = keys
        self.life_ms = life_ms

    def keep(self, audio_ref: str, *, recording: Recording) -> "Future[Any]":
        """Keep a recording under a name nobody can guess."""
        text = _encode(recording)
        kept = text if self._seal is None else self._seal.close(text)
        return self._connection.execute(
            "SET", self._keys.recording(audio_ref), kept, "PX", self.life_ms
        )

    def find(self, audio_ref: str) -> "Future[Recording | None]":
        """Return a recording, None where it is unknown or its time is over.

        :raises PayloadUnreadable: no key of ours opens it
        """
        return self._connection.execute(
            "GET",
            self._keys.recording(audio_ref),
            read=lambda raw: None if raw is None else self._read(raw),
        )
