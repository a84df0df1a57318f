"""What a soak calls flat, and how it shows what it saw."""

import dataclasses

import pytest

from bench.soak import Look, is_bounded, is_flat, judge, print_looks

FLAT = [
    Look(
        jobs=jobs,
        server_kb=100_000,
        writer_kb=60_000,
        redis_kb=10_000,
        keys=5_000,
        session_keys=4_000,
        timers=300,
        dead_letters=0,
    )
    for jobs in range(0, 50_000, 10_000)
]
END = dataclasses.replace(
    FLAT[-1], redis_kb=9_000, keys=80, session_keys=0, timers=0, endless_keys=22
)


@pytest.mark.req("X8")
def test_what_stays_the_same_is_flat() -> None:
    assert is_flat(judge([*FLAT, END]))


@pytest.mark.req("X8")
@pytest.mark.parametrize(
    "leak",
    [
        {"redis_kb": 10_400.0},
        {"server_kb": 104_000.0},
        {"session_keys": 1},
        {"endless_keys": 31},
        {"timers": 1},
        {"dead_letters": 1},
    ],
    ids=str,
)
def test_what_is_left_of_jobs_is_not(leak: dict[str, float]) -> None:
    assert not is_flat(judge([*FLAT, dataclasses.replace(END, **leak)]))


@pytest.mark.req("X8")
@pytest.mark.parametrize("grown", [{"server_kb": 100_400}, {"writer_kb": 60_400}], ids=str)
def test_a_server_that_grows_with_the_jobs_is_not(grown: dict[str, float]) -> None:
    last = dataclasses.replace(FLAT[-1], **grown)
    assert not is_flat(judge([*FLAT[:-1], last, END]))


@pytest.mark.req("PF8")
@pytest.mark.parametrize(
    ("server_kb", "bounded"),
    [
        ([100, 120, 125, 130, 119, 131, 131], True),
        ([100, 120, 125, 130, 135, 140, 145], False),
        ([100, 120, 120, 120, 120, 120, 120], False),
    ],
    ids=["falls back", "only rises", "never falls"],
)
def test_memory_that_falls_back_has_an_end(server_kb: list[float], *, bounded: bool) -> None:
    looks = [
        dataclasses.replace(FLAT[0], jobs=200_000 * number, server_kb=kb)
        for number, kb in enumerate(server_kb)
    ]

    assert is_bounded([*looks, looks[-1]]) is bounded


@pytest.mark.req("PF8")
def test_fewer_than_a_million_jobs_show_no_end() -> None:
    looks = [
        dataclasses.replace(FLAT[0], jobs=1_000 * number, server_kb=kb)
        for number, kb in enumerate([100, 120, 125, 130, 119, 131])
    ]

    assert not is_bounded([*looks, looks[-1]])


def test_looks_are_a_table_of_one_line_each() -> None:
    first, *_, last = print_looks([*FLAT, END]).splitlines()

    assert first.startswith("| Jobs ")
    assert last == "| 40,000 | 100,000 | 60,000 | 9,000 | 80 | 0 | 0 | 0 |"
