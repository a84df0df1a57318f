"""What speakers and nodes send, as dictionaries that a test may change."""

import base64
import itertools
import string
from typing import Any

AUDIO = base64.b64encode(b"\1\0" * 8_000).decode()

Frame = dict[str, Any]
# Four letters that no language has; 8,788 pairs in all.
_heads = zip(string.ascii_lowercase[::2], string.ascii_lowercase[1::2], strict=True)
_tails = itertools.product(string.ascii_lowercase, repeat=2)
_pairs = itertools.product(_heads, _tails)


def draw_languages() -> tuple[str, str]:
    """Return a pair no other test speaks, so that only this test's nodes can serve it."""
    (source, target), tail = next(_pairs)
    return f"x{source}{''.join(tail)}", f"x{target}{''.join(tail)}"


def init_frame(languages: tuple[str, str]) -> Frame:
    return {
        "type": "session_init",
        "client_version": "test",
        "platform": "web",
        "src_lang": languages[0],
        "tgt_lang": languages[1],
    }


def utterance_frame(session_id: str, index: int, languages: tuple[str, str]) -> Frame:
    return {
        "type": "utterance",
        "session_id": session_id,
        "utterance_index": index,
        "manual_cut": True,
        "src_lang": languages[0],
        "tgt_lang": languages[1],
        "audio": AUDIO,
        "audio_format": "pcm16",
        "sample_rate": 16_000,
    }


def register_frame(languages: tuple[str, str]) -> Frame:
    """Return how a node that acknowledges registers; it offers two slots."""
    both = list(languages)
    return {
        "type": "node_register",
        "version": "2.0.0",
        "capability_schema_version": "2.0",
        "platform": "linux",
        "hardware": {"cpu_cores": 4, "memory_gb": 8, "gpus": [{"name": "Test", "memory_gb": 8}]},
        "installed_models": [],
        "installed_services": [
            {"service_id": f"test-{kind}", "type": kind, "device": "gpu", "status": "running"}
            for kind in ("asr", "nmt", "tts", "semantic")
        ],
        "capability_by_type": [
            {"type": kind, "ready": True} for kind in ("asr", "nmt", "tts", "semantic")
        ],
        "features_supported": {},
        "accept_public_jobs": True,
        "language_capabilities": {
            "asr_languages": both,
            "tts_languages": both,
            "semantic_languages": both,
        },
        "advanced_features": ["job_ack"],
        "max_concurrent_jobs": 2,
    }


def heartbeat_frame(node_id: str) -> Frame:
    return {
        "type": "node_heartbeat",
        "node_id": node_id,
        "timestamp": 1_795_190_115_806,
        "resource_usage": {
            "cpu_percent": 10.5,
            "mem_percent": 20.5,
            "gpu_percent": 12,
            "gpu_mem_percent": 25.0,
            "running_jobs": 0,
        },
    }


def opus(decoded_bytes: int) -> bytes:
    """Return length-prefixed packets of exactly that many bytes; their content is not speech."""
    audio = bytearray()
    while (rest := decoded_bytes - len(audio)) > 0:
        size = rest - 2 if rest <= 82 else 78
        audio += size.to_bytes(2, "little") + bytes([0x48]) * size
    return bytes(audio)
