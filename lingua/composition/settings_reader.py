"""The one place where an instance's configuration is read from the settings."""

from typing import Any

from lingua import settings
from lingua.composition.configuration import (
    AccessConfiguration,
    Configuration,
    ConsoleConfiguration,
    CoreConfiguration,
    HistoryConfiguration,
    HookConfiguration,
    HttpConfiguration,
    ListenerConfiguration,
    MirrorConfiguration,
    NetworkConfiguration,
    NodeConfiguration,
    PoolConfiguration,
    SessionConfiguration,
    UnavailableServiceConfiguration,
    WatchConfiguration,
)
from lingua.composition.redis_configuration import RedisConfiguration
from lingua.settings import clients, payloads, pools, rooms
from operators.db.history_table import describe_database
from operators.db.login_provider import LoginProvider
from scheduling.access.access import AccessLimits
from scheduling.access.wrong_credentials import WrongCredentialLimits
from scheduling.model.limits import JobLimits, NodeLimits, PlacementRules, RoomLimits
from scheduling.model.probes import ProbeRules
from scheduling.model.standing import StandingRules
from scheduling.placement.pool_config import PoolRules
from sessions_app.cuts import SegmentationSettings
from sessions_app.session_limits import SessionLimits
from sessions_app.voice_detectors import VoiceActivity
from sockets.outbound import OutboundLimits

# Of a listener who reads too slowly; captions are short.
_MOST_WAITING_BYTES = 256 * 1024
_NEVER_S = 10 * 365 * 86_400
# Where nodes are never forgotten, a claim on an id ends all the same.
_CLAIMED_FOR_S = 86_400


def read_configuration() -> Configuration:
    """Return what the settings say, as those who keep to it want it."""
    return Configuration(
        redis=_read_redis(),
        core=read_core(),
        network=_read_network(),
        pools=_read_pools(),
        access=_read_access(),
        sessions=_read_sessions(),
        listeners=_read_listeners(),
        nodes=_read_nodes(),
        http=HttpConfiguration(
            most_body_bytes=settings.LINGUA_HTTP_MAX_BODY_BYTES,
            recording_ms=settings.LINGUA_AUDIO_REF_TTL_S * 1000,
            most_jobs=settings.LINGUA_PRINCIPAL_MAX_HTTP_JOBS,
            most_kept_bytes=settings.LINGUA_PRINCIPAL_KEPT_BYTES,
            hook_hosts=tuple(settings.LINGUA_HOOK_HOSTS),
        ),
        console=ConsoleConfiguration(
            model_hub_url=settings.LINGUA_MODEL_HUB_URL,
            model_hub_path=settings.LINGUA_MODEL_HUB_STORAGE_PATH,
            catalog_refresh_s=settings.LINGUA_CATALOG_REFRESH_S,
            scaling_wait_ms=settings.LINGUA_SCALING_WAIT_MS,
            scaling_down_s=settings.LINGUA_SCALING_DOWN_S,
        ),
        mirrors=_read_mirrors(),
        history=HistoryConfiguration(
            days=settings.LINGUA_HISTORY_DAYS,
            most_waiting=settings.LINGUA_HISTORY_MAX_WAITING,
            log_level=settings.LINGUA_LOG_LEVEL,
            root=settings.BASE_DIR,
            database=describe_database(settings.DATABASES["default"]),
        ),
        watch=WatchConfiguration(
            wait_warn_ms=settings.LINGUA_LOCK_WAIT_WARN_MS,
            path_warn_ms=settings.LINGUA_PATH_WARN_MS,
            traces=settings.LINGUA_TRACES,
            traces_file=settings.LINGUA_TRACES_FILE,
        ),
    )


