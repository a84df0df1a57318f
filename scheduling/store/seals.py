"""What was said, sealed on its way into Redis where there are keys for it (RE10)."""

import base64
import hashlib
import importlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from scheduling.model import errors
from scheduling.model.outcomes import Refused

T = TypeVar("T")
# No JSON begins so: what was written without keys is told from what is sealed.
_MARK = "sealed:"


class Seal:
    """Seals with the first of its keys, and opens what any of them sealed.

    `names` are the keys' names, by which instances see whether they can read each other.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        # Where there are no keys nobody need have it, or wait for its import.
        fernet = importlib.import_module("cryptography.fernet")
        self._not_ours: type[Exception] = fernet.InvalidToken
        self._fernet = fernet.MultiFernet([fernet.Fernet(_derive(key)) for key in keys])
        self.names = tuple(map(_name, keys))

    def close(self, text: str | bytes) -> bytes:
        """Return a text as it is to stand in Redis."""
        plain = text.encode() if isinstance(text, str) else text
        return _MARK.encode() + bytes(self._fernet.encrypt(plain))

    def open(self, sealed: str) -> bytes:
        """Return what was sealed.

        :raises PayloadUnreadable: none of our keys opens it
        """
        try:
            return bytes(self._fernet.decrypt(sealed.removeprefix(_MARK)))
        except self._not_ours:
            raise errors.PayloadUnreadable from None


def make_reader(decode: Callable[[str | bytes], T], seal: Seal | None) -> Callable[[str], T]:
    """Return what reads a value of Redis, sealed or as it is.

    It raises PayloadUnreadable where no key of ours opens the value.
    """

    def read(raw: str) -> T:
        if not raw.startswith(_MARK):
            return decode(raw)
        if seal is None:
            raise errors.PayloadUnreadable
        return decode(seal.open(raw))

    return read


def make_refusing_reader(
    decode: Callable[[str | bytes], T], seal: Seal | None
) -> Callable[[str], T | Refused]:
    """Return what reads a value of Redis; one that no key of ours opens is a refusal."""
    read = make_reader(decode, seal)

    def read_or_refuse(raw: str) -> T | Refused:
        try:
            return read(raw)
        except errors.PayloadUnreadable as lost:
            return Refused(code=lost.code, message=str(lost))

    return read_or_refuse


def _derive(key: str) -> bytes:
    """Return a key of Fernet; the channel layer makes another one of the same words."""
    return base64.urlsafe_b64encode(hashlib.sha256(f"lingua payload {key}".encode()).digest())


def _name(key: str) -> str:
    return hashlib.sha256(f"lingua payload name {key}".encode()).hexdigest()[:16]
