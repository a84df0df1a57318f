"""The pages about speed and capacity: their figures come from results, never from hands."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.capacity import Fleet, print_costs, print_example
from bench.examples import build, list_members, read_tag
from bench.figures import Row, merge_runs, print_table
from bench.verdicts import judge_parts
from nodes.messages import FromNode, ToNode
from sessions_app.messages import FromSpeaker, ToSpeaker

ROOT = Path(__file__).parents[2]
ROWS = [
    Row(name="uvicorn: server CPU per job", unit="µs", figures={"": 300.0, "Redis": 120.0}),
    Row(
        name="uvicorn: 10 nodes, a heartbeat each every 15 s",
        unit="",
        figures={"server µs a heartbeat": 300.0, "Redis µs": 60.0},
    ),
    Row(
        name="uvicorn: memory of an idle session, 5 open",
        unit="KB",
        figures={"server": 30.0, "Redis": 1.0},
    ),
]


@pytest.mark.req("X7")
def test_the_pages_are_as_the_results_are():
    command = [sys.executable, "-m", "bench.report", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("what", "most_us"),
    [
        pytest.param("reserve, one writer", 1_000, marks=pytest.mark.req("R10")),
        pytest.param("reserve at 3,000 jobs a second", 5_000, marks=pytest.mark.req("R10")),
        pytest.param("write on one instance", 10_000, marks=pytest.mark.req("I12")),
    ],
)
def test_the_run_on_record_keeps_its_bound(what: str, most_us: int):
    rows = json.loads((ROOT / "bench" / "results" / "latest.json").read_text())["rows"]
    (row,) = [row for row in rows if row["name"].startswith(what)]
    assert row["unit"] == "µs"
    assert row["figures"]["p99"] < most_us


@pytest.mark.req("X9", "I-69")
@pytest.mark.parametrize("program", ["bench.compare", "bench.run", "bench.floor", "bench.soak"])
def test_each_program_that_measures_can_be_started(program: str):
    done = subprocess.run(
        [sys.executable, "-m", program, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


def test_a_block_is_replaced_and_the_words_around_it_stay():
    page = "before\n<!-- bench:table -->\nold\n<!-- end -->\nafter\n"
    once = report.fill(page, {"table": "new"})
    assert once == "before\n<!-- bench:table -->\n\nnew\n\n<!-- end -->\nafter\n"
    assert report.fill(once, {"table": "new"}) == once


def test_a_page_that_names_no_block_of_ours_is_refused():
    with pytest.raises(KeyError):
        report.fill("<!-- bench:speed -->\n<!-- end -->", {"table": "new"})


def test_the_example_adds_up():
    text = print_example(ROWS, Fleet(nodes=15_000, sessions=1_000, jobs_per_s=1_000))
    assert "0.30 cores of instances" in text
    assert "**1 instances**" in text
    assert "0.18 cores of Redis" in text
    assert "3,333 a second" in print_costs(ROWS)


def test_what_was_not_measured_is_said_to_be_missing():
    assert "not in this run" in print_example([])
    assert "not in this run" in print_costs([])


def test_medians_are_taken_row_by_row():
    runs = [[dataclasses.replace(ROWS[0], figures={"": value})] for value in (1.0, 9.0, 2.0)]
    assert merge_runs(runs)[0].figures == {"": 2.0}


def test_a_missed_bound_is_told_in_the_table():
    names = ("choose a node from 1,000", "choose a node from 10,000", "reserve, one writer")
    figures = ({"p50": 10.0, "p99": 50.0}, {"p50": 30.0, "p99": 90.0}, {"p50": 1.0, "p99": 2_000.0})
    rows = [
        Row(name=name, unit="µs", figures=found) for name, found in zip(names, figures, strict=True)
    ]
    judged = judge_parts(rows)
    assert [row.met for row in judged] == [True, True, False, False]
    assert print_table(judged).count("**missed**") == 2


@pytest.mark.parametrize("union", [FromNode, FromSpeaker, ToNode, ToSpeaker])
def test_there_is_an_example_of_every_message(union):
    built = [build(kind) for kind in list_members(union)]
    assert [type(message) for message in built] == list_members(union)
    assert all(read_tag(kind) for kind in list_members(union))


_DOCUMENT: dict[str, Any] = {
    "commit": "abc123",
    "when": "2026-01-01T00:00:00Z",
    "machine": {"cores": 2, "processor": "p", "system": "s", "python": "3", "packages": {}},
    "load_average": {"before": 0.1, "after": 0.2},
    "took_s": 1,
}


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ({"others": {"before": 0.01, "during": 0.01}}, "The machine was quiet"),
        (
            {"others": {"before": 0.01, "during": 0.3}},
            "**The machine was not quiet: others used 30%",
        ),
        ({}, "0.2 after."),
    ],
)
def test_the_page_says_whether_the_machine_was_quiet(others: dict[str, Any], told: str):
    assert told in report.print_run({**_DOCUMENT, **others})
