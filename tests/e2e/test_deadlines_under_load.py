"""A busy fleet with a node too slow for everybody: nothing comes late, or without a name (ND5)."""

import asyncio
import contextlib
import time

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.e2e.sick_fleet import NODE, SESSION, MoodyNode
from tests.peers.frames import Frame
from tests.peers.speaker import Speaker
from tests.waiting import stretch

Pair = tuple[str, str]
_DEADLINE_MS = 2_000
# Three nodes with two slots do 20 jobs a second; a fourth does none within the deadline.
_SERVICE_S, _SLOW_S = 0.3, 30.0
_JOBS_A_S, _JOBS, _SPEAKERS = 18, 72, 6


async def _speak(speaker: Speaker, number: int) -> list[Frame]:
    """Say one utterance after the other, whatever became of those before; return all answers."""
    share = _JOBS // _SPEAKERS
    began = time.monotonic() + number / _JOBS_A_S
    for index in range(share):
        await asyncio.sleep(began + index * _SPEAKERS / _JOBS_A_S - time.monotonic())
        await speaker.say(index, deadline_ms=_DEADLINE_MS)
    return [
        await speaker.find(
            lambda frame, index=index: (
                frame["type"] in {"translation_result", "missing_result"}
                and frame["utterance_index"] == index
            )
        )
        for index in range(share)
    ]


def _find_deadlines(lingua: Lingua, speaker: Speaker) -> dict[int, int]:
    """Return when each utterance was to be answered; of those refused at once there is no job."""
    jobs = lingua.dump(f"{{session:{speaker.session_id}}}:job:*").values()
    return {
        int(job["utterance_index"]): int(job["answer_by_ms"])
        for job in jobs
        if isinstance(job, dict)
    }


@pytest.mark.req("ND5")
@pytest.mark.alone("it asks for nearly all that its nodes can do, and measures time")
async def test_no_result_is_later_than_its_deadline_and_each_refusal_has_its_name(
    servers: Servers, languages: Pair
) -> None:
    # The share of new nodes is another matter, and takes ten seconds.
    lingua = servers.start("uvicorn", LINGUA_NODE_SLOW_START_S="0")
    async with contextlib.AsyncExitStack() as stack:
        for number in range(4):
            node = await stack.enter_async_context(MoodyNode.connect(lingua.url(NODE)))
            node.service_s = _SERVICE_S if number else _SLOW_S
            await node.register(languages)
        speakers = [
            await stack.enter_async_context(Speaker.open(lingua.url(SESSION), languages))
            for _ in range(_SPEAKERS)
        ]
        told = await asyncio.gather(
            *(_speak(speaker, number) for number, speaker in enumerate(speakers))
        )
        late_results, late_refusals, refusals = [], [], []
        # A busy machine holds up the server itself for longer than its margin.
        held_up_ms = 100 * (stretch(1) - 1)
        for speaker, answers in zip(speakers, told, strict=True):
            deadlines = _find_deadlines(lingua, speaker)
            for answer in answers:
                by_ms = deadlines.get(answer["utterance_index"], 0)
                if answer["type"] == "translation_result":
                    late_results += [answer] if answer["scheduler_sent_at_ms"] > by_ms else []
                    continue
                refusals.append(answer)
                is_late = by_ms and answer["created_at_ms"] > by_ms + held_up_ms
                late_refusals += [answer] if is_late else []
        assert sum(map(len, told)) == _JOBS
        assert not late_results
        assert {answer["reason"] for answer in refusals} == {"deadline_exceeded"}
        assert len(late_refusals) <= 1, late_refusals
        # The slow node is found out: its two slots do not take every fourth job.
        assert len(refusals) <= stretch(_JOBS // 4), len(refusals)
    lingua.stop()
