"""The pool configuration in Redis, and who may write it."""

from asyncio import Future
from collections.abc import Mapping, Sequence

import msgspec

from scheduling.placement.pool_config import PoolConfig
from scheduling.placement.pools import Pool
from scheduling.store import hints
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from scheduling.store.replies import Reply, is_done, read_reply

REBUILD = "rebuild"
_WISH_MS = 600_000
_decode_config = msgspec.json.Decoder(PoolConfig).decode
_decode_pool = msgspec.json.Decoder(Pool).decode


class Wishes(msgspec.Struct, frozen=True):
    """What the leader is asked for: pools that nodes need, and whether to publish anew."""

    pools: tuple[Pool, ...] = ()
    rebuild: bool = False

    @property
    def names(self) -> list[str]:
        """Return what `drop_wishes` takes."""
        return [*(pool.pool_id for pool in self.pools), *([REBUILD] if self.rebuild else [])]


class PoolStore:
    """The only reader and writer of ``{poolcfg}`` keys; each call is issued at once."""

    def __init__(self, connection: Connection, *, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys
        self.test_clock: int | str = ""

    def acquire(self, *, instance_id: str, length_ms: int) -> "Future[int | None]":
        """Become the leader, or stay it; return the fence, None while another leads (C14)."""
        return self._connection.run_script(
            "acquire_leadership",
            keys=[self._keys.pool.leader(), self._keys.pool.fence()],
            args=[instance_id, length_ms, self.test_clock],
            read=lambda raw: int(raw[1]) if raw[0] == 1 else None,
        )

    def resign(self, *, instance_id: str, fence: int) -> "Future[bool]":
        """Stop leading now; False when another did already."""
        return self._connection.run_script(
            "resign_leadership",
            keys=[self._keys.pool.leader()],
            args=[instance_id, fence],
            read=is_done,
        )

    def publish(
        self,
        config: PoolConfig,
        *,
        instance_id: str,
        fence: int,
        base_version: int,
        may_wipe: bool = False,
    ) -> "Future[Reply]":
        """Replace the document made from `base_version`; the value is its version (C15).

        Refused with ``not_leader``, ``stale``, or ``empty`` where a document without pools would
        follow one with pools and `may_wipe` does not say that this is known to be right.
        """
        return self._connection.run_script(
            "publish_pool_config",
            keys=[self._keys.pool.config(), self._keys.pool.leader(), self._keys.pool.fence()],
            args=[
                instance_id,
                fence,
                base_version,
                msgspec.json.encode(config),
                int(not config.pools),
                int(may_wipe),
                self._keys.pool.hints(),
                self.test_clock,
            ],
            read=read_reply,
        )

    def find_version(self) -> "Future[int]":
        """Return the version of the stored document, 0 when there is none."""
        return self._connection.execute(
            "HGET", self._keys.pool.config(), "version", read=lambda raw: int(raw or 0)
        )

    def find_config(self) -> "Future[tuple[int, PoolConfig]]":
        """Return the document and its version; 0 and an empty one when there is none."""
        return self._connection.execute(
            "HMGET", self._keys.pool.config(), "version", "doc", read=_read_config
        )

    def find_age_ms(self) -> "Future[int]":
        """Return for how long the document has been published, ms; 0 when there is none."""
        return self._connection.run_script(
            "read_pool_age",
            keys=[self._keys.pool.config()],
            args=[self.test_clock],
            read=lambda raw: int(raw[1]) if raw[0] == 1 else 0,
        )

    def wish(self, pool: Pool) -> "Future[bool]":
        """Ask the leader for a pool that some node needs (P8); False when somebody had asked."""
        return self._wish(pool.pool_id, msgspec.json.encode(pool))

    def wish_rebuild(self) -> "Future[bool]":
        """Ask the leader for a new version of the document (P16); False when somebody had asked."""
        return self._wish(REBUILD, b"")

    def list_wishes(self) -> "Future[Wishes]":
        """Return what the leader was asked for and has not answered."""
        return self._connection.execute("HGETALL", self._keys.pool.wishes(), read=_read_wishes)

    def drop_wishes(self, names: Sequence[str]) -> "Future[int]":
        """Forget wishes that are answered."""
        return self._connection.execute("HDEL", self._keys.pool.wishes(), *names)

    def _wish(self, name: str, wish: bytes) -> "Future[bool]":
        return self._connection.run_script(
            "wish_pool",
            keys=[self._keys.pool.wishes()],
            args=[
                name,
                wish,
                _WISH_MS,
                self._keys.pool.hints(),
                hints.WISH,
            ],
            read=lambda raw: bool(raw[1]),
        )


def _read_config(raw: list[str | None]) -> tuple[int, PoolConfig]:
    version, document = raw
    return int(version or 0), _decode_config(document) if document else PoolConfig()


def _read_wishes(raw: Mapping[str, str]) -> Wishes:
    pools = tuple(_decode_pool(wish) for name, wish in raw.items() if name != REBUILD)
    return Wishes(pools=pools, rebuild=REBUILD in raw)
