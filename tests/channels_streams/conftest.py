"""Layers for the tests of the Streams channel layer, closed when the test ends."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from channels_streams.layer import StreamsChannelLayer

from tests.redis_under_test import OwnRedis, locate

MakeLayer = Callable[..., StreamsChannelLayer]


@pytest.fixture
async def make_layer(redis_server: OwnRedis, prefix: str) -> AsyncIterator[MakeLayer]:
    """Make layers that share this test's prefix; each stands for one process."""
    layers: list[StreamsChannelLayer] = []

    def make(**config: Any) -> StreamsChannelLayer:
        layer = StreamsChannelLayer(**{**locate(redis_server.url), "prefix": prefix, **config})
        layers.append(layer)
        return layer

    yield make
    for layer in layers:
        await layer.close()


@pytest.fixture
def layer(make_layer: MakeLayer) -> StreamsChannelLayer:
    return make_layer()


@pytest.fixture
def peer(make_layer: MakeLayer) -> StreamsChannelLayer:
    """Another process, as far as the layer can tell."""
    return make_layer()
