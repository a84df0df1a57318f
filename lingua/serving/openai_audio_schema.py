"""The OpenAPI description of OpenAI's audio paths: their forms, answers and refusals (RE9)."""

from typing import Any

from sessions_app.openai_audio.forms import FORMATS

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_PROBLEM: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": _TEXT,
                "type": _TEXT,
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_ANSWER: Json = {
    "type": "object",
    "required": ["text"],
    "properties": {
        "text": _TEXT,
        "usage": {"type": "object"},
        "task": _TEXT,
        "language": _TEXT,
        "duration": {"type": "number"},
        "segments": {"type": "array", "items": {"type": "object"}},
    },
}
_FORM: Json = {
    "type": "object",
    "required": ["file", "model"],
    "properties": {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "WAV with PCM of one channel and 16 bits.",
        },
        "model": {"type": "string", "description": "Whatever it says: nodes choose."},
        "language": {"type": "string", "description": "What is spoken; absent: it is found out."},
        "response_format": {"type": "string", "enum": list(FORMATS), "default": "json"},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1},
        "timestamp_granularities[]": {
            "type": "array",
            "items": {"type": "string", "enum": ["segment"]},
        },
        "prompt": {"type": "string", "description": "Not heeded."},
    },
}
_REFUSALS = {
    400: "A field cannot be taken, `error.param` names it, or nobody hears this language.",
    401: "No valid credential.",
    403: "The credential does not allow this.",
    413: "The file is too long.",
    415: "It is no form.",
    429: "Too many requests.",
    500: "The job ended without a result.",
    503: "Nothing was accepted, or no node was free; try again shortly.",
}
_PATHS = (
    ("/v1/audio/transcriptions", "audioTranscription", "What a recording says, as it was said."),
    ("/v1/audio/translations", "audioTranslation", "What a recording says, in English."),
)


def describe_openai_audio(result: Json, **_seen: Any) -> Json:
    """Add both paths to the description; drf-spectacular calls it at the end."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas |= {"OpenAIForm": _FORM, "OpenAIAnswer": _ANSWER, "OpenAIProblem": _PROBLEM}
    for path, operation_id, summary in _PATHS:
        given = {
            "description": summary,
            "content": {
                "application/json": {"schema": _refer("OpenAIAnswer")},
                "text/plain": {"schema": _TEXT},
            },
        }
        refused = {
            str(status): {
                "description": why,
                "content": {"application/json": {"schema": _refer("OpenAIProblem")}},
            }
            for status, why in _REFUSALS.items()
        }
        form = {"multipart/form-data": {"schema": _refer("OpenAIForm")}}
        result["paths"][path] = {
            "post": {
                "operationId": operation_id,
                "summary": summary,
                "tags": ["work"],
                "security": [{"token": []}, {}],
                "requestBody": {"required": True, "content": form},
                "responses": {"200": given, **refused},
            }
        }
    return result


def _refer(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