def read_core() -> CoreConfiguration:
    """Return what the core goes by."""
    return CoreConfiguration(
        jobs=_read_job_limits(),
        nodes=_read_node_limits(),
        placement=PlacementRules(
            sample_size=settings.LINGUA_RANDOM_SAMPLE_SIZE,
            resource_threshold_percent=settings.LINGUA_RESOURCE_THRESHOLD_PERCENT,
            heartbeat_timeout_ms=round(settings.LINGUA_HEARTBEAT_TIMEOUT_S * 1000),
            near_share=settings.LINGUA_NEAR_NODES_PERCENT / 100,
            slow_start_ms=round(settings.LINGUA_NODE_SLOW_START_S * 1000),
            ranks_by_speed=settings.LINGUA_RANK == "speed",
        ),
        standing=StandingRules(
            half_life_ms=round(settings.LINGUA_NODE_FAULTS_HALF_LIFE_S * 1000),
            faults=settings.LINGUA_NODE_FAULTS,
            fault_percent=settings.LINGUA_NODE_FAULTS_PERCENT,
            passes=settings.LINGUA_NODE_PROBATION_JOBS,
            probation_ms=round(settings.LINGUA_NODE_PROBATION_S * 1000),
            rest_ms=settings.LINGUA_NODE_REST_MS,
            quarantine_ms=round(settings.LINGUA_NODE_QUARANTINE_S * 1000),
            most_quarantine_ms=round(settings.LINGUA_NODE_QUARANTINE_MAX_S * 1000),
            # Where nobody is probed, nobody waits to be.
            untried_jobs=settings.LINGUA_NODE_UNTRIED_JOBS
            if settings.LINGUA_NODE_PROBE_INTERVAL_S
            else 0,
        ),
        probes=ProbeRules(
            interval_s=settings.LINGUA_NODE_PROBE_INTERVAL_S,
            again_s=settings.LINGUA_NODE_PROBE_AGAIN_S,
        ),
        hooks=HookConfiguration(
            most_tries=settings.LINGUA_HOOK_MAX_TRIES,
            most_each=settings.LINGUA_PRINCIPAL_MAX_HOOKS,
            timeout_ms=round(settings.LINGUA_HOOK_TIMEOUT_S * 1000),
        ),
        rooms=_read_room_limits(),
        hedge_share=settings.LINGUA_HEDGE_PERCENT / 100,
        require_gpu=settings.LINGUA_REQUIRE_GPU,
        send_cancel=settings.LINGUA_SEND_CANCEL,
        keep_history=settings.LINGUA_HISTORY_DAYS > 0,
        timer_shards=settings.LINGUA_TIMER_SHARDS,
        timer_tick_s=settings.LINGUA_TIMER_TICK_MS / 1000,
    )


def read_session_limits() -> SessionLimits:
    """Return how sessions are cut, ordered and grouped."""
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
            vad=VoiceActivity(settings.LINGUA_VAD),
            quiet_ms=settings.LINGUA_SEGMENT_QUIET_MS,
        ),
        result_gap_ms=settings.LINGUA_RESULT_GAP_MS,
        most_held_results=settings.LINGUA_RESULT_MAX_PENDING,
        group_window_ms=settings.LINGUA_GROUP_WINDOW_MS,
        group_parts=settings.LINGUA_GROUP_MAX_PARTS,
        indices_by_clock=clients.LINGUA_UTTERANCE_INDICES == "clock",
        streams=settings.LINGUA_STREAMING == "on",
        most_utterance_bytes=settings.LINGUA_STREAMING_UTTERANCE_BYTES,
        most_streamed_bytes=settings.LINGUA_STREAMING_MOST_BYTES,
    )


