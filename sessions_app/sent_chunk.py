"""A chunk beside the text it came as: what is passed on unchanged need not be encoded again."""

import base64
from typing import NamedTuple

import msgspec

_GROUP = 3
_GROUP_CHARS = 4


class SentChunk(NamedTuple):
    """A chunk of audio as its speaker sent it; `text` is its base64, empty where it had none."""

    audio: bytes = b""
    text: str = ""

    def spell(self, audio: bytes) -> str:
        """Return audio as base64: the speaker's own, where it is this chunk and nothing else."""
        if self.text and audio == self.audio and self._is_plain:
            return self.text
        spelled: str = msgspec.to_builtins(audio)
        return spelled

    @property
    def _is_plain(self) -> bool:
        """Say whether there is no other way to write it: unused bits are refused by some nodes."""
        tail = self.audio[-(len(self.audio) % _GROUP or _GROUP) :]
        return self.text[-_GROUP_CHARS:] == base64.b64encode(tail).decode()


NOTHING_SENT = SentChunk()
