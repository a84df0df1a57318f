"""The table of PF1 to PF13 says what was measured, what was not, and what was missed."""

import copy
from typing import Any

import pytest

from bench.second_round import print_second_round


def _document(*rows: tuple[str, dict[str, float]]) -> dict[str, Any]:
    named = [{"name": name, "unit": "", "figures": figures} for name, figures in rows]
    return {"commit": "abc123", "rows": named}


LOOKS = [
    {"jobs": jobs, "server_kb": kb, "redis_kb": 1, "keys": 9}
    | {"session_keys": 0, "timers": 0, "dead_letters": 0}
    for jobs, kb in ((0, 100), (250_000, 120), (600_000, 119), (1_000_000, 130), (1_000_000, 130))
]
KEPT: dict[str, dict[str, Any]] = {
    "latest": _document(
        ("uvicorn: server CPU per job", {"": 300.0, "ratio": 1.7}),
        ("uvicorn: Redis CPU per job", {"ratio": 2.9, "commands a job": 6.02}),
        (
            "uvicorn: 5,000 nodes, a heartbeat each every 15 s",
            {
                "server µs a heartbeat": 149.0,
                "Redis µs": 60.0,
                "server µs beyond silence": 80.0,
                "Redis µs beyond it": 30.0,
            },
        ),
        (
            "uvicorn: p99 of utterance → job_assign ÷ the floor's, one at a time",
            {"": 1.45, "without the history": 1.2},
        ),
        ("uvicorn: the same during a storm of 10 MODEL_NOT_AVAILABLE", {"ratio": 1.2}),
        ("uvicorn: 2 instances on one Redis", {"CPU ÷ one": 1.24, "two floors ÷ one": 1.19}),
        (
            "uvicorn: `serve --workers 2`, one port",
            {
                "": 1_500.0,
                "one instance": 1_600.0,
                "CPU ÷ one": 1.2,
                "share of the lesser worker, %": 45.0,
            },
        ),
        (
            "uvicorn: resident memory at rest, server and writer of the history",
            {"together": 99.0, "server": 60.0, "writer": 39.0},
        ),
    ),
    "speech": _document(
        (
            "server CPU of a chunk that is relayed, one instance",
            {"more than one that is kept": 40.0, "in all": 150.0},
        ),
        ("500 speakers, ten chunks a second each, one instance", {"server": 59.9}),
    ),
    "memory": {
        "commit": "abc123",
        "looks": LOOKS,
        "server_kb_per_1000": 9.0,
        "writer_kb_per_1000": 1.0,
        "redis_kb_per_1000": -5.0,
    },
    "peers": {
        "commit": "abc123",
        "ratios": [{"ratio": ratio, "commit": "def456"} for ratio in (0.7, 0.8, 0.75)],
    },
}
MEASURED = (*(f"PF{number}" for number in range(1, 10)), "PF12", "PF13")


def _read(results: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Return the cells of each line by its id."""
    lines = print_second_round(results).splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {line[0]: line[1:] for line in cells}


def test_each_requirement_has_its_line() -> None:
    assert list(_read({})) == [f"PF{number}" for number in (*range(1, 12), 12, 13)]


def test_what_was_not_measured_is_neither_kept_nor_missed() -> None:
    lines = _read({})
    for name in MEASURED:
        _, figure, _, verdict, commit = lines[name]
        assert (figure, verdict, commit) == ("not measured yet", "", "")


def test_what_keeps_its_bound_is_said_to_and_on_which_commit() -> None:
    lines = _read(KEPT)
    assert {name: lines[name][3] for name in MEASURED} == dict.fromkeys(MEASURED, "kept")
    assert {lines[name][4] for name in MEASURED if name != "PF12"} == {"`abc123`"}
    assert lines["PF12"][4] == "`def456`"
    assert lines["PF3"][1] == "149 µs; 60 µs (beyond what as many silent nodes cost: 80; 30)"


@pytest.mark.parametrize("name", ["PF10", "PF11"])
def test_what_is_no_time_of_a_bench_names_where_it_is_known(name: str) -> None:
    _, figure, _, verdict, commit = _read(KEPT)[name]
    assert figure.endswith((")", "them"))
    assert verdict == commit == ""


@pytest.mark.parametrize(
    ("name", "source", "row", "figure", "value"),
    [
        ("PF1", "latest", "server CPU per job", "ratio", 1.81),
        ("PF2", "latest", "Redis CPU per job", "ratio", 3.1),
        ("PF2", "latest", "Redis CPU per job", "commands a job", 6.9),
        ("PF3", "latest", "a heartbeat each", "server µs a heartbeat", 151.0),
        ("PF3", "latest", "a heartbeat each", "Redis µs", 61.0),
        ("PF4", "latest", "p99 of utterance", "", 1.6),
        ("PF5", "latest", "during a storm", "ratio", 1.3),
        ("PF6", "latest", "2 instances", "CPU ÷ one", 1.26),
        ("PF7", "speech", "a chunk that is relayed", "more than one that is kept", 41.0),
        ("PF7", "speech", "500 speakers", "server", 60.0),
        ("PF9", "latest", "serve --workers 2", "share of the lesser worker, %", 10.0),
        ("PF13", "latest", "at rest", "together", 101.0),
    ],
)
def test_what_is_over_its_bound_is_missed(
    name: str, source: str, row: str, figure: str, value: float
) -> None:
    results = copy.deepcopy(KEPT)
    (found,) = [one for one in results[source]["rows"] if row in one["name"]]
    found["figures"][figure] = value
    lines = _read(results)
    assert lines[name][3] == "**missed**"
    assert [other for other, cells in lines.items() if cells[3] == "**missed**"] == [name]


def test_memory_that_grows_anywhere_is_missed() -> None:
    results = copy.deepcopy(KEPT)
    results["memory"]["writer_kb_per_1000"] = 11.0
    assert _read(results)["PF8"][3] == "**missed**"


def test_a_server_that_grows_is_missed_unless_it_falls_back_over_a_million_jobs() -> None:
    results = copy.deepcopy(KEPT)
    results["memory"]["server_kb_per_1000"] = 11.0
    assert _read(results)["PF8"][3] == "kept"

    results["memory"]["looks"][2]["server_kb"] = 121
    assert _read(results)["PF8"][3] == "**missed**"


@pytest.mark.parametrize(
    ("ratios", "verdict"), [((0.7, 0.81, 0.7), "**missed**"), ((0.7, 0.7), ""), ((0.9,), "")]
)
def test_the_lead_over_peers_is_that_of_every_one_of_three_runs(
    ratios: tuple[float, ...], verdict: str
) -> None:
    runs = [{"ratio": ratio, "commit": "def456"} for ratio in ratios]
    assert _read({**KEPT, "peers": {"ratios": runs}})["PF12"][3] == verdict


def test_rows_of_an_older_run_without_the_new_figures_are_not_measured() -> None:
    older = _document(("uvicorn: 2 instances on one Redis", {"CPU ÷ one": 1.33}))
    lines = _read({"latest": older})
    assert lines["PF6"][1] == lines["PF2"][1] == "not measured yet"