def read_pool_rules() -> PoolRules:
    """Return the switches of two-level placement."""
    return PoolRules(
        enabled=pools.LINGUA_POOLS_ENABLED,
        mode=_choice(pools.LINGUA_POOLS_MODE),
        read_members=pools.LINGUA_POOLS_READ_MEMBERS,
        auto_language=pools.LINGUA_POOLS_AUTO_LANGUAGE,
        generate_pairs=pools.LINGUA_POOLS_GENERATE_PAIRS,
        naming=_choice(pools.LINGUA_POOLS_NAMING),
        min_nodes_per_pool=pools.LINGUA_POOLS_MIN_NODES,
        max_pools=pools.LINGUA_POOLS_MAX,
        require_semantic=pools.LINGUA_POOLS_REQUIRE_SEMANTIC,
        enable_mixed=pools.LINGUA_POOLS_ENABLE_MIXED,
        pool_count=pools.LINGUA_POOLS_BUCKETS,
        hash_seed=pools.LINGUA_POOLS_HASH_SEED,
        match_scope=_choice(pools.LINGUA_POOLS_MATCH_SCOPE),
        match_mode=_choice(pools.LINGUA_POOLS_MATCH_MODE),
        strict_eligibility=pools.LINGUA_POOLS_STRICT,
        fallback_scan_all=pools.LINGUA_POOLS_FALLBACK_SCAN_ALL,
        session_affinity=pools.LINGUA_SESSION_AFFINITY,
        tenant_fallback=pools.LINGUA_TENANT_FALLBACK,
        strict_preferred_node=pools.LINGUA_STRICT_PREFERRED_NODE,
        spread=pools.LINGUA_SPREAD_ENABLED,
        spread_window_ms=round(pools.LINGUA_SPREAD_WINDOW_S * 1000),
        turn_affinity_ms=pools.LINGUA_TURN_AFFINITY_S * 1000,
    )


def _choice(text: str) -> Any:
    """Return a text whose choices the settings have checked."""
    return text


def _read_redis() -> RedisConfiguration:
    return RedisConfiguration(
        url=settings.LINGUA_REDIS_URL,
        cluster_urls=tuple(settings.LINGUA_REDIS_CLUSTER_URLS),
        sentinel_urls=tuple(settings.LINGUA_REDIS_SENTINEL_URLS),
        timeout_s=settings.LINGUA_REDIS_TIMEOUT_S,
        connect_timeout_s=settings.LINGUA_REDIS_CONNECT_TIMEOUT_S,
        overdue_s=settings.LINGUA_REDIS_OVERDUE_MS / 1000,
        key_prefix=settings.LINGUA_KEY_PREFIX,
        payload_keys=tuple(payloads.LINGUA_PAYLOAD_KEYS),
    )


def _read_job_limits() -> JobLimits:
    return JobLimits(
        reservation_ms=settings.LINGUA_RESERVATION_MS,
        ack_timeout_ms=settings.LINGUA_ACK_TIMEOUT_MS,
        run_timeout_ms=round(settings.LINGUA_RUN_TIMEOUT_S * 1000),
        pending_timeout_ms=round(settings.LINGUA_PENDING_TIMEOUT_S * 1000),
        open_ms=read_session_limits().segmentation.longest_ms,
        failover_max_attempts=settings.LINGUA_FAILOVER_MAX_ATTEMPTS,
        max_retry=settings.LINGUA_MAX_RETRY,
        outcome_ms=settings.LINGUA_RESULT_TTL_S * 1000,
        session_life_ms=settings.LINGUA_SESSION_TTL_S * 1000,
        binding_ms=settings.LINGUA_RESULT_TTL_S * 1000,
        retention_ms=settings.LINGUA_JOB_RETENTION_S * 1000,
        waiting_max=settings.LINGUA_PENDING_MAX_JOBS,
        deadline_margin_ms=settings.LINGUA_DEADLINE_MARGIN_MS,
    )


def _read_node_limits() -> NodeLimits:
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


def _read_room_limits() -> RoomLimits:
    return RoomLimits(
        most_members=rooms.LINGUA_ROOM_MAX_MEMBERS,
        most_listeners=rooms.LINGUA_ROOM_MAX_LISTENERS,
        most_languages=rooms.LINGUA_ROOM_MAX_LANGUAGES,
        idle_ms=round(rooms.LINGUA_ROOM_IDLE_S * 1000),
        captions_ms=round(rooms.LINGUA_ROOM_CAPTIONS_S * 1000),
        grace_ms=round(settings.LINGUA_SESSION_GRACE_S * 1000),
        creations=rooms.LINGUA_ROOMS_PER_MINUTE,
        guesses=rooms.LINGUA_ROOM_GUESSES_PER_MINUTE,
    )


