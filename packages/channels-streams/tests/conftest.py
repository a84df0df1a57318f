"""Layers for the tests of the Streams channel layer, closed when the test ends."""

from collections.abc import AsyncIterator

import pytest
from channels_streams.layer import StreamsChannelLayer
from streams_testing.layers import MakeLayer, making

from tests.conftest import prefix, redis_client, redis_server
from tests.redis_under_test import OwnRedis, locate

__all__ = ["prefix", "redis_client", "redis_server"]


@pytest.fixture
async def make_layer(redis_server: OwnRedis, prefix: str) -> AsyncIterator[MakeLayer]:
    """Make layers that share this test's prefix; each stands for one process."""
    async with making(**locate(redis_server.url), prefix=prefix) as make:
        yield make


@pytest.fixture
def layer(make_layer: MakeLayer) -> StreamsChannelLayer:
    return make_layer()


@pytest.fixture
def peer(make_layer: MakeLayer) -> StreamsChannelLayer:
    """Another process, as far as the layer can tell."""
    return make_layer()
