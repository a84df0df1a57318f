"""The scheduler's doors for nodes without a socket: asks, asks again, and reads the answer."""

import asyncio
import random
from typing import Any

import msgspec

from lingua_node.http_client import HttpClient

_TRIES = 3
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
_ANSWERS_WITHIN_S = 15.0
# Nothing was done, and it may be done in a moment.
_ONCE_MORE = {429, 502, 503, 504}


class HttpRefused(Exception):
    """A request was answered with a refusal; `code` is stable, and empty where a proxy answered."""

    def __init__(self, *, status: int, code: str, words: str, details: Any = None) -> None:
        super().__init__(f"{code}: {words}" if code else words)
        self.status = status
        self.code = code
        self.words = words
        self.details = details


class _Refusal(msgspec.Struct, frozen=True):
    error: str
    detail: str = ""
    details: Any = None


class HttpCaller:
    """Asks a scheduler. Everything is asked so that it may be asked twice."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def ask(
        self,
        path: str,
        message: dict[str, Any],
        *,
        timeout_s: float = _ANSWERS_WITHIN_S,
        tries: int = _TRIES,
    ) -> bytes:
        """Return the body of a good answer.

        :raises HttpRefused: the answer is none, the last time too
        :raises OSError: no answer came, the last time too
        """
        body = msgspec.json.encode(message)
        for left in reversed(range(tries)):
            wait_s = _FIRST_WAIT_S * 2 ** (tries - 1 - left)
            try:
                answer = await self._client.ask(path, body, timeout_s=timeout_s)
            except OSError:
                if not left:
                    raise
            else:
                if answer.status < 300:  # noqa: PLR2004 - what went well
                    return answer.body
                refused = read_refusal(answer.status, answer.body)
                if not left or answer.status not in _ONCE_MORE:
                    raise refused
                wait_s = max(wait_s, _read_wait_s(refused.details))
            await asyncio.sleep(wait_s * random.uniform(1, 1.5))
        raise AssertionError("unreachable: the last try returns or raises")

    def close(self) -> None:
        """Close what was kept open for the next request."""
        self._client.close()


def read_refusal(status: int, body: bytes) -> HttpRefused:
    """Return what an answer refuses, and why."""
    try:
        told = msgspec.json.decode(body, type=_Refusal)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return HttpRefused(status=status, code="", words=f"answered with {status}")
    return HttpRefused(status=status, code=told.error, words=told.detail, details=told.details)


def _read_wait_s(details: Any) -> float:
    after_ms = details.get("retry_after_ms") if isinstance(details, dict) else None
    if isinstance(after_ms, bool) or not isinstance(after_ms, int | float):
        return 0
    return min(max(0.0, after_ms / 1000), _LONGEST_WAIT_S)
