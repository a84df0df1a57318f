"""The channel layers that cross processes, for tests that run on each."""

import pytest

_ONE_SERVER = pytest.mark.standalone("channels_redis does not run on a Redis Cluster")
LAYERS = ["streams", *(pytest.param(name, marks=_ONE_SERVER) for name in ("core", "pubsub"))]
