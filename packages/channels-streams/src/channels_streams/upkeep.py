"""The work that the owner loop repeats for the whole process."""

import asyncio
import inspect
import logging
import random
from collections.abc import Callable
from typing import Any

from channels_streams.connection import REDIS_TROUBLE, Connections
from channels_streams.inbox import ProcessInbox
from channels_streams.loops import LoopResources, Step
from channels_streams.options import Options
from channels_streams.presence import Presence
from channels_streams.takeover import Takeover

_log = logging.getLogger("channels_streams")


def list_steps(
    resources: LoopResources,
    *,
    options: Options,
    inbox: ProcessInbox,
    presence: Presence,
    takeover: Takeover,
) -> list[Step]:
    """List the steps; each is one pass that may raise, and is then repeated with a pause."""

    async def beat(connections: Connections) -> None:
        await inbox.beat(connections=connections)
        await asyncio.sleep(presence.beat_s)

    is_lost = False

    async def read(connections: Connections) -> None:
        nonlocal is_lost
        try:
            await inbox.read_once(connections=connections)
        except REDIS_TROUBLE:
            presence.is_in_doubt = True
            if not is_lost:
                is_lost = True
                await _call(options.on_disconnect)
            raise
        if is_lost:
            is_lost = False
            await _call(options.on_reconnect)
        if presence.is_in_doubt:
            await inbox.beat(connections=connections)

    async def acknowledge(connections: Connections) -> None:
        await resources.ack_wanted.wait()
        resources.ack_wanted.clear()
        await inbox.acknowledge_once(connections=connections)

    async def write_unfinished(connections: Connections) -> None:
        await asyncio.sleep(options.dlq_scan_interval_ms / 1000)
        await inbox.write_unfinished_once(connections=connections)

    async def take_over(connections: Connections) -> None:
        # Spread, so that the processes do not all look at the same moment.
        await asyncio.sleep(options.takeover_interval_s * random.uniform(0.7, 1.3))
        await takeover.run_once(connections=connections)

    return [beat, read, acknowledge, write_unfinished, take_over]


async def _call(told: Callable[[], Any] | None) -> None:
    """Call what CONFIG names; what it raises is its own trouble."""
    if told is None:
        return
    try:
        answer = told()
        if inspect.isawaitable(answer):
            await answer
    except Exception:  # noqa: BLE001 - somebody else's code
        _log.exception("on_disconnect or on_reconnect failed")