def _read_network() -> NetworkConfiguration:
    is_drawn = settings.LINGUA_INSTANCE_ID == "auto"
    return NetworkConfiguration(
        instance_id="" if is_drawn else settings.LINGUA_INSTANCE_ID,
        must_be_alone=settings.LINGUA_DEGRADE == "local_single_instance"
        or settings.LINGUA_CHANNEL_LAYER == "memory",
        presence_ms=round(settings.LINGUA_PRESENCE_TTL_S * 1000),
        presence_interval_s=settings.LINGUA_PRESENCE_INTERVAL_S,
        refresh_s=settings.LINGUA_SNAPSHOT_REFRESH_MS / 1000,
        reconcile_interval_s=settings.LINGUA_RECONCILE_INTERVAL_S,
        stats_interval_s=settings.LINGUA_STATS_INTERVAL_S,
    )


def _read_pools() -> PoolConfiguration:
    return PoolConfiguration(
        rules=read_pool_rules(),
        fresh_ms=pools.LINGUA_POOL_MEMBERS_FRESH_MS,
        check_ms=pools.LINGUA_POOL_CHECK_MS,
        lease_ms=round(pools.LINGUA_POOL_LEADER_TTL_S * 1000),
        cleanup_ms=round(pools.LINGUA_POOL_CLEANUP_S * 1000),
        unavailable_services=UnavailableServiceConfiguration(
            most_queued=pools.LINGUA_ABSENCE_QUEUE_MAX,
            mark_ms=settings.LINGUA_SERVICE_UNAVAILABLE_TTL_S * 1000,
            debounce_ms=pools.LINGUA_ABSENCE_DEBOUNCE_S * 1000,
            window_ms=pools.LINGUA_ABSENCE_WINDOW_S * 1000,
            most_per_window=pools.LINGUA_ABSENCE_MAX_PER_WINDOW,
        ),
    )


def _read_access() -> AccessConfiguration:
    return AccessConfiguration(
        limits=AccessLimits(
            most_connections=settings.LINGUA_PRINCIPAL_MAX_CONNECTIONS,
            connects_per_s=settings.LINGUA_CONNECTS_PER_SECOND,
            connect_burst=settings.LINGUA_CONNECT_BURST,
            requests_per_s=settings.LINGUA_REQUESTS_PER_SECOND,
            request_burst=settings.LINGUA_REQUEST_BURST,
            work_per_s=settings.LINGUA_WORK_REQUESTS_PER_SECOND,
            work_burst=settings.LINGUA_WORK_REQUEST_BURST,
            wrong=WrongCredentialLimits(
                per_s=settings.LINGUA_WRONG_CREDENTIALS_PER_SECOND,
                burst=settings.LINGUA_WRONG_CREDENTIAL_BURST,
                free_logins=settings.LINGUA_LOGIN_FREE_TRIES,
                longest_login_wait_ms=settings.LINGUA_LOGIN_MAX_WAIT_S * 1000,
            ),
            most_node_ids=settings.LINGUA_PRINCIPAL_MAX_NODE_IDS,
            most_listeners=rooms.LINGUA_ROOM_MAX_LISTENERS,
            claim_ms=(settings.LINGUA_NODE_STALE_S or _CLAIMED_FOR_S) * 1000,
        ),
        frame_rate=(
            settings.LINGUA_PRINCIPAL_FRAME_RATE_PER_S,
            settings.LINGUA_PRINCIPAL_FRAME_BURST,
        ),
        guards_nodes=settings.LINGUA_NODE_AUTH,
        guards_sessions=settings.LINGUA_SESSION_AUTH,
        proxies=tuple(settings.LINGUA_TRUSTED_PROXIES),
        scrapers=tuple(settings.LINGUA_METRICS_ALLOW),
        ticket_ms=settings.LINGUA_TICKET_TTL_S * 1000,
        listen_ticket_ms=settings.LINGUA_LISTEN_TICKET_TTL_S * 1000,
        credential_ms=settings.LINGUA_CREDENTIAL_TTL_S * 1000,
        check_ms=settings.LINGUA_REVOCATION_CHECK_MS,
        pairing_code_ms=round(clients.LINGUA_PAIRING_CODE_S * 1000),
        single_sign_on=_read_single_sign_on(),
    )


