"""Makes layers, and closes them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from channels_streams.layer import StreamsChannelLayer

MakeLayer = Callable[..., StreamsChannelLayer]


@asynccontextmanager
async def making(**common: Any) -> AsyncIterator[MakeLayer]:
    """Make layers that have `common` options; each stands for one process."""
    layers: list[StreamsChannelLayer] = []

    def make(**config: Any) -> StreamsChannelLayer:
        layers.append(StreamsChannelLayer(**(common | config)))
        return layers[-1]

    yield make
    for layer in layers:
        await layer.close()
