"""The OpenAPI description of work over HTTP, made from the messages themselves."""

from collections.abc import Mapping
from typing import Any

import msgspec

import nodes.http_messages
import nodes.messages
import sessions_app.http_messages
import sessions_app.http_room_messages
from scheduling.model.reports import JobReport
from sockets.endpoints import Problem

Json = dict[str, Any]

_PREFIX = "Work"
_REF = f"#/components/schemas/{_PREFIX}{{name}}"
_JSON, _BYTES = "application/json", "application/octet-stream"
_MEMBER_TOKEN: Json = {
    "name": "X-Lingua-Member-Token",
    "in": "header",
    "description": "Of a member of a room: what shows that the job is its own.",
    "schema": {"type": "string"},
}
_REFUSALS = {
    400: "The message cannot be used as it is.",
    401: "No valid credential.",
    403: "The credential does not allow this, or the node id or room is another's.",
    404: "There is no such job, session, audio or room, or it is not the caller's.",
    409: "The node must register, the attempt is no longer the job's, or the room is full.",
    413: "The body is too long.",
    415: "The body is of another type.",
    422: "No node may serve this.",
    429: "Too many requests; `details.retry_after_ms` says when to try again.",
    503: "Nothing was accepted; try again shortly.",
}


class Messages(msgspec.Struct, frozen=True):
    """What there is for a node: the same messages as over a socket."""

    messages: list[dict[str, Any]]
    number: int | None = None


# Path, method: the request, the answers by status, what it is for.
_PATHS: tuple[tuple[str, str, Any, Mapping[int, Any], str, str], ...] = (
    (
        *("/v1/node/register", "post", nodes.messages.RegisterNode),
        {200: nodes.http_messages.RegisteredOverHttp},
        *("nodeRegister", "Register a node that works over HTTP."),
    ),
    (
        *("/v1/node/heartbeat", "post", nodes.http_messages.BeatOverHttp),
        {200: nodes.http_messages.Noted},
        *("nodeHeartbeat", "Say that a node lives, and how it is."),
    ),
    (
        *("/v1/node/poll", "post", nodes.http_messages.PollWork),
        {200: Messages},
        *("nodePoll", "Fetch what there is for a node; waits for it up to `wait_ms`."),
    ),
    (
        *("/v1/job/ack", "post", nodes.http_messages.AckJob),
        {200: nodes.http_messages.Noted},
        *("jobAck", "Say that a node has a job, or works on it."),
    ),
    (
        *("/v1/job/done", "post", nodes.http_messages.DoneJob),
        {200: nodes.http_messages.Noted},
        *("jobDone", "Give a job's result."),
    ),
    (
        *("/v1/job/decline", "post", nodes.http_messages.DeclineJob),
        {200: nodes.http_messages.Noted},
        *("jobDecline", "Say that a node would not take a job, before it was accepted."),
    ),
    (
        *("/v1/job/fail", "post", nodes.http_messages.FailJob),
        {200: nodes.http_messages.Noted},
        *("jobFail", "Say that a node could not do a job."),
    ),
    (
        *("/v1/dispatch/f2f", "post", sessions_app.http_messages.DispatchUtterance),
        dict.fromkeys(
            (200, 202),
            (sessions_app.http_messages.Dispatched, sessions_app.http_messages.DispatchedToSeveral),
        ),
        *("dispatchF2f", "Dispatch an utterance; 202 while it waits for a slot."),
    ),
    (
        *("/v1/room/create", "post", sessions_app.http_room_messages.EnterRoom),
        {201: sessions_app.http_room_messages.Seated},
        *("roomCreate", "Open a room, and be its host; `room_code` is not named."),
    ),
    (
        *("/v1/room/join", "post", sessions_app.http_room_messages.EnterRoom),
        {201: sessions_app.http_room_messages.Seated},
        *("roomJoin", "Come into a room, to speak there by `/v1/dispatch/f2f`."),
    ),
    (
        *("/v1/room/language", "post", sessions_app.http_room_messages.ChooseLanguage),
        {200: sessions_app.http_room_messages.LanguageNoted},
        *("roomLanguage", "Listen in another language in a room."),
    ),
    (
        *("/v1/room/leave", "post", sessions_app.http_room_messages.Membership),
        {200: sessions_app.http_room_messages.Departed},
        *("roomLeave", "Leave a room."),
    ),
    (
        *("/v1/room/end", "post", sessions_app.http_room_messages.Membership),
        {200: sessions_app.http_room_messages.Departed},
        *("roomEnd", "End a room for everybody; whoever opened it may."),
    ),
    (
        *("/v1/audio", "post", bytes),
        {201: sessions_app.http_messages.Kept},
        *("audio", "Send audio ahead, to name it as `audio_ref`."),
    ),
    (
        *("/v1/job/{job_id}", "get", None),
        {200: JobReport},
        *("jobReport", "Where a job stands, and what it ended in."),
    ),
    (
        *("/v1/job/{job_id}", "delete", None),
        {200: JobReport},
        *("jobCancel", "End a job nobody waits for; answers where it stands then."),
    ),
)


def describe_http_api(result: Json, **_seen: Any) -> Json:
    """Add the paths below ``/v1/`` to the description; drf-spectacular calls it at the end."""
    described = result.setdefault("components", {}).setdefault("schemas", {})
    types = [Problem]
    for _, _, asked, answers, _, _ in _PATHS:
        types += [one for one in (asked, *_flatten(answers)) if one not in (None, bytes)]
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    for name, schema in components.items():
        # A path says what its message is: the tag that tells frames of a socket apart is not sent.
        if "type" in schema.get("properties", {}):
            schema["properties"].pop("type")
            schema["required"] = [field for field in schema["required"] if field != "type"]
        described[f"{_PREFIX}{name}"] = schema
    for path, method, asked, answers, operation_id, summary in _PATHS:
        responses = {**answers, **dict.fromkeys(_REFUSALS, Problem)}
        operation: Json = {
            "operationId": operation_id,
            "summary": summary,
            "tags": ["work"],
            "security": [{"token": []}, {}],
            "responses": {
                str(status): {
                    "description": _REFUSALS.get(status, summary),
                    "content": {_JSON: {"schema": _refer(answer)}},
                }
                for status, answer in responses.items()
            },
        }
        if asked is bytes:
            sound = {"type": "string", "format": "binary"}
            operation["requestBody"] = {"required": True, "content": {_BYTES: {"schema": sound}}}
        elif asked is not None:
            content = {_JSON: {"schema": _refer(asked)}}
            operation["requestBody"] = {"required": True, "content": content}
        else:
            operation["parameters"] = [
                {"name": "job_id", "in": "path", "required": True, "schema": {"type": "string"}},
                _MEMBER_TOKEN,
            ]
        result["paths"].setdefault(path, {})[method] = operation
    return result


def _flatten(answers: Mapping[int, Any]) -> list[Any]:
    """Return every type that is answered; a tuple holds several for one status."""
    return [
        one
        for answer in answers.values()
        for one in (answer if isinstance(answer, tuple) else (answer,))
    ]


def _refer(kind: Any) -> Json:
    if isinstance(kind, tuple):
        return {"anyOf": [_refer(one) for one in kind]}
    return {"$ref": _REF.format(name=kind.__name__)}
