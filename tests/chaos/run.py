"""`make chaos`: do a seed's faults to three instances under load, then prove what was promised."""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import redis

from tests.chaos import plan
from tests.chaos.checker import Spans, Violation, check
from tests.chaos.leftovers import LeaseWatch, describe_job, find_leftovers
from tests.chaos.peers import ChaosNode, ChaosPeer, ChaosSpeaker
from tests.chaos.plan import Fault, Size, draw_plan
from tests.chaos.records import Records
from tests.chaos.rooms import ChaosRoom
from tests.chaos.scene import ACK_S, PREFIX, RUN_S, Scene
from tests.chaos.streaming_speakers import StreamingSpeaker
from tests.chaos.table import describe
from tests.waiting import eventually, wait_until

_ROOT = f"{PREFIX}:v2:"
_LONGEST_PAUSE_S = 4.0
_SETTLED_WITHIN_S = 60.0
_CLEAN_WITHIN_S = 30.0
_LONGEST_END_S = 300.0
_PROGRESS_EVERY_S = 5.0
_JOINING_AT_ONCE = 10
SPANS = Spans(ack_s=ACK_S, run_s=RUN_S, told_late_s=_LONGEST_PAUSE_S + 2.0)


class Chaos:
    """One run: its peers, its scene, and what they leave behind."""

    def __init__(self, *, directory: Path, seed: int, seconds: float, size: Size) -> None:
        self.seed = seed
        self.seconds = seconds
        self.records = Records()
        self.scene = Scene(directory=directory, instances=size.instances)
        common = {"records": self.records, "pick_url": self.scene.pick_url, "seed": seed}
        self.nodes = [ChaosNode(number, **common) for number in range(size.nodes)]
        # As many utterances a second as keep about one slot in two busy.
        slots = sum(node.slots for node in self.nodes)
        pause_s = size.speakers * 1.75 / max(1.0, slots * 0.3 / 1.2)
        # Who streams holds a slot for as long as a sentence is spoken.
        self.speakers = [
            (StreamingSpeaker if size.streams and number % 2 else ChaosSpeaker)(
                number, mean_pause_s=pause_s, **common
            )
            for number in range(size.speakers)
        ]
        self.rooms = [ChaosRoom(number, **common) for number in range(size.rooms)]
        self._in_rooms = [peer for room in self.rooms for peer in room.peers]
        self.faults = draw_plan(seed=seed, seconds=seconds, size=size)
        self.violations: list[Violation] = []
        self._begun_s = 0.0
        self._unanswered: list[tuple[str, int]] = []

    async def run(self) -> None:
        """Do everything; `violations` holds what was broken."""
        watch = LeaseWatch(url=self.scene.redis.url, root=_ROOT, records=self.records)
        try:
            await self.scene.start()
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(watch.run(self._list_nodes))
                talking = group.create_task(self._report())
                await self._join(group, self.nodes)
                await self._join(group, self.speakers)
                await self._join(group, self._in_rooms)
                await asyncio.gather(*(room.is_open.wait() for room in self.rooms))
                self._begun_s = time.monotonic()
                await self._do_faults()
                await self._settle()
                await asyncio.gather(*(room.settle() for room in self.rooms))
                for peer in (*self.speakers, *self._in_rooms, *self.nodes):
                    await peer.leave()
                watching.cancel()
                talking.cancel()
            await asyncio.to_thread(self._look_at_redis)
        finally:
            await asyncio.to_thread(self.scene.end)
        self.violations += check(self.records, spans=SPANS)
        self.violations += [each for room in self.rooms for each in room.violations]
        self.violations += [
            Violation(promise="no fault in a log", what=f"{count} times {text}")
            for text, count in Counter(self.scene.tracebacks).items()
        ]

    async def _join(self, group: asyncio.TaskGroup, peers: Sequence[ChaosPeer]) -> None:
        for number, peer in enumerate(peers):
            group.create_task(peer.live())
            if number % _JOINING_AT_ONCE == 0:
                await asyncio.sleep(0.05)

    def _list_nodes(self) -> dict[int, str]:
        return {node.number: node.node_id for node in self.nodes if node.node_id}

    async def _do_faults(self) -> None:
        """Do the plan's faults at their moments; return when the last one is undone."""
        async with asyncio.TaskGroup() as group:
            for fault in self.faults:
                await asyncio.sleep(max(0.0, self._begun_s + fault.at_s - time.monotonic()))
                if fault.kind in {plan.DROP_NODES, plan.DROP_SPEAKERS}:
                    self._drop(fault)
                else:
                    group.create_task(self.scene.do(fault))
            await asyncio.sleep(max(0.0, self._begun_s + self.seconds - time.monotonic()))
            for speaker in self.speakers:
                speaker.speaks = False

    def _drop(self, fault: Fault) -> None:
        self.scene.done[fault.kind] += 1
        peers: list[ChaosPeer] = [*(self.nodes if fault.kind == plan.DROP_NODES else self.speakers)]
        for position in fault.targets:
            peers[position].drop(away_s=fault.lasts_s)
        if fault.kind == plan.DROP_SPEAKERS:
            for peer in self._in_rooms[fault.targets[0] % 2 :: 2]:
                peer.drop(away_s=fault.lasts_s)

    async def _settle(self) -> None:
        """Wait until every utterance has its answer, or will have none."""
        with contextlib.suppress(AssertionError):
            await eventually(
                lambda: not any(speaker.open for speaker in self.speakers),
                within_s=_SETTLED_WITHIN_S,
            )
        self._unanswered = [
            (speaker.session_id, index) for speaker in self.speakers for index in speaker.open
        ]

    def _look_at_redis(self) -> None:
        """Wait until nothing is left that nobody owns; what stays is a violation."""
        with redis.Redis.from_url(self.scene.redis.url, decode_responses=True) as client:
            for session_id, index in self._unanswered:
                _say(describe_job(client, root=_ROOT, session_id=session_id, index=index))
            found: list[Violation] = []

            def is_clean() -> bool:
                found[:] = find_leftovers(client, root=_ROOT)
                return not found

            with contextlib.suppress(AssertionError):
                wait_until(is_clean, within_s=_CLEAN_WITHIN_S)
            self.violations += found

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_EVERY_S)
            passed_s = time.monotonic() - self._begun_s if self._begun_s else 0.0
            done = sum(self.scene.done.values())
            waiting = sum(len(speaker.open) for speaker in self.speakers)
            _say(
                f"{passed_s:4.0f} s  {done}/{len(self.faults)} faults,"
                f" {len(self.scene.addresses)} instances, {len(self.records.speakers)} events"
                f" of speakers, {waiting} utterances open"
            )


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


