"""Small pieces of frames in one process, and what is kept of what has not ended."""

import asyncio

import pytest

from lingua.serving.deadlines import Patience, PeerDeadline, Unfinished
from lingua.serving.frame_pieces import PieceLimits, PieceShares
from tests.waiting import eventually

pytestmark = pytest.mark.req("ED12")


@pytest.fixture
def patience() -> Patience:
    return Patience(head_s=60, stall_s=60, unfinished=Unfinished(1_000), bytes_per_s=1_000)


async def test_all_sockets_of_a_sender_have_one_share_of_small_frames() -> None:
    limits = PieceLimits(socket=(0.01, 10), sender=(0.01, 15))
    first, second, other = (PieceShares(limits) for _ in range(3))
    for one, sender in ((first, "a"), (second, "a"), (other, "b")):
        one.name(sender)

    assert [first.take(5) for _ in range(11)] == [True] * 10 + [False]
    assert [second.take(5) for _ in range(6)] == [True] * 5 + [False]
    assert other.take(5)
    assert second.take(1024), "a piece of some size is no small one"


async def test_who_began_first_is_dropped_when_too_much_is_unfinished(patience: Patience) -> None:
    dropped: list[str] = []
    peers = [PeerDeadline(patience, drop=lambda name=name: dropped.append(name)) for name in "abc"]
    for peer in peers:
        peer.expect_body()

    peers[0].note_bytes(400)
    peers[1].note_bytes(400)
    assert dropped == []
    peers[2].note_bytes(400)
    assert dropped == ["a"]
    peers[1].clear()
    peers[2].note_bytes(600)
    assert dropped == ["a"], "what is whole is kept no longer"
    peers[2].clear()


async def test_what_came_fast_buys_little_patience() -> None:
    patience = Patience(head_s=60, stall_s=0.05, unfinished=Unfinished(10**9), bytes_per_s=1_000)
    dropped = asyncio.Event()
    peer = PeerDeadline(patience, drop=dropped.set)
    peer.expect_body()
    peer.note_bytes(10**6)

    async def is_dropped() -> bool:
        peer.note_bytes(1)
        return dropped.is_set()

    await eventually(is_dropped, within_s=60)
