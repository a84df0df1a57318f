"""Starts Lingua as operators do: one process of `manage.py serve` on a real Redis."""

import dataclasses
import http.client
import itertools
from pathlib import Path
from typing import Any

from tests.redis_under_test import describe, look_into
from tests.server.launcher import Instance, Launcher

_numbers = itertools.count(1)

# What a test does not wait for does not end in it, however busy the machine is. A test that waits
# for an end says how soon it comes.
PATIENT = {
    # Nodes of tests answer when the test has come that far.
    "LINGUA_ACK_TIMEOUT_MS": "60000",
    "LINGUA_RESERVATION_MS": "90000",
    # Redis shares a busy machine: its silence is no outage there.
    "LINGUA_REDIS_OVERDUE_MS": "5000",
    "LINGUA_REDIS_TIMEOUT_S": "10",
}
SPANS = PATIENT | {
    "LINGUA_RUN_TIMEOUT_S": "120",
    "LINGUA_PENDING_TIMEOUT_S": "60",
    # A timer that a test waits for is looked at soon.
    "LINGUA_TIMER_TICK_MS": "20",
    # Whoever lost a socket comes back, and chunks go on, when the test has come that far.
    "LINGUA_NODE_GRACE_S": "60",
    "LINGUA_SEGMENT_PAUSE_MS": "60000",
    "LINGUA_RESULT_GAP_MS": "60000",
    # Tests send as fast as they can; those about the limits set them.
    "LINGUA_SESSION_RATE_PER_S": "100000",
    "LINGUA_SESSION_BURST": "100000",
    # All speakers of a test come from one address.
    "LINGUA_PRINCIPAL_FRAME_RATE_PER_S": "1000000",
    # A test that waits for a page to say something looks a hundred times a second.
    "LINGUA_REQUESTS_PER_SECOND": "1000",
}


@dataclasses.dataclass(kw_only=True)
class Lingua:
    """One running instance, and a look at its part of Redis from outside."""

    instance: Instance
    prefix: str
    redis: Any  # a plain client, whose annotations cannot say that it is not an asynchronous one
    checked: int = 0

    def url(self, path: str) -> str:
        return self.instance.url(path)

    def dump(self, pattern: str = "*") -> dict[str, object]:
        """Return everything under this instance's prefix that matches, whatever its type."""
        root = f"{self.prefix}:v2:"
        keys = self.redis.scan_iter(f"{root}{pattern}", count=1000)
        found = {key.removeprefix(root): self._read(key) for key in keys}
        return {key: value for key, value in found.items() if value}

    def leases(self, node_id: str) -> dict[str, float]:
        """Return every attempt that holds a slot on a node, and when its lease ends."""
        held: dict[str, float] = {}
        for kind in ("resv", "run"):
            key = f"{self.prefix}:v2:{{node:{node_id}}}:{kind}"
            held.update(self.redis.zrange(key, 0, -1, withscores=True))
        return held

    def node(self, node_id: str) -> dict[str, str]:
        """Return a node's record."""
        record: dict[str, str] = self.redis.hgetall(f"{self.prefix}:v2:{{node:{node_id}}}:info")
        return record

    def change_node(self, node_id: str, **fields: str) -> None:
        """Write into a node's record what another instance might."""
        self.redis.hset(f"{self.prefix}:v2:{{node:{node_id}}}:info", mapping=fields)

    def lose_node(self, node_id: str) -> None:
        """Lose a node's record."""
        self.redis.delete(f"{self.prefix}:v2:{{node:{node_id}}}:info")

    def job(self, job_id: str) -> dict[str, str]:
        """Return a job's record."""
        session_id = f"s-{job_id.split('-')[1]}"
        key = f"{self.prefix}:v2:{{session:{session_id}}}:job:{job_id}"
        record: dict[str, str] = self.redis.hgetall(key)
        return record

    def is_ready(self) -> bool:
        """Say whether the instance welcomes new sockets."""
        host, _, port = self.instance.address.rpartition(":")
        asked = http.client.HTTPConnection(host, int(port), timeout=60)
        try:
            asked.request("GET", "/ready")
            return asked.getresponse().status == http.HTTPStatus.OK
        finally:
            asked.close()

    def stop(self) -> None:
        """End the process as an operator does, and check that it ended well."""
        self.instance.terminate()
        code = self.instance.wait()
        assert code == 0, self.instance.errors
        self.check_log()

    def check_log(self) -> None:
        """A fault of ours leaves a traceback; nothing a peer does may cause one."""
        errors = self.instance.errors[self.checked :]
        self.checked += len(errors)
        assert "Traceback" not in errors, errors[-6_000:]

    def _read(self, key: str) -> object:
        match self.redis.type(key):
            case "hash":
                return self.redis.hgetall(key)
            case "zset":
                return dict(self.redis.zrange(key, 0, -1, withscores=True))
            case "string":
                return self.redis.get(key)
            case _:
                return None


class Servers:
    """Starts instances that share one Redis, each under a prefix of its own."""

    def __init__(self, *, directory: Path, redis_url: str) -> None:
        self._launcher = Launcher(directory=directory)
        self._redis_url = redis_url
        self._redis = look_into(redis_url)

    def start(self, server_name: str, **variables: str) -> Lingua:
        """Start an instance with `SPANS`, changed by `variables`."""
        prefix = f"e{next(_numbers)}"
        instance = self._launcher.start(
            *("--server", server_name),
            awaiting_ready=True,
            **(
                SPANS
                | {
                    "LINGUA_APPLICATION": "lingua.composition.bootstrap.build_application",
                    "LINGUA_KEY_PREFIX": prefix,
                }
                | describe(self._redis_url)
                | variables
            ),
        )
        return Lingua(instance=instance, prefix=prefix, redis=self._redis)

    def end(self) -> None:
        self._launcher.end()
        self._redis.close()
