"""The keys that seal what was said where it stands in Redis.

A part of `lingua.settings`, which takes it over; read by nobody else.
"""

import importlib.util
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from lingua.settings.env import env_secrets

# Keys that seal speech, transcripts and translations in Redis, comma-separated, or the absolute
# path of a file with one a line: the first one seals, all open. Empty: they stand there readable.
LINGUA_PAYLOAD_KEYS = env_secrets("LINGUA_PAYLOAD_KEYS")
if LINGUA_PAYLOAD_KEYS and importlib.util.find_spec("cryptography") is None:
    raise ImproperlyConfigured("LINGUA_PAYLOAD_KEYS needs more: pip install -r requirements.txt")


def seal_layer() -> dict[str, Any]:
    """Return what makes a channel layer seal what it carries, as all of them take it."""
    keys = LINGUA_PAYLOAD_KEYS
    return {"symmetric_encryption_keys": keys} if keys else {}
