"""What was heard, in the forms that OpenAI's clients ask for."""

from typing import Any

import msgspec

from scheduling.model.outcomes import Result
from sockets.endpoints import HttpAnswer

_TEXT = "text/plain; charset=utf-8"
# What only the model itself could tell, and nodes do not.
_NOT_MEASURED = {
    "seek": 0,
    "tokens": [],
    "temperature": 0.0,
    "avg_logprob": 0.0,
    "compression_ratio": 0.0,
    "no_speech_prob": 0.0,
}


def write_answer(
    text: str, *, task: str, language: str, duration_ms: int, form: str, with_segments: bool
) -> HttpAnswer:
    """Return `text` in the wanted form; its one segment is the whole recording."""
    match form:
        case "text":
            return _write_text(f"{text}\n")
        case "srt":
            span = f"{_stamp(0, ',')} --> {_stamp(duration_ms, ',')}"
            return _write_text(f"1\n{span}\n{_one_cue(text)}\n\n" if text else "")
        case "vtt":
            span = f"{_stamp(0, '.')} --> {_stamp(duration_ms, '.')}"
            cue = f"{span}\n{_one_cue(text)}\n\n" if text else ""
            return _write_text(f"WEBVTT\n\n{cue}")
        case "verbose_json":
            seconds = duration_ms / 1000
            body: dict[str, Any] = {
                "task": task,
                "language": language,
                "duration": seconds,
                "text": text,
            }
            if with_segments:
                segment = {"id": 0, "start": 0.0, "end": seconds, "text": text, **_NOT_MEASURED}
                body["segments"] = [segment] if text else []
            return HttpAnswer(body=msgspec.json.encode(body))
        case _:
            usage = {"type": "duration", "seconds": -(-duration_ms // 1000)}
            return HttpAnswer(body=msgspec.json.encode({"text": text, "usage": usage}))


def find_language(wanted: str, result: Result) -> str:
    """Return the language that was spoken: as it was named, else as the node heard it."""
    if wanted != "auto":
        return wanted
    heard = (result.extra or {}).get("language_probabilities") or {}
    return max(heard, key=lambda tag: heard[tag]) if heard else "unknown"


def _write_text(text: str) -> HttpAnswer:
    return HttpAnswer(body=text.encode(), media_type=_TEXT)


def _one_cue(text: str) -> str:
    """Return text that ends no cue and begins none: in both forms an empty line does."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line).replace("-->", "->")


def _stamp(moment_ms: int, point: str) -> str:
    seconds, ms = divmod(moment_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"
