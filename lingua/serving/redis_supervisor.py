"""Watches the Redis that starts with us: one that ended by itself is started again (G5)."""

import logging
import threading

from lingua.settings.embedded_redis import AlreadyServed, EmbeddedRedis, RedisServerMissing

logger = logging.getLogger(__name__)

_AGAIN_AFTER_S = 1.0


class RedisSupervisor:
    """Watches it from a thread of its own, which is there while Redis is wanted.

    What it had written comes back with it; for the rest its absence is an outage like any other.
    """

    def __init__(self, redis: EmbeddedRedis) -> None:
        self._redis = redis
        self._unwanted = threading.Event()
        # Held while Redis is being started or stopped.
        self._changing = threading.Lock()

    def start(self) -> None:
        """Start Redis, and keep it running until `stop`.

        :raises RedisServerMissing: there is no binary to start
        :raises AlreadyServed: another one runs on these files
        :raises RuntimeError: it ended or stayed silent; the message holds the end of its log
        """
        self._redis.start()
        threading.Thread(target=self._keep, name="embedded redis", daemon=True).start()

    def stop(self) -> None:
        """End Redis in order, and keep it no longer."""
        self._unwanted.set()
        with self._changing:
            self._redis.stop()

    def _keep(self) -> None:
        while True:
            code = self._redis.wait()
            if self._unwanted.is_set():
                return
            logger.error("the embedded Redis ended with code %s: starting it again", code)
            while not self._start_again():
                if self._unwanted.wait(_AGAIN_AFTER_S):
                    return

    def _start_again(self) -> bool:
        with self._changing:
            if self._unwanted.is_set():
                return False
            try:
                self._redis.start()
            except (AlreadyServed, OSError, RedisServerMissing, RuntimeError) as error:
                logger.error("the embedded Redis did not start: %s", error)  # noqa: TRY400 - no fault of ours
                return False
        logger.warning("the embedded Redis runs again")
        return True
