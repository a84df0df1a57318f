"""What operators ask and do about dead letters: list, look, replay, purge (T7)."""

import contextlib
import re
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Any

from channels_streams.connection import REDIS_TROUBLE
from channels_streams.dead_letters import DeadLetter, DeadLetters, Outcome

from scheduling.model.errors import DependencyDown

Json = dict[str, Any]
_MOST_LISTED = 10_000
_MOST_SEARCHED = 1_000_000
# What tells one session's id from another's, wherever it stands: two may overlap in other text.
_MARK = re.compile(rb"(?=([0-9A-F]{8}))")


class DeadLetterService:
    """The dead letters of all instances; `find_channel` says where the body of one belongs now."""

    def __init__(
        self, *, letters: DeadLetters, find_channel: Callable[[bytes], Awaitable[str | None]]
    ) -> None:
        self._letters = letters
        self._find_channel = find_channel

    async def list_letters(self, *, reason: str = "", event_type: str = "") -> list[Json]:
        """Return dead letters, the oldest of each inbox first; at most ten thousand.

        :raises DependencyDown: Redis did not answer
        """
        with _asking_redis():
            found = await self._letters.list_letters(limit=_MOST_LISTED, reason=reason or None)
        return [describe(each) for each in found if event_type in ("", each.event_type)]

    async def find_letter(self, letter_id: str) -> Json | None:
        """Return one dead letter, None where it has gone.

        :raises DependencyDown: Redis did not answer
        """
        if not is_letter_id(letter_id):
            return None
        with _asking_redis():
            found = await self._letters.find_letter(letter_id)
        return describe(found) if found else None

    async def replay(self, letter_id: str, *, dry_run: bool) -> Outcome:
        """Send a letter to whoever holds its connection now, once; what is over is refused.

        :raises DependencyDown: Redis did not answer
        """
        if not is_letter_id(letter_id):
            return "missing"

        async def resolve(letter: DeadLetter) -> str | None:
            body = (letter.message or {}).get("body")
            return await self._find_channel(body) if isinstance(body, bytes) else None

        with _asking_redis():
            return await self._letters.replay(letter_id, resolve=resolve, dry_run=dry_run)

    async def purge(self, letter_ids: list[str] | None, *, dry_run: bool) -> int:
        """Remove the named letters, or all; return how many.

        :raises DependencyDown: Redis did not answer
        """
        named = None if letter_ids is None else [each for each in letter_ids if is_letter_id(each)]
        with _asking_redis():
            return await self._letters.purge(letter_ids=named, dry_run=dry_run)

    async def purge_sessions(self, sessions: Collection[str]) -> int:
        """Remove every letter about one of some sessions or their jobs; return how many.

        :raises DependencyDown: Redis did not answer
        """
        marks = {session_id.removeprefix("s-") for session_id in sessions}
        with _asking_redis():
            found = await self._letters.list_letters(limit=_MOST_SEARCHED)
            about = [each.letter_id for each in found if marks & _list_marks(each)]
            return await self._letters.purge(letter_ids=about) if about else 0


@contextlib.contextmanager
def _asking_redis() -> Iterator[None]:
    """Say in our words that the channel layer's Redis did not answer.

    :raises DependencyDown: it did not
    """
    try:
        yield
    except REDIS_TROUBLE as error:
        raise DependencyDown from error


def is_letter_id(text: str) -> bool:
    """Say whether a text has the form of a letter's id: an entity, a slash, an id of a stream."""
    entity, _, stream_id = text.rpartition("/")
    moment, _, number = stream_id.partition("-")
    digits = moment.isascii() and moment.isdigit() and number.isascii() and number.isdigit()
    return bool(entity) and digits and max(len(moment), len(number)) < len(str(2**63))


def describe(letter: DeadLetter) -> Json:
    """Return a letter without its body: what a speaker said is nobody's business here."""
    return {
        "letter_id": letter.letter_id,
        "target": letter.target,
        "event_type": letter.event_type,
        "reason": letter.reason,
        "deliveries": letter.deliveries,
        "first_seen_at_ms": letter.first_seen_at_ms,
        "moved_at_ms": letter.moved_at_ms,
        "instance": letter.instance,
        "fields": letter.fields,
        "payload_bytes": len(letter.payload),
    }


def _list_marks(letter: DeadLetter) -> set[str]:
    """Return what may be of a session's id, or of that in one of its jobs."""
    body = (letter.message or {}).get("body")
    fields = (value.encode() for value in letter.fields.values())
    texts = (letter.payload, body if isinstance(body, bytes) else b"", *fields)
    return {found.decode() for text in texts for found in _MARK.findall(text)}
