"""Figures: percentiles, medians over runs, and the one table they end in."""

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table; `met` says whether the bound was kept, None where nobody judges."""

    name: str
    unit: str
    figures: dict[str, float]
    bound: str = ""
    met: bool | None = None
    note: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of `values` do not exceed; NaN of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def median_of(runs: Sequence[dict[str, Any]], name: str) -> float:
    """Return the median of one figure over runs."""
    return statistics.median(float(run[name]) for run in runs)


def merge_runs(runs: Sequence[Sequence[Row]]) -> list[Row]:
    """Return one row for each name, its figures the medians over runs of the same rows."""
    merged = []
    for same in zip(*runs, strict=True):
        figures = {
            name: statistics.median(row.figures[name] for row in same) for name in same[0].figures
        }
        merged.append(dataclasses.replace(same[0], figures=figures))
    return merged


def print_table(rows: Sequence[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = ["| What | Figures | Bound | Verdict |", "|---|---|---|---|"]
    for row in rows:
        figures = ", ".join(f"{name} {shorten(value)}" for name, value in row.figures.items())
        note = f" ({row.note})" if row.note else ""
        verdict = "" if row.met is None else "kept" if row.met else "**missed**"
        lines.append(
            f"| {row.name}{note} | {f'{figures} {row.unit}'.strip()} | {row.bound} | {verdict} |"
        )
    return "\n".join(lines)


def shorten(value: float) -> str:
    """Return three significant digits, thousands whole."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
