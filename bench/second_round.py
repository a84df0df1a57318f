"""The table of PF1 to PF13: what was measured of each, its bound, and whether it was kept.

Built from what the benches wrote, each line from one of their files; what is no time of a bench
names where it is known.
"""

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench import verdicts
from bench.figures import Row, shorten
from bench.soak import Look, is_bounded

_UNKNOWN = "not measured yet"
_BY_TEST = "`tests/scheduling/test_round_trips.py` counts them"
_BY_HAND = "no time of a bench: its row in [requirements.md](requirements.md)"
_HEAD = "| Id | What | Figure | Bound | Verdict | Measured on |"

Document = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """What is known of one requirement; `met` is None where it was not measured.

    `commit` is what it was measured on, where that is not what its file names.
    """

    figure: str = _UNKNOWN
    met: bool | None = None
    commit: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Line:
    id: str
    what: str
    bound: str
    source: str
    find: Callable[[Document], Finding]


def print_second_round(results: Mapping[str, Document]) -> str:
    """Return the table; `results` are the benches' documents by name, empty where there is none."""
    lines = [_HEAD, "|---|---|---|---|---|---|"]
    for line in _LINES:
        document = results.get(line.source, {})
        finding = line.find(document)
        verdict = "" if finding.met is None else "kept" if finding.met else "**missed**"
        named = finding.commit or document.get("commit", "")
        commit = f"`{named}`" if named and finding.figure != _UNKNOWN else ""
        cells = (line.id, line.what, finding.figure, line.bound, verdict, commit)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _read(document: Document, part: str) -> Mapping[str, float]:
    """Return the figures of the first row whose name holds `part`; none where there is none."""
    rows = (Row(**row) for row in document.get("rows", []))
    return next((row.figures for row in rows if part in row.name), {})


def _find_all(
    part: str, bounds: Mapping[str, float], tell: str, *, beside: Sequence[str] = ()
) -> Callable[[Document], Finding]:
    """Return what looks a row up: each figure of `bounds` is at most that, `tell` names them."""

    def find(document: Document) -> Finding:
        figures = _read(document, part)
        names = (*bounds, *beside)
        if not all(name in figures for name in names):
            return Finding()
        return Finding(
            figure=tell.format(*(shorten(figures[name]) for name in names)),
            met=all(figures[name] <= most for name, most in bounds.items()),
        )

    return find


def _find_instances(document: Document) -> Finding:
    figures = _read(document, "2 instances on one Redis")
    if "two floors ÷ one" not in figures:
        return Finding()
    ours, floors = figures["CPU ÷ one"], figures["two floors ÷ one"]
    return Finding(
        figure=f"{shorten(ours)} beside {shorten(floors)}",
        met=ours <= floors * verdicts.SECOND_INSTANCE,
    )


def _find_chunks(document: Document) -> Finding:
    chunk = _read(document, "a chunk that is relayed")
    core = _read(document, "500 speakers, ten chunks").get("server")
    if not chunk or core is None:
        return Finding()
    extra, in_all = chunk["more than one that is kept"], chunk["in all"]
    return Finding(
        figure=f"{shorten(extra)} µs more than one that is kept ({shorten(in_all)} in all); "
        f"{shorten(core)} % of a core",
        met=extra <= verdicts.CHUNK_US and core < verdicts.CHUNKS_CORE_PERCENT,
    )


def _find_memory(document: Document) -> Finding:
    if not document:
        return Finding()
    grew = {whose: document[f"{whose}_kb_per_1000"] for whose in ("server", "writer", "redis")}
    told = ", ".join(f"{whose} {shorten(kb)}" for whose, kb in grew.items())
    looks = [Look(**look) for look in document["looks"]]
    bounded = is_bounded(looks)
    most_mb = max(look.server_kb for look in looks) / 1_024
    more = f"; the server rises and falls below {most_mb:.0f} MB" if bounded else ""
    return Finding(
        figure=f"{told} KB over {looks[-1].jobs:,} jobs{more}",
        met=all(
            kb <= verdicts.GROWTH_KB or (bounded and whose == "server")
            for whose, kb in grew.items()
        ),
    )


def _find_workers(document: Document) -> Finding:
    figures = _read(document, "serve --workers 2")
    if not figures:
        return Finding()
    share = figures["share of the lesser worker, %"]
    return Finding(
        figure=f"{shorten(figures[''])} cycles/s where one instance has "
        f"{shorten(figures['one instance'])}, CPU a job ÷ one {shorten(figures['CPU ÷ one'])}; "
        f"the lesser worker does {shorten(share)} %",
        met=share >= verdicts.WORKER_SHARE * 100,
    )


