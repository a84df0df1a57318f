"""A new operator in a real browser: make a pool, see nodes join, drain one, read why not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.browser import Browser
from tests.browser.programs import run_nodes, run_speakers
from tests.e2e.servers import Lingua, Servers
from tests.manage import make_superuser
from tests.redis_under_test import OwnRedis

_PASSWORD = "a long word for tests"  # noqa: S105 - of a server that ends with the test


@pytest.fixture
def quiet(own_redis: OwnRedis, tmp_path: Path) -> Iterator[Lingua]:
    """A server of its own, without pools of languages, and somebody who may log in."""
    servers = Servers(directory=tmp_path, redis_url=own_redis.url)
    lingua = servers.start(
        "uvicorn",
        LINGUA_POOLS_AUTO_LANGUAGE="off",
        LINGUA_POOLS_STRICT="on",
        LINGUA_PENDING_TIMEOUT_S="2",
    )
    make_superuser("desk", _PASSWORD, var=tmp_path / "var")
    yield lingua
    servers.end()


def _find_row(browser: Browser, selector: str, name: str) -> str | None:
    told = browser.run(f"return document.querySelector({selector!r})?.dataset.{name} ?? null")
    return None if told is None else str(told)


def _order_in_the_admin(browser: Browser, address: str) -> None:
    """Of two drained nodes resume one among many and cordon it on its own page."""
    browser.open(f"{address}/admin/")
    browser.wait("nodes in the index", lambda: browser.texts(".model-fleetnode"))
    browser.click(".model-fleetnode a")
    browser.wait("both", lambda: len(browser.texts("tr[data-status=Draining]")) == 2)
    browser.keep_picture("operator-admin-nodes")
    browser.click("tr[data-status=Draining] .action-select")
    browser.run("document.querySelector('[name=action]').value = 'resume'")
    browser.click("button[name=index]")
    browser.wait("it told", lambda: "Resume: " in browser.text(".messagelist"))
    browser.wait("it back", lambda: len(browser.texts("tr[data-status=Ready]")) == 1)
    browser.click("tr[data-status=Ready] .field-node a")
    browser.wait("its page", lambda: browser.text("#node-status") == "Ready")
    browser.keep_picture("operator-admin-node")
    browser.click("button[value=cordon]")
    browser.wait("its cordon", lambda: browser.text("#node-status") == "Cordoned")
    browser.open(f"{address}/admin/operators/cordon/")
    browser.wait("the cordon", lambda: "desk" in browser.text("#result_list"))
    browser.keep_picture("operator-admin-cordons")


def _quarantine_and_absolve(browser: Browser) -> None:
    """On the fleet's page take a node out, read why, and take it back."""
    browser.click("[data-status=Ready] [data-act=quarantine]")
    browser.wait("it is kept out", lambda: browser.texts("[data-standing=quarantine]"))
    told = browser.text("[data-standing=quarantine]")
    assert "quarantine: operator, since " in told
    browser.keep_picture("operator-fleet-quarantined")
    browser.click("[data-act=absolve]")
    browser.wait("it is back", lambda: len(browser.texts("[data-standing=good]")) == 2)


@pytest.mark.req("P14", "N6", "O13", "ND15")
def test_a_new_operator_finds_the_way(browser: Browser, quiet: Lingua) -> None:
    address = f"http://{quiet.instance.address}"
    nodes = ("simulate", "--nodes", "1", "--slots", "2", "--heartbeat", "1")
    browser.open(f"{address}/admin/login/?next=/admin/operators/ownedpool/add/")
    browser.fill("#id_username", "desk")
    browser.fill("#id_password", _PASSWORD)
    browser.click("[type=submit]")
    browser.wait("the form", lambda: browser.texts("#id_pool_id"))
    browser.fill("#id_pool_id", "voices")
    browser.click("[name=_save]")
    browser.wait("why not", lambda: "at least one service" in browser.text(".errorlist"))
    browser.keep_picture("operator-pool-refused")
    browser.fill("#id_name", "Voices")
    for kind in ("asr", "nmt", "tts"):
        browser.click(f"[name=required][value={kind}]")
    browser.click("[name=_save]")
    browser.wait("the pool", lambda: "voices" in browser.text("#result_list"))
    browser.keep_picture("operator-pool-saved")

    with run_nodes(*nodes, url=quiet.url("/ws/node")), run_nodes(*nodes, url=quiet.url("/ws/node")):
        browser.open(f"{address}/pools")
        voices = "[data-pool=voices]"
        browser.wait("both to join", lambda: _find_row(browser, voices, "ready") == "2")
        browser.keep_picture("operator-pool-joined")
        browser.open(f"{address}/coverage")
        browser.wait("coverage", lambda: "2 nodes" in browser.text("#grid"))
        browser.keep_picture("operator-coverage")

        browser.open(f"{address}/fleet")
        browser.wait("ready", lambda: browser.text("[data-tile=ready]") == "2 / 2")
        _quarantine_and_absolve(browser)
        for left in ("1 / 2", "0 / 2"):
            browser.click("[data-status=Ready] [data-act=drain]")
            browser.wait("it told", lambda: browser.text("#done").startswith("Drain"))
            browser.run("document.querySelector('#done').textContent = ''")
            browser.wait("it drained", lambda: browser.text("[data-tile=ready]") == left)  # noqa: B023 - waited for here
        browser.keep_picture("operator-fleet-drained")

        with run_speakers(1, url=quiet.url("/ws/session"), pause_s=1):
            browser.open(f"{address}/why")
            browser.wait("a refused job", lambda: browser.texts("[data-job]:enabled"))
            browser.click("[data-job]:enabled")
            browser.wait("why", lambda: "status_not_ready" in browser.text("#decisions"))
            browser.keep_picture("operator-why")

        _order_in_the_admin(browser, address)
        browser.open(f"{address}/fleet")
        browser.wait("it there", lambda: browser.texts("[data-status=Cordoned] [data-act=resume]"))
        browser.keep_picture("operator-fleet-cordoned")
        browser.click("[data-status=Cordoned] [data-act=resume]")
        browser.wait("it back", lambda: browser.text("[data-tile=ready]") == "1 / 2")
    browser.open(f"{address}/pools")
    browser.wait("all to leave", lambda: _find_row(browser, "[data-pool=voices]", "ready") == "0")
    browser.keep_picture("operator-pool-left")
