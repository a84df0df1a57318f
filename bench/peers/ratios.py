"""What our median was beside the best peer's, in each of the last runs."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Self

from bench.figures import Row
from bench.verdicts import PEER_RUNS

_FASTEST = ("bullmq", "dynamo")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ratio:
    """One run: p50 utterance → `job_assign` ÷ that peer's p50 submit → start."""

    commit: str
    when: str
    peer: str
    ours_ms: float
    peer_ms: float
    ratio: float

    @classmethod
    def read(cls, rows: Sequence[Row], run: Mapping[str, Any]) -> Self:
        """Return the ratio of a run whose first row is ours.

        :raises ValueError: no peer was measured
        """
        ours, *peers = rows
        best = min((row for row in peers if row.figures), key=lambda row: row.figures["p50_ms"])
        ours_ms, peer_ms = ours.figures["p50_ms"], best.figures["p50_ms"]
        return cls(
            commit=run["commit"],
            when=run["when"],
            peer=best.name,
            ours_ms=ours_ms,
            peer_ms=peer_ms,
            ratio=ours_ms / peer_ms,
        )


def add_ratios(document: Mapping[str, Any], ratios: Sequence[Ratio]) -> dict[str, Any]:
    """Return results with these ratios behind those they have; the last three stay."""
    known = [*document.get("ratios", []), *map(dataclasses.asdict, ratios)]
    return {**document, "ratios": known[-PEER_RUNS:]}


def find_fastest(rows: Sequence[Mapping[str, Any]], *, count: int) -> list[str]:
    """Return the names of the peers that were fastest one at a time; ours comes first in `rows`."""
    measured = [row for row in rows[1:] if row["figures"]]
    measured.sort(key=lambda row: row["figures"]["p50_ms"])
    return [row["name"] for row in measured[:count]] or list(_FASTEST[:count])
