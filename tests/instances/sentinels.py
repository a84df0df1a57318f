"""A master, its replica and three Sentinels that know them, each behind a password."""

import subprocess
from pathlib import Path
from typing import Any

import redis

from lingua.settings.embedded_redis import EmbeddedRedis, find_free_port, find_redis_server
from tests.waiting import wait_until

NAME = "voiceMain"
SECRET = "s:e@c/r#e%t"  # noqa: S105 - of these tests alone
OTHER_SECRET = "o:t@h/e#r"  # noqa: S105 - the same
IN_URL, OTHER_IN_URL = "s%3Ae%40c%2Fr%23e%25t", "o%3At%40h%2Fe%23r"
_SENTINELS = 3
_QUORUM = 2
_WITHIN_S = 60.0


class SentinelServers:
    """Five processes whose files live under `directory`."""

    def __init__(self, directory: Path) -> None:
        # A copy of what the master has is asked for at once, and does not wait for others to ask.
        options = ("--repl-diskless-sync-delay", "0")
        self.servers = [
            EmbeddedRedis(directory=directory / str(number), append_only=False, options=options)
            for number in range(2)
        ]
        self._directory = directory
        self._ports = [find_free_port() for _ in range(_SENTINELS)]
        self._sentinels: list[subprocess.Popen[bytes]] = []

    @property
    def variables(self) -> dict[str, str]:
        """Return what our settings are told."""
        urls = [f"redis://:{OTHER_IN_URL}@127.0.0.1:{port}" for port in self._ports]
        return {
            "REDIS_URL": f"redis://:{IN_URL}@{NAME}/0",
            "REDIS_CLUSTER_URLS": "",
            "REDIS_SENTINEL_URLS": ",".join(urls),
        }

    def start(self) -> None:
        """Return once every Sentinel knows the master, the replica and the other Sentinels."""
        for server in self.servers:
            server.start()
            self._protect(server)
        master, replica = self.servers
        self.call(replica, "REPLICAOF", "127.0.0.1", master.port)
        for port in self._ports:
            self._start_sentinel(port, master)
        wait_until(lambda: all(map(self._is_ready, self._ports)), within_s=_WITHIN_S)

    def stop(self) -> None:
        """End all of them."""
        self.end_sentinels()
        for server in self.servers:
            server.stop()

    def end_sentinels(self) -> None:
        """End those who know where the master is."""
        for sentinel in self._sentinels:
            sentinel.kill()
            sentinel.wait(timeout=_WITHIN_S)

    def find_master(self) -> EmbeddedRedis:
        """Return the server that the Sentinels take for the master."""
        with self._open_sentinel(self._ports[0]) as client:
            port = client.sentinel_masters()[NAME]["port"]
        return next(server for server in self.servers if server.port == port)

    def copy_all(self, master: EmbeddedRedis) -> None:
        """Return once the replica has what the master has."""
        copied = self.call(master, "WAIT", 1, round(_WITHIN_S * 1_000))
        assert copied == 1

    def await_promotion(self, lost: EmbeddedRedis) -> None:
        """Return once the other server is a master."""
        (other,) = [server for server in self.servers if server is not lost]
        wait_until(lambda: self.call(other, "ROLE")[0] == "master", within_s=_WITHIN_S)

    def bring_back(self, lost: EmbeddedRedis) -> None:
        """Start a server that was lost; return once it is a replica, and every Sentinel knows."""
        lost.start()
        self._protect(lost)
        wait_until(lambda: self.call(lost, "ROLE")[0] == "slave", within_s=_WITHIN_S)
        wait_until(lambda: all(map(self._is_ready, self._ports)), within_s=_WITHIN_S)

    def call(self, server: EmbeddedRedis, *words: Any) -> Any:
        with redis.Redis(
            port=server.port, password=SECRET, protocol=2, decode_responses=True
        ) as client:
            return client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py's

    def _protect(self, server: EmbeddedRedis) -> None:
        with redis.Redis(port=server.port) as client:
            client.config_set("masterauth", SECRET)
            client.config_set("requirepass", SECRET)

    def _start_sentinel(self, port: int, master: EmbeddedRedis) -> None:
        place = self._directory / f"sentinel{port}"
        place.mkdir()
        config = place / "sentinel.conf"
        config.write_text(
            f'port {port}\nbind 127.0.0.1\ndir {place}\nrequirepass "{OTHER_SECRET}"\n'
            f"sentinel monitor {NAME} 127.0.0.1 {master.port} {_QUORUM}\n"
            f'sentinel auth-pass {NAME} "{SECRET}"\n'
            f"sentinel down-after-milliseconds {NAME} 3000\n"
            f"sentinel failover-timeout {NAME} 10000\n"
        )
        with (place / "log").open("ab") as log:
            self._sentinels.append(
                subprocess.Popen(
                    [str(find_redis_server()), str(config), "--sentinel"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    def _is_ready(self, port: int) -> bool:
        try:
            with self._open_sentinel(port) as client:
                state = client.sentinel_masters()[NAME]
                replicas = client.sentinel_slaves(NAME)
        except redis.RedisError:
            return False
        return state["num-other-sentinels"] == _SENTINELS - 1 and any(
            each["master-link-status"] == "ok" and each["flags"] in ("slave", {"slave"})
            for each in replicas
        )

    def _open_sentinel(self, port: int) -> Any:
        return redis.Redis(port=port, password=OTHER_SECRET, protocol=2, decode_responses=True)
