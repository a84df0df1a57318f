"""What the settings say about spans and bounds, as those who keep to them want it."""

from lingua import settings
from scheduling.access.access import AccessLimits
from scheduling.model.limits import JobLimits, NodeLimits, PlacementRules
from sessions_app.segmentation import SegmentationSettings
from sessions_app.session_limits import SessionLimits
from sockets.outbound import OutboundLimits

_NEVER_S = 10 * 365 * 86_400


def read_access_limits() -> AccessLimits:
    return AccessLimits(
        most_connections=settings.LINGUA_PRINCIPAL_MAX_CONNECTIONS,
        connects_per_s=settings.LINGUA_CONNECTS_PER_SECOND,
        connect_burst=settings.LINGUA_CONNECT_BURST,
        requests_per_s=settings.LINGUA_REQUESTS_PER_SECOND,
        request_burst=settings.LINGUA_REQUEST_BURST,
        work_per_s=settings.LINGUA_WORK_REQUESTS_PER_SECOND,
        work_burst=settings.LINGUA_WORK_REQUEST_BURST,
    )


def read_job_limits() -> JobLimits:
    return JobLimits(
        reservation_ms=settings.LINGUA_RESERVATION_MS,
        ack_timeout_ms=settings.LINGUA_ACK_TIMEOUT_MS,
        run_timeout_ms=round(settings.LINGUA_RUN_TIMEOUT_S * 1000),
        pending_timeout_ms=round(settings.LINGUA_PENDING_TIMEOUT_S * 1000),
        failover_max_attempts=settings.LINGUA_FAILOVER_MAX_ATTEMPTS,
        max_retry=settings.LINGUA_MAX_RETRY,
        outcome_ms=settings.LINGUA_RESULT_TTL_S * 1000,
        binding_ms=settings.LINGUA_RESULT_TTL_S * 1000,
        retention_ms=settings.LINGUA_JOB_RETENTION_S * 1000,
        waiting_max=settings.LINGUA_PENDING_MAX_JOBS,
    )


def read_node_limits() -> NodeLimits:
    return NodeLimits(
        heartbeat_timeout_ms=round(settings.LINGUA_HEARTBEAT_TIMEOUT_S * 1000),
        good_heartbeats=settings.LINGUA_HEALTH_CHECK_COUNT,
        window=settings.LINGUA_FAILURE_WINDOW,
        window_failures=settings.LINGUA_FAILURE_COUNT,
        consecutive_failures=settings.LINGUA_FAILURE_CONSECUTIVE,
        warmup_ms=round(settings.LINGUA_WARM_UP_TIMEOUT_S * 1000),
        default_max_jobs=settings.LINGUA_MAX_CONCURRENT_JOBS_PER_NODE,
        grace_ms=round(settings.LINGUA_NODE_GRACE_S * 1000),
        forget_ms=(settings.LINGUA_NODE_STALE_S or _NEVER_S) * 1000,
    )


def read_placement_rules(*, instance_id: str) -> PlacementRules:
    """Return how the instance chooses nodes; an empty id prefers no instance's."""
    return PlacementRules(
        sample_size=settings.LINGUA_RANDOM_SAMPLE_SIZE,
        resource_threshold_percent=settings.LINGUA_RESOURCE_THRESHOLD_PERCENT,
        heartbeat_timeout_ms=round(settings.LINGUA_HEARTBEAT_TIMEOUT_S * 1000),
        near_instance_id=instance_id,
        near_share=settings.LINGUA_NEAR_NODES_PERCENT / 100,
    )


def read_session_limits() -> SessionLimits:
    return SessionLimits(
        segmentation=SegmentationSettings(
            pause_ms=settings.LINGUA_SEGMENT_PAUSE_MS,
            max_duration_ms=settings.LINGUA_SEGMENT_MAX_DURATION_MS,
            max_buffer_bytes=settings.LINGUA_SEGMENT_BUFFER_MAX_BYTES,
            hangover_manual_ms=settings.LINGUA_SEGMENT_HANGOVER_MANUAL_MS,
            hangover_auto_ms=settings.LINGUA_SEGMENT_HANGOVER_AUTO_MS,
            padding_manual_ms=settings.LINGUA_SEGMENT_PADDING_MANUAL_MS,
            padding_auto_ms=settings.LINGUA_SEGMENT_PADDING_AUTO_MS,
            short_merge_threshold_ms=settings.LINGUA_SEGMENT_SHORT_MERGE_MS,
        ),
        result_gap_ms=settings.LINGUA_RESULT_GAP_MS,
        most_held_results=settings.LINGUA_RESULT_MAX_PENDING,
        group_window_ms=settings.LINGUA_GROUP_WINDOW_MS,
        group_parts=settings.LINGUA_GROUP_MAX_PARTS,
    )


def read_node_outbound() -> OutboundLimits:
    return OutboundLimits(
        most_bytes=settings.LINGUA_NODE_OUTBOUND_MAX_BYTES,
        most_frames=settings.LINGUA_NODE_OUTBOUND_MAX_MESSAGES,
    )
