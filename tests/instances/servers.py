"""Several instances of Lingua on one Redis, each a process of its own."""

import signal
from pathlib import Path
from typing import Any

from tests.redis_under_test import describe, look_into
from tests.server.launcher import Instance, Launcher

# Spans that a test waits for are short, those it must not meet are long.
QUICK = {
    # The whole scheduler: the launcher serves a probe.
    "LINGUA_APPLICATION": "lingua.composition.bootstrap.build_application",
    # What a test waits for is looked at soon.
    "LINGUA_TIMER_TICK_MS": "20",
    # Redis shares a busy machine: its silence is no outage there.
    "LINGUA_REDIS_OVERDUE_MS": "5000",
    # Jobs of a node that is gone move on while the test waits for that.
    "LINGUA_NODE_GRACE_S": "1",
    # Instances see each other, nodes and leaks while the test waits for that.
    "LINGUA_PRESENCE_INTERVAL_S": "0.3",
    "LINGUA_PRESENCE_TTL_S": "10",
    "LINGUA_SNAPSHOT_REFRESH_MS": "300",
    "LINGUA_RECONCILE_INTERVAL_S": "0.3",
    # Tests send as fast as they can; those about the limits set them.
    "LINGUA_SESSION_RATE_PER_S": "100000",
    "LINGUA_SESSION_BURST": "100000",
    # All speakers of a test come from one address.
    "LINGUA_PRINCIPAL_FRAME_RATE_PER_S": "1000000",
    # A test that waits for a page to say something looks a hundred times a second.
    "LINGUA_REQUESTS_PER_SECOND": "1000",
    # An instance that a test ends has nobody to wait for.
    "LINGUA_DRAIN_TIMEOUT_S": "2",
    "LINGUA_CLOSE_TIMEOUT_S": "2",
}
# For tests that kill an instance: it is taken for dead soon, as is one that a machine holds up.
MORTAL = {"LINGUA_PRESENCE_TTL_S": "2"}
# For tests that let Redis sleep: silence is noticed soon, as is that of one that is held up.
HASTY = {"LINGUA_REDIS_OVERDUE_MS": "500"}


class Cluster:
    """Starts instances that share a prefix, and looks at their Redis from outside."""

    def __init__(
        self, *, directory: Path, redis_url: str, prefix: str = "i", server_name: str = "uvicorn"
    ) -> None:
        self._launcher = Launcher(directory=directory)
        self._variables = QUICK | describe(redis_url) | {"LINGUA_KEY_PREFIX": prefix}
        self._server_name = server_name
        self._root = f"{prefix}:v2:"
        self.older_root = f"{prefix}:v1:"
        self.redis = look_into(redis_url)

    def start(self, *, awaiting_ready: bool = True, **variables: str) -> Instance:
        return self._launcher.start(
            "--server",
            self._server_name,
            awaiting_ready=awaiting_ready,
            **(self._variables | variables),
        )

    def key(self, name: str) -> str:
        return self._root + name

    def read_hash(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.redis.hgetall(self.key(name))
        return found

    def end(self) -> None:
        self._launcher.end()
        self.redis.close()


def kill(instance: Instance) -> None:
    """End a process as a crash does."""
    instance.process.kill()
    instance.process.wait()


def pause(instance: Instance) -> None:
    instance.process.send_signal(signal.SIGSTOP)


def resume(instance: Instance) -> None:
    instance.process.send_signal(signal.SIGCONT)
