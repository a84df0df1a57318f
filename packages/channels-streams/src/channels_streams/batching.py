"""Many small calls become few large ones: what arrives while a batch travels makes the next."""

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

_BATCH_ITEMS = 256
_BATCH_BYTES = 1024 * 1024

# What one message needs to travel: its target and its payload.
Parcel = tuple[str, bytes]
# Called with a batch's token and its parcels; answers one outcome, or one error, per parcel.
SendBatch = Callable[[str, Sequence[Parcel]], Awaitable[Sequence[bool | Exception]]]


class Batcher:
    """The way to one stream: one batch at a time, so the order of sending is kept.

    Who finds nothing under way sends at once, in its own task; a task of the batcher's own would
    put a turn of the loop before each message of a quiet batcher.

    The token of a batch is this batcher's name and a running number: a call that Redis sees twice
    is recognised there.
    """

    def __init__(self) -> None:
        self.name = secrets.token_hex(6)
        # Set by whoever makes the batcher; it needs the batcher's name.
        self.send_batch: SendBatch
        self._waiting: deque[tuple[Parcel, asyncio.Future[bool]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._is_busy = False
        self._batches = 0

    @property
    def is_idle(self) -> bool:
        return not self._is_busy

    async def send(self, parcel: Parcel) -> bool:
        """Bring a parcel there, or say that nobody is there any more.

        :raises ChannelFull: there is no room
        :raises RedisError: Redis is not reachable
        """
        if self._is_busy:
            future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self._waiting.append((parcel, future))
            return await future
        self._is_busy = True
        try:
            (outcome,) = await self.send_batch(self._next_token(), [parcel])
        finally:
            self._is_busy = any(not future.done() for _, future in self._waiting)
            if self._is_busy:
                self._task = asyncio.create_task(self._drain(), name="channels_streams.batcher")
            else:
                self._waiting.clear()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._send_next()
                # Who just got its answer may have more to send: it joins the next batch.
                await asyncio.sleep(0)
        finally:
            self._is_busy, self._task = False, None
            for _, future in self._waiting:
                future.cancel()
            self._waiting.clear()

    async def _send_next(self) -> None:
        parcels, futures = self._take_batch()
        if not parcels:
            return
        outcomes: Sequence[bool | Exception]
        try:
            outcomes = await self.send_batch(self._next_token(), parcels)
        except asyncio.CancelledError:
            for future in futures:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - each sender raises it where it waits
            outcomes = [error] * len(parcels)
        for future, outcome in zip(futures, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    def _next_token(self) -> str:
        self._batches += 1
        return f"{self.name}.{self._batches}"

    def _take_batch(self) -> tuple[list[Parcel], list["asyncio.Future[bool]"]]:
        parcels: list[Parcel] = []
        futures: list[asyncio.Future[bool]] = []
        size = 0
        while self._waiting and len(parcels) < _BATCH_ITEMS and size < _BATCH_BYTES:
            parcel, future = self._waiting.popleft()
            if future.done():
                # Its sender was cancelled before it left.
                continue
            parcels.append(parcel)
            futures.append(future)
            size += len(parcel[1])
        return parcels, futures
