"""The table of a simulation: policies side by side."""

from collections.abc import Sequence

from bench.simulation.tally import Figures

_HEAD = (
    "Policy",
    "wait p50",
    "p95",
    "p99",
    "p99.9",
    "answer p50",
    "p95",
    "p99",
    "refused",
    "tried again",
    "same node in a turn",
    "fair to nodes",
    "use of nodes, p1 to p99",
    "fair to tenants",
    "commands a job",
    "busiest master",
)


def print_policies(policies: Sequence[Figures]) -> str:
    """Return one row for each policy as a table in Markdown; spans in ms."""
    lines = [_line(_HEAD), _line(["---"] * len(_HEAD))]
    lines += [_line(_row(figures)) for figures in policies]
    faults = [
        f"{figures.policy}: {figures.unended} never ended, {figures.ended_twice} ended twice, "
        f"{figures.most_over_slots} over slots"
        for figures in policies
        if figures.unended or figures.ended_twice or figures.most_over_slots > 0
    ]
    return "\n".join([*lines, *(["", *faults] if faults else [])])


def _row(figures: Figures) -> list[str]:
    wait, use = figures.wait_ms, figures.node_use
    return [
        figures.policy,
        *(_ms(wait[name]) for name in ("p50", "p95", "p99", "p99.9")),
        *map(_ms, (figures.answer_p50_ms, figures.answer_p95_ms, figures.answer_p99_ms)),
        f"{figures.refused_share:.2%}",
        f"{figures.retried:,}",
        f"{figures.same_turn:.0%}",
        f"{figures.fair_nodes:.3f}",
        f"{use['p1']:.0%} to {use['p99']:.0%}",
        f"{figures.fair_tenants:.4f}",
        f"{figures.redis_per_job:.1f}",
        f"{max(figures.master_busy):.0%}",
    ]


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
