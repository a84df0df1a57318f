"""Results leave a session at once and in order, and not before an utterance given up has ended."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sessions_app.ordered_sender import OrderedSender
from sessions_app.reorder_buffer import Missing, MissingReason, ReadyResult

_DEADLINE_S = 60.0


def leaving(index: int) -> ReadyResult[str]:
    return ReadyResult(utterance_index=index, job_id=f"job-{index}", item=f"result {index}")


def missing(index: int) -> Missing:
    return Missing(
        utterance_index=index, job_ids=(f"job-{index}",), reason=MissingReason.GAP_TIMEOUT
    )


class Session:
    """Keeps what leaves; an utterance that is given up waits until the test lets it end."""

    def __init__(self) -> None:
        self.left: list[str] = []
        self.begun: asyncio.Queue[int] = asyncio.Queue()
        self._may_end: asyncio.Queue[Exception | None] = asyncio.Queue()
        self.ordered_sender = OrderedSender[str](tell=self._tell, give_up=self._give_up)

    def end_one(self, fault: Exception | None = None) -> None:
        self._may_end.put_nowait(fault)

    async def until_begun(self) -> int:
        """Wait until an utterance is being given up; return which."""
        async with asyncio.timeout(_DEADLINE_S):
            return await self.begun.get()

    async def until_left(self, count: int) -> list[str]:
        async with asyncio.timeout(_DEADLINE_S):
            while len(self.left) < count:  # noqa: ASYNC110 - a turn of the loop
                await asyncio.sleep(0)
        return self.left

    def _tell(self, result: ReadyResult[str]) -> None:
        self.left.append(result.item)

    async def _give_up(self, result: Missing) -> None:
        self.begun.put_nowait(result.utterance_index)
        if (fault := await self._may_end.get()) is not None:
            raise fault
        self.left.append(f"missing {result.utterance_index}")


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    session = Session()
    yield session
    assert session.begun.empty(), "given up, and nobody asked for that"


@pytest.mark.req("J13")
async def test_results_leave_at_once_and_in_order(session: Session) -> None:
    session.ordered_sender.send([leaving(0), leaving(1)])
    session.ordered_sender.send([leaving(2)])

    assert session.left == ["result 0", "result 1", "result 2"]


@pytest.mark.req("J13", "J19")
async def test_what_is_behind_a_given_up_utterance_waits_until_that_has_ended(
    session: Session,
) -> None:
    session.ordered_sender.send([leaving(0), missing(1), leaving(2)])
    assert await session.until_begun() == 1
    session.ordered_sender.send([leaving(3)])

    assert session.left == ["result 0"]
    session.end_one()

    assert await session.until_left(4) == ["result 0", "missing 1", "result 2", "result 3"]


@pytest.mark.req("J13", "J19")
async def test_utterances_are_given_up_one_after_the_other(session: Session) -> None:
    session.ordered_sender.send([missing(0), missing(1), leaving(2)])
    assert await session.until_begun() == 0
    assert session.begun.empty()
    session.end_one()
    assert await session.until_begun() == 1
    assert session.left == ["missing 0"]
    session.end_one()

    assert await session.until_left(3) == ["missing 0", "missing 1", "result 2"]


@pytest.mark.req("J19")
async def test_a_fault_while_giving_up_is_logged_and_holds_up_nobody(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    session.ordered_sender.send([missing(0), leaving(1)])
    await session.until_begun()
    session.end_one(ValueError("planted"))

    assert await session.until_left(1) == ["result 1"]
    async with asyncio.timeout(_DEADLINE_S):
        while not caplog.records:  # noqa: ASYNC110 - a turn of the loop
            await asyncio.sleep(0)
    assert [record.getMessage() for record in caplog.records] == ["giving up failed"]
