"""Nodes are judged by their work, seen from outside; `make test-judged`: at full size."""

import asyncio

import pytest

from tests.e2e.servers import Servers
from tests.e2e.sick_fleet import (
    FULL_SIZE,
    POISON,
    SCALE,
    SESSION,
    Mood,
    call,
    open_fleet,
    read_states,
    say_and_hear,
)
from tests.peers.speaker import Speaker

Pair = tuple[str, str]
_LEARNT = 20
_JOBS = 200 if FULL_SIZE else 120


@pytest.mark.req("ND1", "ND2")
@pytest.mark.parametrize(
    ("mood", "share", "reason"),
    [
        (Mood.FAILS, 0.98, "failed"),
        (Mood.UNREADABLE, 0.95, "unreadable"),
        (Mood.STALLS, 0.95, "stalled"),
    ],
)
async def test_three_sick_nodes_of_eight_soon_get_no_jobs_and_come_back_when_they_are_well(
    servers: Servers, languages: Pair, mood: Mood, share: float, reason: str
) -> None:
    lingua = servers.start("uvicorn", **SCALE.variables)
    async with open_fleet(lingua, languages, good=5, bad=3, mood=mood) as (good, bad):
        ended = await call(lingua, languages, callers=8, jobs=_JOBS)
        async with Speaker.open(lingua.url(SESSION), languages) as speaker:
            index = 0
            while not all(state == "quarantine" for state, _ in read_states(lingua, bad)):
                assert await say_and_hear(speaker, index)
                index += 1

            assert sum(ended[_LEARNT:]) / len(ended[_LEARNT:]) >= share
            assert {why for _, why in read_states(lingua, bad)} == {reason}
            assert {state for state, _ in read_states(lingua, good)} == {"good"}

            for node in bad:
                node.mood = Mood.WELL
            while not all(state == "good" for state, _ in read_states(lingua, bad)):
                assert await say_and_hear(speaker, index)
                index += 1
    lingua.stop()


@pytest.mark.req("ND2")
async def test_an_utterance_that_no_node_can_do_condemns_nobody(
    servers: Servers, languages: Pair
) -> None:
    lingua = servers.start("uvicorn", **SCALE.variables)
    async with open_fleet(lingua, languages, good=5, bad=0, mood=Mood.WELL) as (nodes, _):

        async def poison() -> list[bool]:
            async with Speaker.open(lingua.url(SESSION), languages) as speaker:
                return [await say_and_hear(speaker, index, audio=POISON) for index in range(20)]

        poisoned, ended = await asyncio.gather(
            poison(), call(lingua, languages, callers=4, jobs=60)
        )

        assert not any(poisoned)
        assert all(ended)
        assert {state for state, _ in read_states(lingua, nodes)} == {"good"}
        tried = sum(node.assigned for node in nodes) - len(ended)
        assert tried <= 3 * len(poisoned)
    lingua.stop()


@pytest.mark.req("ND1")
async def test_a_fleet_in_which_every_node_fails_serves_again_once_one_is_well(
    servers: Servers, languages: Pair
) -> None:
    lingua = servers.start("uvicorn", **SCALE.variables)
    async with (
        open_fleet(lingua, languages, good=0, bad=3, mood=Mood.FAILS) as (_, bad),
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        before = [await say_and_hear(speaker, index) for index in range(10)]
        bad[0].mood = Mood.WELL
        after = [await say_and_hear(speaker, index) for index in range(10, 20)]

        assert not any(before)
        assert sum(after) >= len(after) - 1
    lingua.stop()


@pytest.mark.req("ND1")
async def test_a_node_alone_is_not_put_out_by_its_failures(
    servers: Servers, languages: Pair
) -> None:
    lingua = servers.start("uvicorn", **SCALE.variables)
    async with (
        open_fleet(lingua, languages, good=0, bad=1, mood=Mood.FAILS) as (_, (node,)),
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        failed = [await say_and_hear(speaker, index) for index in range(10)]
        node.mood = Mood.WELL

        assert not any(failed)
        assert await say_and_hear(speaker, len(failed))
        assert read_states(lingua, [node]) == [("good", "")]
    lingua.stop()
