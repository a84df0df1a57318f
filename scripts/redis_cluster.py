"""A Redis Cluster of three masters on loopback, for development and tests: make cluster."""

import functools
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

from lingua.settings.embedded_redis import EmbeddedRedis, find_free_port

_SLOTS = 16_384
_MASTERS = 3
_JOINED_WITHIN_S = 15.0
# The bus of a master listens 10,000 ports higher.
_HIGHEST_PORT = 55_000


class EmbeddedCluster:
    """Three servers whose files live under `directory`; a lost one does not stop the others."""

    def __init__(self, *, directory: Path, program: str = "", append_only: bool = True) -> None:
        def make(name: str) -> EmbeddedRedis:
            return EmbeddedRedis(
                directory=directory / name,
                program=program,
                port=_find_port(),
                append_only=append_only,
                options=(
                    *("--cluster-enabled", "yes", "--cluster-node-timeout", "2000"),
                    *("--cluster-require-full-coverage", "no"),
                    *("--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"),
                ),
            )

        self.masters = [make(str(number)) for number in range(_MASTERS)]
        self._make = make
        self._replicas: list[EmbeddedRedis] = []
        self._is_joined = False

    @property
    def urls(self) -> list[str]:
        """Return what REDIS_CLUSTER_URLS takes."""
        return [f"redis://127.0.0.1:{master.port}" for master in self.masters]

    @property
    def url(self) -> str:
        """Return the same as one text."""
        return ",".join(self.urls)

    def start(self) -> None:
        """Start the masters and return once they agree on who owns which slot.

        :raises TimeoutError: they did not find each other
        """
        if self._is_joined:
            self._start_again()
        else:
            self._join()
            self._is_joined = True

    def add_replica(self, master: EmbeddedRedis) -> EmbeddedRedis:
        """Start a replica that takes its master's place when that is lost; return it in step.

        :raises TimeoutError: it did not become one
        """
        replica = self._make(f"replica{len(self._replicas)}")
        replica.start()
        self._replicas.append(replica)
        with (
            redis.Redis(port=master.port, protocol=2, decode_responses=True) as of_master,
            redis.Redis(port=replica.port, protocol=2, decode_responses=True) as of_replica,
        ):
            _call(of_replica, "CLUSTER", "MEET", "127.0.0.1", master.port)
            name = _call(of_master, "CLUSTER", "MYID")
            _await(lambda: name in str(_call(of_replica, "CLUSTER", "NODES")), "they have not met")
            _call(of_replica, "CLUSTER", "REPLICATE", name)
            _await(
                lambda: of_replica.info("replication")["master_link_status"] == "up",
                "the replica is not in step",
            )
            _await(lambda: f"{replica.port}@" in _slaves(of_master, name), "nobody knows of it")
        for other in self.masters:
            # Who does not know it will not vote for it, and the next vote is eight seconds later.
            with redis.Redis(port=other.port, protocol=2, decode_responses=True) as voter:
                _await(functools.partial(_knows, voter, replica), "who votes does not know it")
        return replica

    def await_promotion(self, replica: EmbeddedRedis) -> None:
        """Return once a replica has taken its lost master's place.

        :raises TimeoutError: it did not
        """
        with redis.Redis(port=replica.port, protocol=2) as client:
            _await(lambda: client.info("replication")["role"] == "master", "nobody took over")

    def find_owner(self, key: str) -> EmbeddedRedis:
        """Return the master that owned a key when the cluster was made."""
        slot: int = key_slot(key.encode())
        return self.masters[((slot + 1) * _MASTERS - 1) // _SLOTS]

    def _start_again(self) -> None:
        for master in self.masters:
            master.start()
        for master in self.masters:
            with redis.Redis(port=master.port, protocol=2) as client:
                _await_whole(client)

    def _join(self) -> None:
        clients = []
        for number, master in enumerate(self.masters):
            master.start()
            client = redis.Redis(port=master.port, protocol=2)
            first, last = number * _SLOTS // _MASTERS, (number + 1) * _SLOTS // _MASTERS
            _call(client, "CLUSTER", "ADDSLOTS", *range(first, last))
            _call(client, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            clients.append(client)
        # Each meets each: hearing of one another by the way takes a second more.
        for number, client in enumerate(clients):
            for other in self.masters[number + 1 :]:
                _call(client, "CLUSTER", "MEET", "127.0.0.1", other.port)
        for client in clients:
            _await_whole(client)
            client.close()

    def stop(self) -> None:
        """End the masters in order."""
        for server in (*self._replicas, *self.masters):
            server.stop()

    def kill(self) -> None:
        """End the masters at once, as a crash would."""
        for master in self.masters:
            master.kill()

    def forget(self) -> None:
        """Delete what the stopped masters have written, but not who owns what."""
        for master in self.masters:
            master.forget()


def _call(client: "redis.Redis", *words: Any) -> Any:
    return client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py does not say


def _find_port() -> int:
    while (port := find_free_port()) > _HIGHEST_PORT:
        pass
    return port


def _await_whole(client: "redis.Redis") -> None:
    give_up_at = time.monotonic() + _JOINED_WITHIN_S
    while time.monotonic() < give_up_at:
        info = _call(client, "CLUSTER INFO")
        if (info["cluster_known_nodes"], info["cluster_state"]) == (str(_MASTERS), "ok"):
            return
        time.sleep(0.02)
    raise TimeoutError(f"the cluster is not whole: {info}")


def _knows(master: "redis.Redis", node: EmbeddedRedis) -> bool:
    return f":{node.port}@" in str(_call(master, "CLUSTER", "NODES"))


def _slaves(client: "redis.Redis", master: str) -> str:
    return str(_call(client, "CLUSTER", "REPLICAS", master))


def _await(holds: Callable[[], bool], what: str) -> None:
    give_up_at = time.monotonic() + _JOINED_WITHIN_S
    while not holds():
        if time.monotonic() > give_up_at:
            raise TimeoutError(what)
        time.sleep(0.02)


def main() -> None:
    """Serve a cluster until a signal; its files go with it."""
    with tempfile.TemporaryDirectory() as directory:
        cluster = EmbeddedCluster(directory=Path(directory))
        try:
            cluster.start()
            sys.stdout.write(f"REDIS_CLUSTER_URLS={','.join(cluster.urls)}\n")
            sys.stdout.flush()
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
