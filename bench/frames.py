"""The frames of the load: what a speaker and a node say, cheap to build and cheap to read."""

import base64
import json

import msgspec

AUDIO_BYTES = 15_750  # an utterance of some seconds in Opus
AUDIO_BASE64_BYTES = 21_000
FIRST_INDEX = 1
# What the shipped probe of English says: nodes of the load are good ones.
_TEXT_ASR = "go forward ten meters to the station"
_TEXT_TRANSLATED = "avance diez metros hasta la estación"
_LANGUAGES = ["en", "es", "de", "fr"]
_SERVICES = ("asr", "nmt", "tts")
_WEBSOCKET_TEXT = 0x81
_SHORT, _MEDIUM = 126, 127
_MOST_MEDIUM = 0xFFFF
_MASK_BIT = 0x80
_NO_MASK = b"\0\0\0\0"  # a legal mask that leaves the payload as it is


class FromServer(msgspec.Struct):
    """What a client of the load needs of any frame it gets."""

    type: str
    job_id: str = ""
    attempt_id: int = 0
    session_id: str = ""
    utterance_index: int = 0
    trace_id: str = ""
    node_id: str = ""
    code: str = ""
    reason: str = ""


decode = msgspec.json.Decoder(FromServer).decode


def wrap(payload: bytes) -> bytes:
    """Return one masked text frame around `payload`, as a client must send it."""
    size = len(payload)
    if size < _SHORT:
        head = bytes((_WEBSOCKET_TEXT, _MASK_BIT | size))
    elif size <= _MOST_MEDIUM:
        head = bytes((_WEBSOCKET_TEXT, _MASK_BIT | _SHORT)) + size.to_bytes(2, "big")
    else:
        head = bytes((_WEBSOCKET_TEXT, _MASK_BIT | _MEDIUM)) + size.to_bytes(8, "big")
    return head + _NO_MASK + payload


def handshake(host: str, path: str) -> bytes:
    """Return the request that opens a socket at `path`."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def open_session() -> bytes:
    return _encode(
        {
            "type": "session_init",
            "client_version": "bench",
            "platform": "linux",
            "src_lang": "en",
            "tgt_lang": "es",
        }
    )


class Utterances:
    """A session's utterances, all alike but for their index."""

    def __init__(self, session_id: str) -> None:
        audio = base64.b64encode(bytes(AUDIO_BYTES)).decode()
        text = json.dumps(
            {
                "type": "utterance",
                "session_id": session_id,
                "utterance_index": 0,
                "manual_cut": True,
                "src_lang": "en",
                "tgt_lang": "es",
                "audio": audio,
                "audio_format": "opus",
                "sample_rate": 16_000,
                "trace_id": f"trace-{session_id}",
            }
        )
        before, after = text.split('"utterance_index": 0')
        self._before = f'{before}"utterance_index": '.encode()
        self._after = after.encode()

    def build(self, index: int) -> bytes:
        return wrap(self._before + str(index).encode() + self._after)


def samples() -> dict[str, str]:
    """Return one text of each frame that peers send, by its type."""
    job = FromServer(
        type="job_assign",
        job_id="job-0000ABCD-0123456789ab",
        attempt_id=1,
        session_id="s-0000ABCD",
        utterance_index=1,
        trace_id="trace",
    )
    node_id = "node-0000ABCD"
    chunk = {
        "type": "audio_chunk",
        "session_id": "s-0000ABCD",
        "seq": 1,
        "is_final": False,
        "payload": base64.b64encode(bytes(3_200)).decode(),
    }
    beat = {"type": "client_heartbeat", "session_id": "s-0000ABCD", "timestamp": 0}
    wrapped = {
        "utterance": Utterances("s-0000ABCD").build(1),
        "session_init": open_session(),
        "audio_chunk": _encode(chunk),
        "client_heartbeat": _encode(beat),
        "node_register": register_node(slots=4),
        "node_heartbeat": heartbeat(node_id),
        "job_ack": acknowledge(job, node_id),
        "job_result": answer(job, node_id, speech="A" * AUDIO_BASE64_BYTES),
    }
    return {name: frame[frame.index(b"{") :].decode() for name, frame in wrapped.items()}


def register_node(*, slots: int, acknowledges: bool = True) -> bytes:
    return _encode(
        {
            "type": "node_register",
            "version": "2.0.0",
            "capability_schema_version": "2.0",
            "platform": "linux",
            "hardware": {"cpu_cores": 8, "memory_gb": 16},
            "installed_services": [
                {"service_id": f"{kind}-1", "type": kind, "status": "running"} for kind in _SERVICES
            ],
            "capability_by_type": [{"type": kind, "ready": True} for kind in _SERVICES],
            "accept_public_jobs": True,
            "advanced_features": ["job_ack"] if acknowledges else [],
            "max_concurrent_jobs": slots,
            "language_capabilities": {
                "asr_languages": _LANGUAGES,
                "tts_languages": _LANGUAGES,
                "nmt_capabilities": [{"rule": "any_to_any", "languages": _LANGUAGES}],
            },
        }
    )


def heartbeat(node_id: str) -> bytes:
    return _encode(
        {
            "type": "node_heartbeat",
            "node_id": node_id,
            "timestamp": 0,
            "resource_usage": {"cpu_percent": 20.0, "mem_percent": 40.0, "running_jobs": 0},
        }
    )


def acknowledge(job: FromServer, node_id: str) -> bytes:
    return wrap(
        f'{{"type":"job_ack","job_id":"{job.job_id}","attempt_id":{job.attempt_id},'
        f'"node_id":"{node_id}","session_id":"{job.session_id}","trace_id":"{job.trace_id}"}}'.encode()
    )


def answer(job: FromServer, node_id: str, *, speech: str) -> bytes:
    """Return a job's result; `speech` is the base64 of what the node says."""
    return wrap(
        f'{{"type":"job_result","job_id":"{job.job_id}","attempt_id":{job.attempt_id},'
        f'"node_id":"{node_id}","session_id":"{job.session_id}",'
        f'"utterance_index":{job.utterance_index},"success":true,"trace_id":"{job.trace_id}",'
        f'"text_asr":"{_TEXT_ASR}","text_translated":"{_TEXT_TRANSLATED}",'
        f'"tts_audio":"{speech}","tts_format":"opus","processing_time_ms":12}}'.encode()
    )


def refuse(number: int, node_id: str) -> bytes:
    """Return a MODEL_NOT_AVAILABLE about the `number`th job of a session there never was."""
    return _encode(
        {
            "type": "job_result",
            "job_id": f"job-5708A000-{number:012x}",
            "attempt_id": 1,
            "node_id": node_id,
            "session_id": "s-5708A000",
            "utterance_index": number,
            "success": False,
            "trace_id": "storm",
            "error": {
                "code": "MODEL_NOT_AVAILABLE",
                "message": "The model is not loaded.",
                "details": {"service_id": f"{_SERVICES[number % len(_SERVICES)]}-1"},
            },
        }
    )


def _encode(message: dict[str, object]) -> bytes:
    return wrap(json.dumps(message).encode())
