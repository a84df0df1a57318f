"""What README's "Look after it" promises a new operator, done in a real browser in that order."""

import asyncio
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.browser import Browser
from tests.browser.programs import run_nodes, run_speakers
from tests.e2e.servers import Lingua, Servers
from tests.instances.lost_messages import lose_a_message
from tests.manage import make_superuser, manage
from tests.redis_under_test import OwnRedis

_PASSWORD = "a long word for tests"  # noqa: S105 - of a server that ends with the test


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operator:
    """A server whose nodes need tokens, and the commands of whoever runs it."""

    lingua: Lingua
    redis_url: str
    var: Path

    def manage(self, *arguments: str) -> str:
        return manage(
            *arguments,
            LINGUA_VAR_DIR=str(self.var),
            LINGUA_KEY_PREFIX=self.lingua.prefix,
            REDIS_URL=self.redis_url,
        )


@pytest.fixture
def operator(own_redis: OwnRedis, tmp_path: Path) -> Iterator[Operator]:
    servers = Servers(directory=tmp_path, redis_url=own_redis.url)
    lingua = servers.start(
        "uvicorn",
        LINGUA_NODE_AUTH="on",
        LINGUA_STATS_INTERVAL_S="0.5",
        LINGUA_RUN_TIMEOUT_S="30",
        LINGUA_PENDING_TIMEOUT_S="0.5",
    )
    make_superuser("desk", _PASSWORD, var=tmp_path / "var")
    yield Operator(lingua=lingua, redis_url=own_redis.url, var=tmp_path / "var")
    servers.end()


def test_a_new_operator_sees_asks_drains_revokes_and_replays(
    browser: Browser, operator: Operator
) -> None:
    lingua = operator.lingua
    address = f"http://{lingua.instance.address}"
    token = operator.manage("token", "create", "node", "Berlin")
    nodes = ("simulate", "--nodes", "2", "--slots", "2", "--heartbeat", "1", "--token", token)
    browser.open(f"{address}/live")
    with run_speakers(1, url=lingua.url("/ws/session"), pause_s=1):
        browser.wait("a refusal", lambda: "NO_AVAILABLE_NODE" in browser.text("#refusals"))
        browser.wait("its reason counted", lambda: browser.texts("#reasons li"))
        browser.wait("a link to why", lambda: browser.texts("#refusals a"))
        browser.run("document.querySelector('#refusals a').click()")
        browser.wait("why", lambda: "NO_AVAILABLE_NODE" in browser.text("#told"))
        browser.wait("who was looked at", lambda: browser.texts("#decisions .decision"))
        browser.keep_picture("new-operator-why")

    with run_nodes(*nodes, url=lingua.url("/ws/node")):
        with run_speakers(2, url=lingua.url("/ws/session"), pause_s=1):
            browser.open(f"{address}/live")
            browser.wait("speech to flow", lambda: browser.texts("#jobs li"))
            assert browser.text("[data-tile=nodes]") == "2"
            browser.keep_picture("new-operator-live")

        browser.open(f"{address}/admin/login/?next=/fleet")
        browser.fill("#id_username", "desk")
        browser.fill("#id_password", _PASSWORD)
        browser.click("[type=submit]")
        browser.wait("ready", lambda: browser.text("[data-tile=ready]") == "2 / 2")
        browser.click("[data-status=Ready] [data-act=drain]")
        browser.wait("it drained", lambda: browser.text("[data-tile=draining]") == "1")
        browser.keep_picture("new-operator-drained")

        browser.open(f"{address}/admin/operators/nodetoken/")
        browser.click("input.action-select")
        browser.choose("select[name=action]", "revoke")
        browser.click("button[name=index]")
        browser.wait("it revoked", lambda: "is revoked" in browser.text(".messagelist"))
        browser.keep_picture("new-operator-revoked")
        browser.open(f"{address}/cluster")
        browser.wait("the nodes gone", lambda: browser.text("[data-tile=nodes]").startswith("0 /"))
        browser.open(f"{address}/fleet")
        browser.wait("none ready", lambda: browser.text("[data-tile=ready]") == "0 / 2")
        assert browser.text("[data-tile=draining]") == "0", "who is gone drains no more"

    asyncio.run(lose_a_message(operator.redis_url, prefix=f"{lingua.prefix}:asgi"))
    browser.open(f"{address}/dead-letters")
    browser.wait("the dead letter", lambda: browser.texts("[data-letter]"))
    browser.keep_picture("new-operator-dead-letters")
    browser.click("[data-act=replay]")
    browser.wait("what came of it", lambda: "refused" in browser.text("#done"))
    browser.run("window.confirm = () => true")
    browser.click("[data-act=purge]")
    browser.wait("it gone", lambda: "No dead letters" in browser.text("#kept"))

    browser.open(f"{address}/admin/operators/auditentry/")
    browser.wait("the log", lambda: "token.revoke" in browser.text("#result_list"))
    assert "/replay" in browser.text("#result_list")
