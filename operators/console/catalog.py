"""The service catalog: fetched in the background, kept when the hub is down (D7, D8)."""

import asyncio
import http.client
import json
import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from scheduling.model import clock

logger = logging.getLogger(__name__)

_BACK_OFF_AFTER = 3
_LONGEST_BACK_OFF_S = 300.0
_MOST_BYTES = 32 * 1024 * 1024
_INDEX_FILE = "services_index.json"

Json = dict[str, Any]


class CatalogState(msgspec.Struct, frozen=True):
    """The services known, and how the last attempts to fetch them went."""

    services: tuple[Json, ...] = ()
    fetched_at_ms: int = 0
    last_success_at_ms: int = 0
    fail_count: int = 0
    last_error: str | None = None


class Catalog:
    """A loop that asks the model hub; what it knows only changes when somebody knows better.

    The local file fills an empty catalog alone: what came from the hub is fresher (I-60).
    """

    name = "catalog"

    def __init__(self, *, base_url: str, storage_path: Path, refresh_s: float) -> None:
        self._url = f"{base_url.rstrip('/')}/api/services" if base_url else ""
        self._file = storage_path / _INDEX_FILE
        self._refresh_s = refresh_s
        self.state = CatalogState()

    @property
    def interval_s(self) -> float:
        """Return the wait until the next attempt: longer from the third failure in a row on."""
        extra = self.state.fail_count - _BACK_OFF_AFTER
        if extra < 0:
            return self._refresh_s
        return float(min(self._refresh_s * 2.0 ** min(extra + 1, 16), _LONGEST_BACK_OFF_S))

    async def run_once(self) -> int:
        """Fetch once; return how many services are known now."""
        before = self.state
        if not self._url:
            if not before.services:
                services = await asyncio.to_thread(read_index, self._file)
                self.state = msgspec.structs.replace(before, services=services)
            return len(self.state.services)
        now_ms = clock.now_ms()
        try:
            services = tuple(await asyncio.to_thread(fetch_services, self._url))
        except (OSError, ValueError, http.client.HTTPException) as error:
            known = before.services
            if not before.last_success_at_ms and not known:
                known = await asyncio.to_thread(read_index, self._file)
            self.state = msgspec.structs.replace(
                before,
                services=known,
                fetched_at_ms=now_ms,
                fail_count=before.fail_count + 1,
                last_error=f"{type(error).__name__}: {error}",
            )
            logger.warning("the service catalog could not be fetched: %s", error)
        else:
            self.state = CatalogState(
                services=services, fetched_at_ms=now_ms, last_success_at_ms=now_ms
            )
        return len(self.state.services)


def fetch_services(url: str, *, connect_s: float = 3.0, read_s: float = 20.0) -> list[Json]:
    """Return what the hub lists.

    :raises OSError: it cannot be reached
    :raises ValueError: its answer is no list of services
    """
    parts = urlsplit(url)
    maker = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = maker(parts.hostname or "", parts.port, timeout=connect_s)
    try:
        connection.connect()
        if connection.sock is not None:
            connection.sock.settimeout(read_s)
        connection.request("GET", parts.path, headers={"Accept": "application/json"})
        answer = connection.getresponse()
        body = answer.read(_MOST_BYTES)
        if answer.status != http.client.OK:
            raise ValueError(f"HTTP {answer.status}")
        return read_services(json.loads(body))
    finally:
        connection.close()


def read_services(document: Any) -> list[Json]:
    """Return the services of a hub's answer: a list, or an object that holds one.

    :raises ValueError: it is neither
    """
    rows = document.get("services") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise ValueError("no list of services")  # noqa: TRY004 - the hub's fault, not a caller's
    return [_read_service(row) for row in rows if isinstance(row, dict) and row.get("service_id")]


def read_index(file: Path) -> tuple[Json, ...]:
    """Return the services of the local index, none where there is no readable one."""
    try:
        document = json.loads(file.read_text())
        rows = list(document.values()) if isinstance(document, dict) else document
        return tuple(read_services(rows))
    except FileNotFoundError:
        return ()  # most installations have none
    except (OSError, ValueError) as error:
        logger.info("no local service index: %s", error)
        return ()


def _read_service(row: Json) -> Json:
    return {
        "service_id": str(row["service_id"]),
        "name": str(row.get("name") or row["service_id"]),
        "latest_version": str(row.get("latest_version") or ""),
        "variants": row.get("variants") or [],
    }