def _find_peers(document: Document) -> Finding:
    ratios = [run["ratio"] for run in document.get("ratios", [])]
    if not ratios:
        return Finding()
    told = ", ".join(shorten(ratio) for ratio in ratios)
    commit = document["ratios"][-1]["commit"]
    enough = len(ratios) >= verdicts.PEER_RUNS
    return Finding(
        figure=f"{shorten(statistics.median(ratios))} (runs: {told})",
        met=max(ratios) <= verdicts.PEER_RATIO if enough else None,
        commit=commit,
    )


def _find_nothing(told: str) -> Callable[[Document], Finding]:
    return lambda _: Finding(figure=told)


_LINES = (
    _Line(
        id="PF1",
        what="server CPU a job ÷ the floor's, history on",
        bound=f"≤ {verdicts.SERVER_RATIO}",
        source="latest",
        find=_find_all("uvicorn: server CPU per job", {"ratio": verdicts.SERVER_RATIO}, "{}"),
    ),
    _Line(
        id="PF2",
        what="Redis CPU a job ÷ the floor's; commands a job",
        bound=f"≤ {verdicts.REDIS_RATIO:g}; ≤ {verdicts.COMMANDS}",
        source="latest",
        find=_find_all(
            "uvicorn: Redis CPU per job",
            {"ratio": verdicts.REDIS_RATIO, "commands a job": verdicts.COMMANDS_READ},
            "{}; {}",
        ),
    ),
    _Line(
        id="PF3",
        what="a heartbeat, and what the server does every second anyway: server, Redis",
        bound=f"≤ {verdicts.BEAT_SERVER_US:g} µs; ≤ {verdicts.BEAT_REDIS_US:g} µs",
        source="latest",
        find=_find_all(
            "a heartbeat each",
            {
                "server µs a heartbeat": verdicts.BEAT_SERVER_US,
                "Redis µs": verdicts.BEAT_REDIS_US,
            },
            "{} µs; {} µs (beyond what as many silent nodes cost: {}; {})",
            beside=("server µs beyond silence", "Redis µs beyond it"),
        ),
    ),
    _Line(
        id="PF4",
        what="p99 utterance → `job_assign` ÷ the floor's",
        bound=f"≤ {verdicts.SLOW_RATIO}",
        source="latest",
        find=_find_all(
            "p99 of utterance → job_assign ÷ the floor's",
            {"": verdicts.SLOW_RATIO},
            "{} (without the history: {})",
            beside=("without the history",),
        ),
    ),
    _Line(
        id="PF5",
        what="p99 during a storm of MODEL_NOT_AVAILABLE ÷ before",
        bound=f"≤ {verdicts.STORM_RATIO}",
        source="latest",
        find=_find_all("the same during a storm", {"ratio": verdicts.STORM_RATIO}, "{}"),
    ),
    _Line(
        id="PF6",
        what="two instances ÷ one, CPU a job, beside two floors ÷ one",
        bound="within 5 % of the floors'",
        source="latest",
        find=_find_instances,
    ),
    _Line(
        id="PF7",
        what="a relayed chunk; 500 speakers, ten chunks a second each",
        bound=f"≤ {verdicts.CHUNK_US:g} µs; < {verdicts.CHUNKS_CORE_PERCENT:g} %",
        source="speech",
        find=_find_chunks,
    ),
    _Line(
        id="PF8",
        what="memory a thousand jobs",
        bound=f"≤ {verdicts.GROWTH_KB:g} KB, or bounded over 1,000,000",
        source="memory",
        find=_find_memory,
    ),
    _Line(
        id="PF9",
        what="`serve --workers 2`, one port; drained together: `tests/server/test_workers.py`",
        bound=f"each worker does {verdicts.WORKER_SHARE:.0%} or more",
        source="latest",
        find=_find_workers,
    ),
    _Line(
        id="PF10",
        what="a retry after a node's death: round trips in sequence",
        bound="≤ 3",
        source="",
        find=_find_nothing(_BY_TEST),
    ),
    _Line(
        id="PF11",
        what="`make test` on two cores",
        bound="≤ 10 minutes",
        source="",
        find=_find_nothing(_BY_HAND),
    ),
    _Line(
        id="PF12",
        what="p50 utterance → `job_assign` ÷ the best peer's submit → start",
        bound=f"≤ {verdicts.PEER_RATIO} in {verdicts.PEER_RUNS} runs of {verdicts.PEER_RUNS}",
        source="peers",
        find=_find_peers,
    ),
    _Line(
        id="PF13",
        what="resident memory at rest, server and writer of the history",
        bound=f"≤ {verdicts.REST_MB:g} MB",
        source="latest",
        find=_find_all(
            "resident memory at rest",
            {"together": verdicts.REST_MB},
            "{} MB (server {}, writer {})",
            beside=("server", "writer"),
        ),
    ),
)