async def _run_bounded(chaos: Chaos) -> None:
    """Run, and leave nothing behind, however it ends: by itself, told to, or after too long."""
    running = asyncio.ensure_future(chaos.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    async with asyncio.timeout(chaos.seconds + _LONGEST_END_S):
        await running


def main() -> int:
    """Run as the options or the environment say; return the exit code."""
    named = os.environ
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="CHAOS_SECONDS, CHAOS_SEED and so on set the same."
    )
    parser.add_argument("--seconds", type=float, default=named.get("CHAOS_SECONDS", "120"))
    parser.add_argument(
        "--seed",
        type=int,
        default=named.get("CHAOS_SEED") or random.SystemRandom().randrange(10_000),
        help="the same seed plans the same faults",
    )
    parser.add_argument("--nodes", type=int, default=named.get("CHAOS_NODES", "100"))
    parser.add_argument("--speakers", type=int, default=named.get("CHAOS_SPEAKERS", "200"))
    parser.add_argument("--rooms", type=int, default=named.get("CHAOS_ROOMS", "4"))
    options = parser.parse_args()
    seconds, seed = options.seconds, options.seed
    size = Size(nodes=options.nodes, speakers=options.speakers, rooms=options.rooms)
    _say(f"chaos for {seconds:g} s with CHAOS_SEED={seed}")
    with tempfile.TemporaryDirectory(prefix="lingua-chaos-") as directory:
        chaos = Chaos(directory=Path(directory), seed=seed, seconds=seconds, size=size)
        asyncio.run(_run_bounded(chaos))
    sys.stdout.write(describe(chaos))
    return 1 if chaos.violations else 0


if __name__ == "__main__":
    sys.exit(main())
