"""What the metrics are told of every choice of nodes (O4, O13)."""

from scheduling.model.jobs import Need
from scheduling.model.metrics import ALL, Metrics
from scheduling.placement.demand import DemandMemory
from scheduling.placement.ranking import Choice


def record_choice(metrics: Metrics, choice: Choice, *, took_ms: float) -> None:
    """Count a choice, its pools and what it passed over; `took_ms` is how long it took."""
    found = bool(choice.nodes)
    metrics.observe("node_selection_duration_seconds", took_ms / 1000)
    metrics.observe("node_selection_random_sample_size", len(choice.looked_at))
    metrics.count("pool_query_total", "found" if found else "empty")
    if choice.passed_over:
        metrics.pass_over(choice.passed_over, choice.examples)
    if not found:
        metrics.count("no_available_node_total", "sample", choice.best_reason)
    for how in choice.known:
        metrics.count("cache_hits_total", how, "pool_members")
    if choice.affinity:
        metrics.count("affinity_total", choice.affinity)
    if choice.spread:
        metrics.count("spread_skips_total")
    fallback = "yes" if choice.fallback else "no"
    for pool_id in choice.pools:
        hit = found and pool_id == choice.pool_id
        pool, result = metrics.bound("pool", pool_id), "hit" if hit else "miss"
        reason = "" if hit else choice.best_reason
        metrics.count("phase3_pool_attempt_total", pool, result, reason)
    selected = metrics.bound("pool", choice.pool_id) if found else "none"
    metrics.count("phase3_pool_selected_total", selected, "hit" if found else "miss", fallback)


def record_arrival(metrics: Metrics, demand: DemandMemory, need: Need, choice: Choice) -> None:
    """Note what a new job needs, and count it in the pool it looked into first (ND13)."""
    demand.note(need, found=bool(choice.nodes))
    pool_id = choice.pools[0] if choice.pools else choice.pool_id
    metrics.count("pool_arrivals_total", metrics.bound("pool", pool_id or ALL))
