"""Messages that could not be delivered: kept with their story, listed, replayed, purged (T5-T8)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from channels_streams.connection import to_fields
from channels_streams.keys import Keys
from channels_streams.loops import LoopResources
from channels_streams.payloads import MessageFormatter, Undecodable

_PAGE = 100
_OWN_FIELDS = frozenset(
    (
        *("target", "payload", "src_stream", "src_id", "deliveries", "moved_at_ms"),
        *("first_seen_ms", "event_type", "reason", "instance"),
    )
)

Outcome = Literal["replayed", "would_replay", "refused", "missing", "undecodable", "gone"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetter:
    """One message that could not be delivered."""

    # "<entity>/<stream id>": unique in the layer, stable.
    letter_id: str
    # A channel, or "group:<name>".
    target: str
    payload: bytes
    # None if the payload cannot be read.
    message: dict[str, Any] | None
    event_type: str
    reason: str
    deliveries: int
    first_seen_at_ms: int
    moved_at_ms: int
    # The process that moved it; the stream and entry it was.
    instance: str
    source_stream: str
    source_id: str
    # The keys of the message that CONFIG names in `dead_letter_fields`.
    fields: dict[str, str]


# Says where a letter should go now; None refuses it (its job is over, its attempt is stale).
Resolve = Callable[[DeadLetter], Awaitable[str | None]]


class MessageSender(Protocol):
    """Sends a payload to a channel or group once per token; False if nobody is there to get it."""

    async def __call__(
        self, resources: LoopResources, *, target: str, payload: bytes, token: str
    ) -> bool: ...


class DeadLetters:
    """What operators do with dead letters; every call can be repeated."""

    def __init__(
        self,
        *,
        keys: Keys,
        payloads: MessageFormatter,
        current: Callable[[], LoopResources],
        send: MessageSender,
    ) -> None:
        self._keys = keys
        self._payloads = payloads
        self._current = current
        self._send = send

    async def list_letters(
        self, *, limit: int = 100, reason: str | None = None, target: str | None = None
    ) -> list[DeadLetter]:
        """List letters of all processes and queues, the oldest of each first.

        :raises RedisError: Redis is not reachable
        """
        found: list[DeadLetter] = []
        async for letter in self._walk():
            if reason not in (None, letter.reason) or target not in (None, letter.target):
                continue
            found.append(letter)
            if len(found) >= limit:
                break
        return found

    async def count(self) -> int:
        """How many letters there are."""
        connections = self._current().connections
        lengths = [
            await connections.command("XLEN", self._keys.dead_letters(entity))
            for entity in await self._list_entities()
        ]
        return sum(lengths)

    async def find_letter(self, letter_id: str) -> DeadLetter | None:
        """Return one letter, or None if it has gone."""
        entity, _, stream_id = letter_id.rpartition("/")
        found = await self._current().connections.command(
            "XRANGE", self._keys.dead_letters(entity), stream_id, stream_id
        )
        return self._read_letter(entity, found[0]) if found else None

    async def replay(
        self, letter_id: str, *, resolve: Resolve | None = None, dry_run: bool = False
    ) -> Outcome:
        """Send a letter's message once more, then remove the letter.

        `resolve` names the channel it should go to now, and may refuse; without it the message
        goes where it was meant to go. A repeated call after a crash between the two steps finds
        the message already sent.
        """
        letter = await self.find_letter(letter_id)
        if letter is None:
            return "missing"
        if letter.message is None:
            return "undecodable"
        target = await resolve(letter) if resolve else letter.target
        if target is None:
            return "refused"
        if dry_run:
            return "would_replay"
        sent = await self._send(
            self._current(), target=target, payload=letter.payload, token=f"replay {letter_id}"
        )
        if not sent:
            return "gone"
        await self._remove(letter_id)
        return "replayed"

    async def purge(
        self,
        *,
        letter_ids: Sequence[str] | None = None,
        moved_before_ms: int | None = None,
        dry_run: bool = False,
    ) -> int:
        """Remove the named letters, or all (moved before a moment of Redis' clock); how many."""
        if letter_ids is None:
            letter_ids = [
                letter.letter_id
                async for letter in self._walk()
                if moved_before_ms is None or letter.moved_at_ms < moved_before_ms
            ]
        if dry_run:
            found = [await self.find_letter(letter_id) for letter_id in letter_ids]
            return sum(letter is not None for letter in found)
        return sum([await self._remove(letter_id) for letter_id in letter_ids])

    async def _remove(self, letter_id: str) -> int:
        entity, _, stream_id = letter_id.rpartition("/")
        removed = await self._current().connections.command(
            "XDEL", self._keys.dead_letters(entity), stream_id
        )
        return int(removed)

    async def _list_entities(self) -> list[str]:
        members = await self._current().connections.command("ZRANGE", self._keys.index(), 0, -1)
        return [member.decode() for member in members]

    async def list_letters_of(self, entity: str) -> AsyncIterator[DeadLetter]:
        """Walk over the letters of one process or queue, the oldest first."""
        after = "-"
        while page := await self._current().connections.command(
            "XRANGE", self._keys.dead_letters(entity), after, "+", "COUNT", _PAGE
        ):
            for entry in page:
                yield self._read_letter(entity, entry)
            after = f"({page[-1][0].decode()}"

    async def _walk(self) -> AsyncIterator[DeadLetter]:
        for entity in await self._list_entities():
            async for letter in self.list_letters_of(entity):
                yield letter

    def _read_letter(self, entity: str, entry: tuple[bytes, list[bytes]]) -> DeadLetter:
        stream_id, flat = entry
        text = {k.decode(errors="replace"): v for k, v in to_fields(flat).items()}
        payload = text.pop("payload", b"")
        words = {name: value.decode(errors="replace") for name, value in text.items()}
        try:
            message = self._payloads.decode(payload)
        except Undecodable:
            message = None
        return DeadLetter(
            letter_id=f"{entity}/{stream_id.decode()}",
            target=words.get("target", ""),
            payload=payload,
            message=message,
            event_type=words.get("event_type", ""),
            reason=words["reason"],
            deliveries=int(words["deliveries"]),
            first_seen_at_ms=int(words["first_seen_ms"]),
            moved_at_ms=int(words["moved_at_ms"]),
            instance=words["instance"],
            source_stream=words["src_stream"],
            source_id=words["src_id"],
            fields={name: value for name, value in words.items() if name not in _OWN_FIELDS},
        )
