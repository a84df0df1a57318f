"""Heartbeats: at once, then at an interval, and at once again when something changed."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from lingua_node import clock, messages
from lingua_node.identity import Identity

logger = logging.getLogger(__name__)

_STOOD_STILL_S = 3.0  # with a heartbeat every 15 s a node is gone after 45
_LOOK_AGAIN_S = 3.0  # where the machine is too busy for work: no job comes before that is told
_JITTER = 0.2  # many nodes that came together must not beat together


async def beat(
    identity: Identity,
    *,
    every_s: float,
    send: Callable[[messages.NodeHeartbeat], Awaitable[None]],
) -> None:
    """Send heartbeats until `send` raises."""
    changed = identity.changed
    while True:
        changed.clear()
        await send(await identity.heartbeat())
        spread = random.uniform(1 - _JITTER, 1 + _JITTER)
        wait_s = min(every_s, _LOOK_AGAIN_S) if identity.load.is_too_busy else every_s
        due_s = clock.monotonic_s() + wait_s * spread
        try:
            async with asyncio.timeout(wait_s * spread):
                await changed.wait()
        except TimeoutError:
            _tell_of_delay(clock.monotonic_s() - due_s)


def _tell_of_delay(late_s: float) -> None:
    """Tell the node's author that nothing could be read or sent for a while."""
    if late_s > _STOOD_STILL_S:
        logger.warning(
            "the event loop stood still for %.1f s, and a node without heartbeats is given up: "
            "work that takes the processor belongs in a `def`, which runs in a thread",
            late_s,
        )
