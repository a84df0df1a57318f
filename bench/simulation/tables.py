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
    "hedged",
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


def print_hedging(policies: Sequence[Figures]) -> str:
    """Return what hedging changes as a table in Markdown; spans in ms."""
    names = ("p50", "p95", "p99", "p99.9")
    head = ["Policy", "utterances", "answer p50", "p95", "p99"]
    head += ["heard p50", *names[1:], "hedged", "commands a job", "use of nodes, p50"]
    lines = [_line(head), _line(["---"] * len(head))]
    for one in policies:
        answer = (one.answer_p50_ms, one.answer_p95_ms, one.answer_p99_ms)
        heard = one.heard_ms or {}
        row = [one.policy, f"{one.arrivals:,}", *map(_ms, answer)]
        row += [*(_ms(heard.get(name)) for name in names), _share(one.hedged_share)]
        lines.append(_line([*row, f"{one.redis_per_job:.1f}", f"{one.node_use['p50']:.1%}"]))
    return "\n".join(lines)


def _row(figures: Figures) -> list[str]:
    wait, use = figures.wait_ms, figures.node_use
    return [
        figures.policy,
        *(_ms(wait[name]) for name in ("p50", "p95", "p99", "p99.9")),
        *map(_ms, (figures.answer_p50_ms, figures.answer_p95_ms, figures.answer_p99_ms)),
        f"{figures.refused_share:.2%}",
        f"{figures.retried:,}",
        _share(figures.hedged_share),
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


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
