"""Figures: percentiles, medians over runs, and the one table they end in."""

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table; `met` says whether the aim was reached, None where there is none."""

    name: str
    unit: str
    figures: dict[str, float]
    aim: str = ""
    met: bool | None = None
    note: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of `values` do not exceed; NaN of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def median_of(runs: Sequence[dict[str, Any]], name: str) -> float:
    """Return the median of one figure over runs."""
    return statistics.median(float(run[name]) for run in runs)


def print_table(rows: Sequence[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = ["| What | Figures | Aim | Met |", "|---|---|---|---|"]
    for row in rows:
        figures = ", ".join(f"{name} {_shorten(value)}" for name, value in row.figures.items())
        note = f" ({row.note})" if row.note else ""
        met = "" if row.met is None else "yes" if row.met else "**no**"
        lines.append(f"| {row.name}{note} | {figures} {row.unit} | {row.aim} | {met} |")
    return "\n".join(lines)


def _shorten(value: float) -> str:
    """Return three significant digits, thousands whole."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
