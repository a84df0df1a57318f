"""A tenant's private node serves that tenant's sessions, as both tokens prove (ND11)."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.redis_under_test import OwnRedis
from tests.security.conftest import start_fortress
from tests.security.fortress import Fortress, bearer
from tests.server.launcher import Launcher

pytestmark = pytest.mark.req("ND11")


@pytest.fixture(scope="module")
def fortress(
    tmp_path_factory: pytest.TempPathFactory, redis_server: OwnRedis
) -> Iterator[Fortress]:
    """One server: whose a node is stands behind both kinds, before any of their differences."""
    directory = tmp_path_factory.mktemp("own-nodes")
    launcher = Launcher(directory=directory)
    yield start_fortress(launcher, redis_server, directory, "uvicorn")
    launcher.end()


@pytest.fixture
def pair() -> tuple[str, str]:
    return draw_languages()


@pytest.fixture
async def private(fortress: Fortress, pair: tuple[str, str]) -> AsyncIterator[FakeNode]:
    """A private node whose token is of the tenant acme."""
    token = fortress.issue("node", "Acme GPU", "--tenant", "acme")
    async with FakeNode.connect(fortress.url("/ws/node"), headers=bearer(token)) as node:
        await node.register(pair, accept_public_jobs=False)
        await node.make_ready()
        yield node


@asynccontextmanager
async def speak_as(
    fortress: Fortress, pair: tuple[str, str], *token: str, **init: str
) -> AsyncIterator[Speaker]:
    shown = bearer(fortress.issue("api", *token))
    async with Speaker.connect(fortress.url("/ws/session"), headers=shown) as speaker:
        await speaker.init(pair, **init)
        yield speaker


async def test_a_session_of_its_tenant_has_a_private_node_without_a_code(
    fortress: Fortress, pair: tuple[str, str], private: FakeNode
) -> None:
    async with speak_as(fortress, pair, "acme", "--tenant", "acme") as speaker:
        await speaker.say(0)
        await private.finish(await private.job())

        assert (await speaker.result(0))["text_translated"]


@pytest.mark.parametrize(
    ("token", "named"),
    [
        (("globex", "--tenant", "globex"), {}),
        (("of no tenant",), {}),
        (("of no tenant",), {"tenant_id": "acme"}),
    ],
)
async def test_whoever_is_not_proved_to_be_of_the_tenant_never_has_it(
    token: tuple[str, ...],
    named: dict[str, str],
    fortress: Fortress,
    pair: tuple[str, str],
    private: FakeNode,
) -> None:
    async with speak_as(fortress, pair, *token, **named) as speaker:
        await speaker.say(0)
        await speaker.next("ui_event", event="ERROR", error_code="NO_CAPABLE_NODE")

        assert not private.told("job_assign")


async def test_a_code_serves_whatever_tenant_shows_it(
    fortress: Fortress, pair: tuple[str, str], private: FakeNode
) -> None:
    await private.send({"type": "request_pairing_code", "node_id": private.node_id})
    code = (await private.next("pairing_code"))["code"]
    globex = ("globex", "--tenant", "globex")
    async with speak_as(fortress, pair, *globex, pairing_code=code) as speaker:
        await speaker.say(0)
        await private.finish(await private.job())

        assert (await speaker.result(0))["text_translated"]
