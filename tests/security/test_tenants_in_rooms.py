"""A tenant's limits hold for who speaks in a room, and for nobody else there."""

import contextlib
from pathlib import Path

import pytest

from tests.peers.frames import draw_languages
from tests.peers.http import ask
from tests.peers.member import Member
from tests.peers.node import FakeNode
from tests.security.fortress import Fortress, bearer
from tests.waiting import eventually

pytestmark = pytest.mark.req("RM3", "ED13")

# The second tenant is told by its refusals that the rules are in force.
_RULES = """
[[tenants]]
tenant_id = "hall"
max_jobs = 2

[[tenants]]
tenant_id = "canary"
jobs_per_s = 0.001
burst = 1
"""


@pytest.fixture(scope="module")
def fortress(uvicorn_fortress: Fortress) -> Fortress:
    """One server: what a tenant may have is decided behind both kinds."""
    return uvicorn_fortress


async def _limit(fortress: Fortress, directory: Path) -> None:
    """Give tenants their limits; return when those are in force."""
    file = directory / "pools.toml"
    file.write_text(_RULES)
    fortress.manage("pools", "import", str(file))
    token = fortress.issue("api", "canary", "--tenant", "canary")
    src, tgt = draw_languages()
    spoken = {"src_lang": src, "tgt_lang": tgt, "audio": "AQ" * 800}

    async def is_limited() -> bool:
        reply = await ask(fortress.instance.address, "/v1/dispatch/f2f", spoken, token=token)
        return (reply.json.get("details") or {}).get("reason") == "tenant_rate"

    await eventually(is_limited, "the rules are not in force", within_s=60)


async def test_a_room_gives_a_tenants_speaker_no_more_jobs_than_it_may_have(
    fortress: Fortress, tmp_path: Path
) -> None:
    await _limit(fortress, tmp_path)
    spoken, heard = draw_languages()
    other = draw_languages()[1]
    of_hall = bearer(fortress.issue("api", "of hall", "--tenant", "hall"))
    of_nobody = bearer(fortress.issue("api", "a guest"))
    of_nodes = bearer(fortress.issue("node", "of rooms"))
    async with contextlib.AsyncExitStack() as stack:

        async def member(headers: dict[str, str], *, tgt: str) -> Member:
            connected = Member.connect(fortress.url("/ws/session"), headers=headers)
            member = await stack.enter_async_context(connected)
            await member.init((spoken, tgt))
            return member

        async def node(tgt: str) -> FakeNode:
            connected = FakeNode.connect(fortress.url("/ws/node"), headers=of_nodes)
            node = await stack.enter_async_context(connected)
            await node.register((spoken, tgt), max_concurrent_jobs=8)
            await node.make_ready()
            return node

        to_heard, to_other = await node(heard), await node(other)
        ann, bob, cid = (
            await member(of_hall, tgt=heard),
            await member(of_nobody, tgt=heard),
            await member(of_nobody, tgt=other),
        )
        code = await ann.create_room(preferred_lang=spoken)
        await bob.join_room(code)
        await cid.join_room(code)

        # One utterance, two languages: all that the tenant may have under way.
        await ann.say(0)
        jobs = [(each, await each.job()) for each in (to_heard, to_other)]
        await ann.say(1)
        await ann.check_alive()
        # A guest is of no such tenant, and goes on.
        await bob.say(10)
        guests = await to_other.job()
        await to_other.finish(guests, text_translated="the guest's")
        shown = await cid.next("translation_result", session_id=bob.session_id)
        for each, job in jobs:
            await each.finish(job, text_translated="the first")
        firsts = [await each.next("translation_result") for each in (bob, cid)]
        missing = [await each.next("missing_result") for each in (bob, cid)]
        refused = await ann.next("error")
        await ann.say(2)
        for each in (to_heard, to_other):
            await each.finish(await each.job(), text_translated="the third")
        thirds = [await each.next("translation_result") for each in (bob, cid)]

        assert shown["text_translated"] == "the guest's"
        assert [one["text_translated"] for one in firsts] == ["the first"] * 2
        assert [one["reason"] for one in missing] == ["no_available_node"] * 2
        assert refused["code"] == "NO_AVAILABLE_NODE"
        assert refused["details"]["reason"] == "tenant_limit"
        assert [one["text_translated"] for one in thirds] == ["the third"] * 2
        assert len(to_heard.told("job_assign")) == 2, "the second was given to no node"
