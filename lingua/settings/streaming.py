"""The settings of speech that nodes hear while it is spoken: a part of `lingua.settings`."""

from lingua.settings.env import env_int, env_str

# Whether nodes hear utterances while they are spoken; off, all go whole.
LINGUA_STREAMING = env_str("LINGUA_STREAMING", default="on", choices=("off", "on"))
# Audio of one utterance that is kept for nodes that hear it; a longer one goes whole.
LINGUA_STREAMING_UTTERANCE_BYTES = env_int(
    "LINGUA_STREAMING_UTTERANCE_BYTES", default=640 * 1024, minimum=1024
)
# What one process keeps of all of them; beyond, utterances that begin go whole.
LINGUA_STREAMING_MOST_BYTES = env_int(
    "LINGUA_STREAMING_MOST_BYTES", default=256 * 1024 * 1024, minimum=0
)
