"""What is kept of the runs beside peers."""

import pytest

from bench.figures import Row
from bench.peers.ratios import Ratio, add_ratios, find_fastest

_RUN = {"commit": "abc123", "when": "2026-01-01T00:00:00Z"}


def _row(name: str, p50_ms: float | None) -> Row:
    return Row(name=name, unit="", figures={} if p50_ms is None else {"p50_ms": p50_ms})


def test_ours_is_beside_the_best_that_was_measured() -> None:
    rows = [_row("Lingua", 0.6), _row("slow", 2.0), _row("broken", None), _row("best", 0.8)]
    ratio = Ratio.read(rows, _RUN)
    assert (ratio.peer, ratio.ratio) == ("best", pytest.approx(0.75))


def test_a_run_without_any_peer_has_no_ratio() -> None:
    with pytest.raises(ValueError, match="empty"):
        Ratio.read([_row("Lingua", 0.6), _row("broken", None)], _RUN)


def test_the_last_three_are_kept_with_the_rest_of_the_results() -> None:
    document: dict[str, object] = {"rows": [1], "ratios": []}
    for peer_ms in (1.0, 2.0, 3.0, 4.0):
        ratio = Ratio.read([_row("Lingua", 1.0), _row("peer", peer_ms)], _RUN)
        document = add_ratios(document, [ratio])
    assert document["rows"] == [1]
    kept = document["ratios"]
    assert isinstance(kept, list)
    assert [run["peer_ms"] for run in kept] == [2.0, 3.0, 4.0]


def test_the_fastest_are_those_of_the_table() -> None:
    figures = {"Lingua": 0.1, "a": 3.0, "b": 1.0, "c": 2.0}
    rows = [{"name": name, "figures": {"p50_ms": p50}} for name, p50 in figures.items()]
    rows.append({"name": "broken", "figures": {}})
    assert find_fastest(rows, count=2) == ["b", "c"]
    assert find_fastest([], count=2) == ["bullmq", "dynamo"]
