"""A node does not lose its standing by another id: it follows the credential (ND1)."""

from typing import Any

import pytest

from tests.peers.frames import draw_languages
from tests.peers.http import ask
from tests.peers.node import FakeNode
from tests.security.fortress import Fortress, bearer
from tests.waiting import eventually

pytestmark = pytest.mark.req("ND1")

# The probe that ships is for nodes of English.
ENGLISH = ("en", "de")


@pytest.fixture(scope="module")
def fortress(uvicorn_fortress: Fortress) -> Fortress:
    """One server: what a credential is stands behind both kinds, before their differences."""
    return uvicorn_fortress


async def _ask(fortress: Fortress, path: str, method: str = "GET") -> Any:
    token = fortress.issue("api", "operator", "--scope", "read", "--scope", "operate")
    message = None if method == "GET" else {}
    reply = await ask(fortress.instance.address, path, message, method=method, token=token)
    assert reply.status == 200, reply
    return reply.json


async def _find_state(fortress: Fortress, node: FakeNode) -> str:
    standing = (await _ask(fortress, f"/api/v1/nodes/{node.node_id}"))["standing"]
    return str(standing["state"])


async def _quarantine(fortress: Fortress, node: FakeNode) -> None:
    await _ask(fortress, f"/api/v1/nodes/{node.node_id}/quarantine", "POST")


def _connect(fortress: Fortress, name: str) -> Any:
    shown = bearer(fortress.issue("node", name))
    return FakeNode.connect(fortress.url("/ws/node"), headers=shown)


async def test_a_node_that_comes_back_under_another_id_is_in_quarantine_still(
    fortress: Fortress,
) -> None:
    pair = draw_languages()
    async with _connect(fortress, "leaves") as node:
        await node.register(pair)
        await _quarantine(fortress, node)
    await eventually(lambda: _is_away(fortress, node), "it is connected")
    async with _connect(fortress, "leaves") as again, _connect(fortress, "another") as other:
        await again.register(pair)
        await other.register(pair)

        assert again.node_id != node.node_id
        assert await _find_state(fortress, again) == "quarantine"
        assert await _find_state(fortress, other) == "good"


async def _is_away(fortress: Fortress, node: FakeNode) -> bool:
    told = await _ask(fortress, f"/api/v1/nodes/{node.node_id}")
    return not told["online"]


async def test_so_is_one_that_takes_another_id_on_its_socket(fortress: Fortress) -> None:
    pair = draw_languages()
    async with _connect(fortress, "stays") as node:
        await node.register(pair)
        await _quarantine(fortress, node)
        await node.register(pair, node_id=f"{node.node_id}-b")

        assert await _find_state(fortress, node) in ("probation", "quarantine")


async def test_one_that_joins_beside_one_in_quarantine_begins_on_probation(
    fortress: Fortress,
) -> None:
    pair = draw_languages()
    async with _connect(fortress, "several") as node, _connect(fortress, "several") as next_to_it:
        await node.register(pair)
        await _quarantine(fortress, node)
        await next_to_it.register(pair)

        assert await _find_state(fortress, next_to_it) == "probation"


@pytest.mark.req("ND10")
async def test_a_node_that_a_probe_proved_is_not_untried_under_its_next_id(
    fortress: Fortress,
) -> None:
    async with _connect(fortress, "proved") as node:
        await node.register(ENGLISH)
        assert await _find_state(fortress, node) == "probation"
        await node.make_ready()
        asked = await node.next("job_assign")
        await node.ack(asked)
        await node.finish(asked, text_asr="go forward ten metres")
        await eventually(lambda: _is_good(fortress, node), "it was not proved")
    await eventually(lambda: _is_away(fortress, node), "it is connected")
    async with _connect(fortress, "proved") as again, _connect(fortress, "proved") as next_to_it:
        await again.register(ENGLISH)
        await next_to_it.register(ENGLISH)

        assert again.node_id != node.node_id
        assert await _find_state(fortress, again) == "good"
        assert await _find_state(fortress, next_to_it) == "probation"


async def _is_good(fortress: Fortress, node: FakeNode) -> bool:
    return await _find_state(fortress, node) == "good"


@pytest.mark.req("ND10")
async def test_a_node_does_not_get_more_jobs_untried_by_another_id(fortress: Fortress) -> None:
    async with _connect(fortress, "untried") as node:
        await node.register(ENGLISH)
    await eventually(lambda: _is_away(fortress, node), "it is connected")
    async with _connect(fortress, "untried") as again:
        await again.register(ENGLISH)
        told = (await _ask(fortress, f"/api/v1/nodes/{again.node_id}"))["standing"]

        assert (told["state"], told["reason"]) == ("probation", "untried")
