"""A short chaos: every kind of fault once, few peers, the same proof."""

from pathlib import Path

import pytest

from tests.chaos.plan import KINDS, Size
from tests.chaos.run import Chaos
from tests.chaos.table import describe


@pytest.mark.req("RM1", "RM2", "X6", "G5", "R1", "I6", "I-8", "I-23", "SP7")
async def test_nothing_promised_is_broken_in_a_short_chaos(tmp_path: Path) -> None:
    size = Size(nodes=12, speakers=16, rooms=2)
    chaos = Chaos(directory=tmp_path, seed=1, seconds=18, size=size)

    await chaos.run()

    assert {fault.kind for fault in chaos.faults} == set(KINDS)
    assert not chaos.violations, describe(chaos)
    assert chaos.records.samples
    assert chaos.records.words.streams
    assert all(peer.texts for room in chaos.rooms for peer in room.peers)
