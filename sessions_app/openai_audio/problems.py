"""Refusals in the shape that OpenAI's clients read."""

import http
from typing import Any

import msgspec

from scheduling.model.errors import BadInput, Refusal
from sockets.endpoints import HttpAnswer, find_status, refuse

_INVALID, _SERVER = "invalid_request_error", "server_error"
# Ours, and the status and the code that clients know for it.
_KNOWN = {
    "UNAUTHORIZED": (http.HTTPStatus.UNAUTHORIZED, "invalid_api_key"),
    "RATE_LIMITED": (http.HTTPStatus.TOO_MANY_REQUESTS, "rate_limit_exceeded"),
    "NO_CAPABLE_NODE": (http.HTTPStatus.BAD_REQUEST, "unsupported_language"),
}
# What a job that was accepted may end in, and is worth another try in a moment.
_TRY_AGAIN = {"NO_AVAILABLE_NODE", "DEADLINE_EXCEEDED", "SCHEDULER_DEPENDENCY_DOWN", "DRAINING"}


class WrongField(BadInput):
    """A field of a form that cannot be taken; `param` is its name."""

    def __init__(self, message: str, *, param: str, code: str = "invalid_value") -> None:
        super().__init__(message, code="INVALID_MESSAGE")
        self.param = param
        self.word = code


class _Problem(msgspec.Struct, frozen=True):
    message: str
    type: str
    param: str | None
    code: str | None


def refuse_as_openai(refusal: Refusal) -> HttpAnswer:
    """Return the answer that tells of a refusal, with the status that clients go by."""
    status, code = _KNOWN.get(refusal.code, (find_status(refusal), refusal.code.lower()))
    param = None
    if isinstance(refusal, WrongField):
        param, code = refusal.param, refusal.word
    elif refusal.code in {"INVALID_AUDIO", "TOO_LARGE"}:
        param = "file"
    elif refusal.code == "NO_CAPABLE_NODE":
        param = "language"
    kind = _SERVER if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR else _INVALID
    if status == http.HTTPStatus.TOO_MANY_REQUESTS:
        kind = "requests"
    problem = _Problem(message=str(refusal), type=kind, param=param, code=code)
    return msgspec.structs.replace(refuse(refusal), body=_encode(problem), status=int(status))


def fail_as_openai(code: str, message: str) -> HttpAnswer:
    """Return the answer to a request that was accepted and has no result."""
    status = http.HTTPStatus.INTERNAL_SERVER_ERROR
    if code in _TRY_AGAIN:
        status = http.HTTPStatus.SERVICE_UNAVAILABLE
    problem = _Problem(message=message, type=_SERVER, param=None, code=code.lower())
    return HttpAnswer(body=_encode(problem), status=int(status))


def _encode(problem: _Problem) -> bytes:
    body: dict[str, Any] = {"error": problem}
    return msgspec.json.encode(body)
