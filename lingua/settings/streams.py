"""Settings of the Streams channel layer: its reads, and when messages become dead letters.

A part of `lingua.settings`, which hands them to the layer; read by nobody else.
"""

from typing import Any

from lingua.settings.env import env_int

# How long a read of the inbox waits for messages before it asks again.
LINGUA_STREAM_BLOCK_MS = env_int("LINGUA_STREAM_BLOCK_MS", default=1_000, minimum=10)
# Messages that one read of the inbox brings at most.
LINGUA_STREAM_COUNT = env_int("LINGUA_STREAM_COUNT", default=256, minimum=1)
# Deliveries after which a message that nobody finishes becomes a dead letter.
LINGUA_DLQ_MAX_DELIVERIES = env_int("LINGUA_DLQ_MAX_DELIVERIES", default=10, minimum=1)
# How long a message must have been with nobody before it may become one.
LINGUA_DLQ_MIN_IDLE_MS = env_int("LINGUA_DLQ_MIN_IDLE_MS", default=60_000, minimum=100)
# How often such messages are looked for.
LINGUA_DLQ_SCAN_INTERVAL_MS = env_int("LINGUA_DLQ_SCAN_INTERVAL_MS", default=5_000, minimum=100)
# How many messages one look takes.
LINGUA_DLQ_SCAN_COUNT = env_int("LINGUA_DLQ_SCAN_COUNT", default=100, minimum=1)
# Dead letters that an instance keeps; beyond that the oldest go.
LINGUA_DLQ_MAXLEN = env_int("LINGUA_DLQ_MAXLEN", default=10_000, minimum=100)
# How long dead letters are kept.
LINGUA_DLQ_TTL_S = env_int("LINGUA_DLQ_TTL_S", default=604_800, minimum=60)

# As the layer takes them; what a dead letter says besides is ours.
OPTIONS: dict[str, Any] = {
    # What an instance took and never finished becomes a dead letter.
    "finish_on_next_receive": True,
    "block_ms": LINGUA_STREAM_BLOCK_MS,
    "read_count": LINGUA_STREAM_COUNT,
    "dlq_max_deliveries": LINGUA_DLQ_MAX_DELIVERIES,
    "dlq_min_idle_ms": LINGUA_DLQ_MIN_IDLE_MS,
    "dlq_scan_interval_ms": LINGUA_DLQ_SCAN_INTERVAL_MS,
    "dlq_scan_count": LINGUA_DLQ_SCAN_COUNT,
    "dlq_maxlen": LINGUA_DLQ_MAXLEN,
    "dlq_ttl_s": float(LINGUA_DLQ_TTL_S),
    "dead_letter_fields": (
        *("event_type", "node_id", "session_id", "job_id"),
        *("attempt_id", "instance"),
    ),
}