def _read_single_sign_on() -> LoginProvider | None:
    if not settings.LINGUA_OIDC_ISSUER:
        return None
    return LoginProvider(
        issuer=settings.LINGUA_OIDC_ISSUER,
        client_id=settings.LINGUA_OIDC_CLIENT_ID,
        client_secret=settings.LINGUA_OIDC_CLIENT_SECRET,
        claim=settings.LINGUA_OIDC_CLAIM,
        roles=settings.OIDC_ROLES_BY_GROUP,
        session_s=settings.LINGUA_OIDC_SESSION_S,
    )


def _read_sessions() -> SessionConfiguration:
    return SessionConfiguration(
        limits=read_session_limits(),
        outbound=OutboundLimits(
            most_bytes=settings.LINGUA_SESSION_OUTBOUND_MAX_BYTES,
            most_frames=settings.LINGUA_SESSION_OUTBOUND_MAX_MESSAGES,
        ),
        rate=(settings.LINGUA_SESSION_RATE_PER_S, settings.LINGUA_SESSION_BURST),
        principal_rate=(
            settings.LINGUA_PRINCIPAL_FRAME_RATE_PER_S,
            settings.LINGUA_PRINCIPAL_FRAME_BURST,
        ),
        most_sessions=settings.LINGUA_SOCKET_MAX_SESSIONS,
        most_frame_bytes=settings.LINGUA_SESSION_MAX_FRAME_BYTES,
        use_binary_frames=settings.LINGUA_SESSION_BINARY_FRAMES,
        grace_s=settings.LINGUA_SESSION_GRACE_S,
    )


def _read_listeners() -> ListenerConfiguration:
    return ListenerConfiguration(
        outbound=OutboundLimits(
            most_bytes=_MOST_WAITING_BYTES, most_frames=rooms.LINGUA_LISTENER_MAX_WAITING
        )
    )


def _read_nodes() -> NodeConfiguration:
    return NodeConfiguration(
        outbound=OutboundLimits(
            most_bytes=settings.LINGUA_NODE_OUTBOUND_MAX_BYTES,
            most_frames=settings.LINGUA_NODE_OUTBOUND_MAX_MESSAGES,
        ),
        most_frame_bytes=settings.LINGUA_NODE_MAX_FRAME_BYTES,
        idle_ms=round(settings.LINGUA_NODE_POLL_IDLE_S * 1000),
        heartbeat_ms=round(settings.LINGUA_HEARTBEAT_INTERVAL_S * 1000),
    )


def _read_mirrors() -> MirrorConfiguration:
    are_kept = settings.LINGUA_MIRRORS
    return MirrorConfiguration(
        node_caps=are_kept and settings.LINGUA_MIRROR_NODE_CAPS,
        node_caps_ms=settings.LINGUA_MIRROR_NODE_CAPS_TTL_S * 1000,
        session_bind=are_kept and settings.LINGUA_MIRROR_SESSION_BIND,
        session_bind_ms=settings.LINGUA_MIRROR_SESSION_BIND_TTL_S * 1000,
        stats=are_kept and settings.LINGUA_MIRROR_STATS,
        stats_ms=settings.LINGUA_MIRROR_STATS_TTL_S * 1000,
        stats_interval_s=settings.LINGUA_MIRROR_STATS_INTERVAL_MS / 1000,
    )
