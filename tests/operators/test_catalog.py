"""The service catalog outlives its hub."""

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from operators.console.catalog import Catalog
from tests.waiting import eventually

_SERVICE = {"service_id": "nmt-m2m100", "name": "M2M100", "latest_version": "2", "variants": []}
_FRESH = {**_SERVICE, "latest_version": "3"}


class _Hub(http.server.BaseHTTPRequestHandler):
    status = 200
    body = json.dumps([_FRESH])

    go_on: threading.Event | None = None

    def do_GET(self) -> None:
        type(self).asked = self.path
        if self.go_on is not None:
            self.go_on.wait()
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[tuple[str, type[_Hub]]]:
    handler = type("Hub", (_Hub,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    thread.join()
    server.server_close()


def _write_index(folder: Path) -> None:
    (folder / "services_index.json").write_text(json.dumps({"anything": _SERVICE}))


@pytest.mark.req("D7")
async def test_the_hub_is_asked_for_its_services(hub, tmp_path: Path) -> None:
    url, handler = hub
    catalog = Catalog(base_url=url + "/", storage_path=tmp_path, refresh_s=30)

    assert await catalog.run_once() == 1

    assert handler.asked == "/api/services"
    assert catalog.state.services == (_FRESH,)
    assert catalog.state.last_success_at_ms == catalog.state.fetched_at_ms > 0
    assert (catalog.state.fail_count, catalog.state.last_error) == (0, None)


@pytest.mark.req("D7")
async def test_nobody_waits_for_a_hub_that_takes_its_time(hub, tmp_path: Path) -> None:
    url, handler = hub
    handler.go_on = threading.Event()
    catalog = Catalog(base_url=url, storage_path=tmp_path, refresh_s=30)

    fetching = asyncio.create_task(catalog.run_once())
    await eventually(lambda: hasattr(handler, "asked"))
    handler.go_on.set()
    await fetching

    assert catalog.state.services == (_FRESH,)


@pytest.mark.req("D8")
async def test_the_local_file_fills_the_catalog_while_the_hub_never_answered(
    tmp_path: Path,
) -> None:
    _write_index(tmp_path)
    catalog = Catalog(base_url="http://127.0.0.1:1", storage_path=tmp_path, refresh_s=30)

    await catalog.run_once()

    assert catalog.state.services == (_SERVICE,)
    assert catalog.state.last_success_at_ms == 0
    assert catalog.state.fail_count == 1
    assert "Connection refused" in (catalog.state.last_error or "")


@pytest.mark.req("D7", "D8", "I-60")
async def test_fresh_services_are_never_overwritten_by_the_file(hub, tmp_path: Path) -> None:
    url, handler = hub
    _write_index(tmp_path)
    catalog = Catalog(base_url=url, storage_path=tmp_path, refresh_s=30)
    await catalog.run_once()
    handler.status = 500
    for _ in range(20):
        await catalog.run_once()

    assert catalog.state.services == (_FRESH,)
    assert catalog.state.fail_count == 20


@pytest.mark.req("D8")
async def test_without_a_hub_the_file_is_what_there_is(tmp_path: Path) -> None:
    _write_index(tmp_path)
    catalog = Catalog(base_url="", storage_path=tmp_path, refresh_s=30)

    assert await catalog.run_once() == 1


@pytest.mark.req("D7")
async def test_the_wait_doubles_from_the_third_failure_on_up_to_300_s(tmp_path: Path) -> None:
    catalog = Catalog(base_url="http://127.0.0.1:1", storage_path=tmp_path, refresh_s=30)
    waits = [catalog.interval_s]
    for _ in range(8):
        await catalog.run_once()
        waits.append(catalog.interval_s)

    assert waits == [30, 30, 30, 60, 120, 240, 300, 300, 300]


@pytest.mark.parametrize("body", ["no json", "{}", "3", '{"services": 1}'])
async def test_an_answer_that_is_no_catalog_is_a_failure(hub, body: str, tmp_path: Path) -> None:
    url, handler = hub
    handler.body = body
    catalog = Catalog(base_url=url, storage_path=tmp_path, refresh_s=30)

    await catalog.run_once()

    assert catalog.state.fail_count == 1
