"""MessageFormatter on their way to the streams of other processes and of normal channels."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from channels.exceptions import ChannelFull

from channels_streams.batching import Batcher, Parcel, SendBatch
from channels_streams.connection import Connections
from channels_streams.keys import GROUP, process_entity, work_entity
from channels_streams.loops import LoopResources
from channels_streams.process import Process
from channels_streams.scripts import load_script

_ENQUEUE = load_script("enqueue")
_ENQUEUE_WORK = load_script("enqueue_work")
# A batch is sent again within seconds; a replay is repeated by a person.
_REMEMBER_BATCH_MS = 60_000
_REMEMBER_REPLAY_MS = 24 * 3_600_000


class StreamWriter:
    """Knows the two scripts that add messages, and what their refusals mean."""

    def __init__(
        self,
        *,
        process: Process,
        capacity_of: Callable[[str], int],
    ) -> None:
        self._keys = process.keys
        self._options = process.options
        self._counters = process.counters
        self._capacity_of = capacity_of

    async def to_process(
        self, resources: LoopResources, iid: str, *, target: str, payload: bytes
    ) -> bool:
        """Send to a process; whether it lives.

        :raises ChannelFull: there is no room in its inbox
        :raises RedisError: Redis is not reachable
        """
        entity = process_entity(iid)
        batcher = resources.batcher(entity) or resources.add_batcher(
            entity, self._make_batcher(resources.connections, entity, self._process_batch)
        )
        return await batcher.send((target, payload))

    async def to_queue(self, resources: LoopResources, channel: str, payload: bytes) -> bool:
        """Send to a normal channel.

        :raises ChannelFull: there is no room in its queue
        :raises RedisError: Redis is not reachable
        """
        entity = work_entity(channel)
        batcher = resources.batcher(entity) or resources.add_batcher(
            entity, self._make_batcher(resources.connections, entity, self._queue_batch)
        )
        return await batcher.send((channel, payload))

    async def send_once(
        self, connections: Connections, *, entity: str, parcel: Parcel, token: str
    ) -> bool:
        """Send one payload, once per token however often this is called."""
        name = hashlib.sha256(token.encode()).hexdigest()[:24]
        batch = self._process_batch if entity.startswith("process:") else self._queue_batch
        send = batch(connections, entity, self._keys.sent(entity, name), _REMEMBER_REPLAY_MS)
        (outcome,) = await send("replay", [parcel])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _make_batcher(
        self,
        connections: Connections,
        entity: str,
        batch: Callable[[Connections, str, str, int], SendBatch],
    ) -> Batcher:
        batcher = Batcher()
        sent = self._keys.sent(entity, batcher.name)
        batcher.send_batch = batch(connections, entity, sent, _REMEMBER_BATCH_MS)
        return batcher

    def _process_batch(
        self, connections: Connections, entity: str, sent: str, remember_ms: int
    ) -> SendBatch:
        keys = [self._keys.stream(entity), self._keys.presence(entity), sent]
        limits = [self._options.inbox_capacity, self._options.inbox_bytes, remember_ms]

        async def send_batch(token: str, parcels: Sequence[Parcel]) -> Sequence[bool | Exception]:
            args = [token, *limits, *_flatten(parcels)]
            done, taken = await connections.run(_ENQUEUE, keys=keys, args=args)
            if not done:
                return [False] * len(parcels)
            return self._judge(parcels, taken)

        return send_batch

    def _queue_batch(
        self, connections: Connections, entity: str, sent: str, remember_ms: int
    ) -> SendBatch:
        keys = [self._keys.stream(entity), sent]
        channel = entity.removeprefix("work:")
        expiry_ms = self._options.expiry_ms
        keep_ms = 2 * expiry_ms
        if self._options.is_at_least_once(channel):
            expiry_ms, keep_ms = 0, int(self._options.dlq_ttl_s * 1000)
        limits = [self._capacity_of(channel), expiry_ms, keep_ms, remember_ms]

        async def send_batch(token: str, parcels: Sequence[Parcel]) -> Sequence[bool | Exception]:
            args = [GROUP, token, *limits, *_flatten(parcels)]
            _, taken, expired = await connections.run(_ENQUEUE_WORK, keys=keys, args=args)
            self._counters.drop(reason="expired", count=expired)
            return self._judge(parcels, taken)

        return send_batch

    def _judge(self, parcels: Sequence[Parcel], taken: int) -> Sequence[bool | Exception]:
        self._counters.sent += taken
        full = [ChannelFull(f"no room for {target}") for target, _ in parcels[taken:]]
        return [*[True] * taken, *full]


def _flatten(parcels: Sequence[Parcel]) -> list[Any]:
    return [each for parcel in parcels for each in parcel]
