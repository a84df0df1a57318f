"""Token buckets of this process."""

import pytest

from scheduling.model import clock
from scheduling.model.shares import Shares

pytestmark = pytest.mark.req("ED12")


class Clock:
    """A steady clock that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ms = 1_000.0
        monkeypatch.setattr(clock, "steady_ms", lambda: self.now_ms)


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_name_has_its_burst_then_its_rate(steady: Clock) -> None:
    shares = Shares(per_s=10, burst=3)

    assert [shares.take("one") for _ in range(4)] == [0, 0, 0, 100]
    steady.now_ms += 60
    assert shares.take("one") == 40
    steady.now_ms += 40
    assert [shares.take("one"), shares.take("one")] == [0, 100]
    steady.now_ms += 3_600_000
    assert [shares.take("one") for _ in range(4)] == [0, 0, 0, 100]


@pytest.mark.usefixtures("steady")
def test_one_name_takes_nothing_from_another() -> None:
    shares = Shares(per_s=1, burst=1)
    shares.take("one")

    assert shares.take("one") == 1_000
    assert shares.take("other") == 0


@pytest.mark.usefixtures("steady")
def test_no_more_names_are_remembered_than_may_be() -> None:
    shares = Shares(per_s=1, burst=1, most_names=2)
    for name in ("one", "two", "one", "three"):
        shares.take(name)

    assert shares.take("one") > 0, "used after two"
    assert shares.take("two") == 0, "forgotten"
