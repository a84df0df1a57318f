"""Every metric of ours by name: its meaning, its labels, the series that start at 0."""

from typing import Literal, NamedTuple

PREFIX = "scheduler_"

Kind = Literal["counter", "gauge", "histogram"]


class Metric(NamedTuple):
    """One metric; `series` are label values that read 0 before anything happened."""

    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    series: tuple[tuple[str, ...], ...] = ()


def _counter(text: str, *labels: str, series: tuple[tuple[str, ...], ...] = ()) -> Metric:
    return Metric("counter", text, labels, series or (() if labels else ((),)))


def _gauge(text: str, *labels: str, series: tuple[tuple[str, ...], ...] = ()) -> Metric:
    return Metric("gauge", text, labels, series)


def _histogram(text: str, *labels: str) -> Metric:
    return Metric("histogram", text, labels)


_STANDINGS = ("good", "probation", "quarantine")
# Why somebody is kept out at the door: the codes they are answered with.
KEPT_OUT = ("FOREIGN_HOST", "FOREIGN_ORIGIN", "NOT_FOUND", "UNAUTHORIZED")

METRICS: dict[str, Metric] = {
    # jobs
    "jobs_total": _counter(
        "Jobs that ended here, by how.",
        "status",
        series=(("done",), ("failed",), ("cancelled",)),
    ),
    "streams_total": _counter(
        "Utterances of speakers who stream: opened at a node, left to go whole, or begun anew.",
        "outcome",
    ),
    "job_declines_total": _counter("Jobs that a node would not take, before it accepted them."),
    "pairing_codes_total": _counter(
        "Codes by which sessions are bound to nodes: drawn, used, refused, or asked for too often.",
        "outcome",
        series=(("drawn",), ("used",), ("refused",), ("too_many",)),
    ),
    "rooms_total": _counter(
        "Rooms that were created, and that ended: empty, expired, or ended by somebody.",
        "outcome",
        series=(("created",), ("empty",), ("expired",), ("ended",)),
    ),
    "room_joins_total": _counter(
        "Who asked to join a room: joined, refused, or named too many codes of no room.",
        "outcome",
        series=(("joined",), ("refused",), ("too_many",)),
    ),
    "room_captions_total": _counter(
        "Captions shown to rooms, one a language: final, a part, or lost for Redis was away.",
        "outcome",
        series=(("final",), ("partial",), ("lost",)),
    ),
    "room_listeners": _gauge("Who listens in rooms here, and speaks in none."),
    "hedges_total": _counter(
        "Jobs that went to a second node, for theirs took long, and whose answer came first.",
        "outcome",
        series=(("started",), ("won",), ("lost",)),
    ),
    "jobs_without_result_total": _counter("Jobs that ended without a result, by reason.", "reason"),
    "dispatched_jobs_total": _counter("Attempts handed to a node's connection."),
    "dispatch_refused_total": _counter("Utterances refused before there was a job.", "code"),
    "dispatch_latency_seconds": _histogram("From asking for the slot to the node's connection."),
    "job_start_seconds": _histogram(
        "From a job's submission to the first node that began with it, waiting included.",
        "pool",
        "pair",
        "tenant",
    ),
    "job_duration_seconds": _histogram("From a job's creation to its result."),
    "speech_end_to_text_seconds": _histogram(
        "From the last voice of an utterance cut from chunks to its final text.", "mode"
    ),
    "speech_end_to_speech_seconds": _histogram(
        "The same to its spoken translation, where there is one.", "mode"
    ),
    "speech_begin_to_partial_seconds": _histogram(
        "From the first voice of an utterance to what is shown of it while it is said."
    ),
    "pair_served": _gauge(
        "Pairs asked for of late: 1 where a node is ready for all of it, 0 where that was in vain.",
        "pair",
    ),
    "waiting_jobs": _gauge("Jobs in this instance's waiting line.", series=((),)),
    "ack_timeout_total": _counter(
        "Attempts not accepted, or not finished, in time.", "stage", series=(("ack",), ("run",))
    ),
    "fsm_transition_total": _counter("Steps of jobs asked for.", "from", "to", "result"),
    "result_missing_total": _counter(
        "Utterances declared missing so that later ones could leave.", "reason"
    ),
    "web_task_finalized_total": _counter(
        "Utterances cut from chunks.", "reason", series=(("send",), ("quiet",), ("pause",))
    ),
    "web_task_empty_finalize_total": _counter(
        "Marks of a speaker's end that found no audio, or no voice right after a cut."
    ),
    "web_task_pause_ms": _gauge("Silence that ends an utterance.", series=((),)),
    # placement
    "node_selection_random_sample_size": _histogram("Nodes drawn for one choice."),
    "node_selection_attempts": _histogram("Nodes asked for a slot until one had it."),
    "node_selection_duration_seconds": _histogram("Time of one choice."),
    "pool_query_total": _counter(
        "Choices, by whether a node was found.", "result", series=(("found",), ("empty",))
    ),
    "no_available_node_total": _counter("Choices that found nobody.", "selector", "reason"),
    "dispatch_exclude_total": _counter("Nodes passed over, by reason.", "reason"),
    "affinity_total": _counter(
        "Later parts of a turn: hit, or why not where the earlier ones went.",
        "result",
        series=(("hit",),),
    ),
    "spread_skips_total": _counter("Choices that left out the node the session used last."),
    # the size of the fleet
    "pool_arrivals_total": _counter(
        "Jobs by the pool they looked into first, whether they found a node or not.", "pool"
    ),
    "slot_held_seconds": _histogram(
        "From a job's way to its node to the node's answer, by the pool it was placed in.", "pool"
    ),
    "pool_arrivals_per_second": _gauge(
        "The most jobs a second of late, at all instances, that a pool is sized for.", "pool"
    ),
    "pool_target_nodes": _gauge(
        "Nodes a pool needs for short waits, those of pools within it included.", "pool"
    ),
    "pool_ready_nodes": _gauge(
        "Ready nodes of a pool in good standing, as its target counts them.", "pool"
    ),
    "target_nodes": _gauge("Nodes the whole fleet needs for short waits.", series=((),)),
    "stoppable_nodes": _gauge("Ready nodes that could be stopped now, together.", series=((),)),
    # slots
    "reserve_attempt_total": _counter(
        "Slots asked for.", "result", series=(("success",), ("fail",))
    ),
    "node_overload_reject_total": _counter("Slots a node refused.", "node_id", "reason"),
    "reservation_expired_total": _counter("Reservations that ended before they were accepted."),
    "commit_late_total": _counter(
        "Acceptances after that.", "outcome", series=(("taken",), ("refused",))
    ),
    "overcommit_total": _counter("Loads seen above what the node offered; must stay 0."),
    "drift_repaired_total": _counter("Differences found and repaired.", "kind"),
    # fleet
    "nodes_total": _gauge(
        "Nodes now; those that were lost (offline), or drained before they left (left), until they "
        "are forgotten.",
        "status",
        series=tuple(
            (status,)
            for status in ("registering", "ready", "degraded", "draining", "offline", "left")
        ),
    ),
    "node_standings": _gauge(
        "Connected nodes by standing.",
        "state",
        series=tuple((state,) for state in (*_STANDINGS, "trial")),
    ),
    "pools_held_back": _gauge("Pools whose ready nodes are all in no good standing.", series=((),)),
    "node_speed_seconds": _gauge(
        "What a second of audio takes connected nodes: the fastest, the median and the slowest.",
        "services",
        "place",
    ),
    "sessions_total": _gauge("Sessions this instance holds now.", series=((),)),
    "sockets": _gauge("Sockets of this instance.", "kind", series=(("node",), ("session",))),
    "kept_out_total": _counter(
        "Requests and handshakes of strangers, refused before anything was done for them.",
        "reason",
        series=tuple((reason,) for reason in KEPT_OUT),
    ),
    "node_frames_flawed_total": _counter(
        "Frames of nodes that were not as declared: repaired, taken without a field, or refused.",
        "type",
        "outcome",
        "node_program",
    ),
    "session_frames_flawed_total": _counter(
        "Frames of speakers that were not as declared: repaired, refused, or ignored.",
        "type",
        "outcome",
    ),
    "node_takeovers_total": _counter("Node ids that a newer connection took from a living one."),
    "node_state_changes_total": _counter(
        "Changes of a node's standing by its work, or by an operator.",
        "before",
        "state",
        series=tuple((one, other) for one in _STANDINGS for other in _STANDINGS if one != other),
    ),
    "forced_placements_total": _counter(
        "Jobs that a node in no good standing got, for no other could serve them."
    ),
    "node_faults_total": _counter(
        "Failed attempts that count against their nodes: the job ended well elsewhere; or a probe"
        " failed.",
        "fault",
        series=(("failed",), ("silent",), ("stalled",), ("unreadable",), ("probe",)),
    ),
    "node_probes_total": _counter(
        "Canary jobs of nodes: passed, failed, or given up, which says nothing of the node.",
        "outcome",
        series=(("passed",), ("failed",), ("given_up",)),
    ),
    # Redis and time
    "redis_op_duration_seconds": _histogram("Round trips to Redis.", "op"),
    "phase2_redis_op_total": _counter("Commands to Redis.", "op", "result"),
    "degrade_mode": _gauge("1 while Redis does not answer.", series=((),)),
    "slow_lock_wait_total": _counter("Waits longer than the warning limit.", "lock"),
    "slow_path_total": _counter("Paths longer than the warning limit.", "path"),
    "timer_lag_seconds": _gauge("How late the latest due timers were.", series=((),)),
    "cache_hits_total": _counter(
        "Answers taken from a cache: fresh, stale or missing.",
        "level",
        "kind",
        series=tuple((level, "pool_members") for level in ("fresh", "stale", "missing")),
    ),
    # instances and their inboxes
    "phase2_presence_heartbeat_total": _counter("Signs of life written."),
    "phase2_inbox_pending": _gauge("Messages taken from the inbox and not confirmed."),
    "inbox_oldest_pending_seconds": _gauge("Age of the oldest of those."),
    "phase2_dlq_moved_total": _counter("Messages given up."),
    "phase2_reclaimed_total": _counter("Messages taken over from a dead instance."),
    "dlq_length": _gauge("Messages given up and kept."),
    "leader_state": _gauge("1 on the instance that leads.", "loop"),
    # pools
    "phase3_pool_selected_total": _counter("Pools chosen.", "pool", "outcome", "fallback"),
    "phase3_pool_attempt_total": _counter("Pools looked at.", "pool", "result", "reason"),
    "pool_config_version": _gauge("Version of the pool configuration in use."),
    "pool_config_sync_lag_seconds": _gauge("How long that version took to get here.", series=((),)),
    # services a node does not have after all
    "model_na_received_total": _counter("MODEL_NOT_AVAILABLE reports."),
    "model_na_dropped_total": _counter("Of those, dropped: too many were waiting to be handled."),
    "model_na_rate_limited_total": _counter("Of those, not acted on: too many."),
    "model_na_marked_total": _counter("Of those, that marked a service of a node."),
    "model_na_by_service_total": _counter("Reports by service.", "service_id"),
    "model_na_by_reason_total": _counter("Reports by reason.", "reason"),
    "model_na_rate_limited_by_node_total": _counter("Reports not acted on, by node.", "node_id"),
    "model_na_marked_by_node_total": _counter("Marks by node.", "node_id"),
    "model_na_other_service_total": _counter("Reports of services beyond the most that are named."),
    "model_na_other_reason_total": _counter("The same for reasons."),
    "model_na_other_rate_limited_node_total": _counter("The same for nodes not acted on."),
    "model_na_other_marked_node_total": _counter("The same for nodes marked."),
    # recognition, as nodes tell of it
    "asr_results_total": _counter(
        "Results, by how good the node thinks its recognition.",
        "quality",
        series=tuple((quality,) for quality in ("good", "suspect", "bad", "unknown")),
    ),
    "asr_results_rerun_total": _counter("Of those, recognised more than once."),
    "asr_language_probability": _histogram("How sure the node was of the language, 0 to 1."),
    "asr_reruns_started_total": _counter("Second tries of nodes to recognise an utterance."),
    "asr_reruns_total": _counter(
        "What became of those.",
        "outcome",
        series=(("success",), ("failed",), ("timeout",)),
    ),
    "asr_reruns_improved_total": _counter("Second tries that were better than the first."),
    # the history of jobs
    "history_written_total": _counter("Jobs written into the history."),
    "history_lost_total": _counter("Jobs whose record was gone before it was written."),
    "history_waiting_jobs": _gauge("Jobs that are over and not written yet.", series=((),)),
    "history_down": _gauge(
        "1 while the history is not written: no database, or no writer.", series=((),)
    ),
    "history_write_seconds": _histogram("Time to write one batch of the history."),
    # operators' own
    "stats_requests_total": _counter("Requests for statistics."),
    "stats_stale_total": _counter("Of those, answered with old figures."),
    "stats_request_duration_seconds": _histogram("Time of such a request."),
    "dashboard_snapshot_age_seconds": _gauge("Age of the statistics; NaN: none yet.", series=((),)),
    "service_catalog_fail_count": _gauge("Failures in a row to fetch the catalog.", series=((),)),
    "service_catalog_last_success_age_seconds": _gauge(
        "Age of the catalog; NaN: never fetched.", series=((),)
    ),
}
