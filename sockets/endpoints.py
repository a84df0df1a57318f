"""Paths that take one JSON message and answer with another, on the instance's own event loop."""

import contextlib
import http
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from scheduling.model.credentials import Principal
from scheduling.model.errors import BadInput, Refusal
from sockets.reader import UNDECODABLE, MessageReader, ReadMessage, Unreadable
from sockets.request_auth import RequestAuth
from sockets.socket_auth import find_header

logger = logging.getLogger(__name__)

Incoming = TypeVar("Incoming")

_JSON = "application/json"
_MEMBER_TOKEN = b"x-lingua-member-token"
_STATUSES = {
    "INVALID_MESSAGE": http.HTTPStatus.BAD_REQUEST,
    "INVALID_AUDIO": http.HTTPStatus.BAD_REQUEST,
    "INVALID_CAPABILITY_SCHEMA": http.HTTPStatus.BAD_REQUEST,
    "NO_GPU_AVAILABLE": http.HTTPStatus.BAD_REQUEST,
    "FOREIGN_HOST": http.HTTPStatus.BAD_REQUEST,
    "CALLBACK_FORBIDDEN": http.HTTPStatus.BAD_REQUEST,
    "UNAUTHORIZED": http.HTTPStatus.UNAUTHORIZED,
    "FORBIDDEN": http.HTTPStatus.FORBIDDEN,
    "FOREIGN_ORIGIN": http.HTTPStatus.FORBIDDEN,
    "NODE_ID_FORBIDDEN": http.HTTPStatus.FORBIDDEN,
    "NOT_HOST": http.HTTPStatus.FORBIDDEN,
    "NOT_FOUND": http.HTTPStatus.NOT_FOUND,
    "NO_SUCH_AUDIO": http.HTTPStatus.NOT_FOUND,
    "NO_SUCH_JOB": http.HTTPStatus.NOT_FOUND,
    "INVALID_SESSION": http.HTTPStatus.NOT_FOUND,
    "ROOM_NOT_FOUND": http.HTTPStatus.NOT_FOUND,
    "METHOD_NOT_ALLOWED": http.HTTPStatus.METHOD_NOT_ALLOWED,
    "NODE_ID_CONFLICT": http.HTTPStatus.CONFLICT,
    "NODE_UNAVAILABLE": http.HTTPStatus.CONFLICT,
    "STALE_ATTEMPT": http.HTTPStatus.CONFLICT,
    "ALREADY_ACCEPTED": http.HTTPStatus.CONFLICT,
    "ROOM_FULL": http.HTTPStatus.CONFLICT,
    "TOO_MANY_LANGUAGES": http.HTTPStatus.CONFLICT,
    "TOO_LARGE": http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "UNSUPPORTED_MEDIA_TYPE": http.HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "NO_CAPABLE_NODE": http.HTTPStatus.UNPROCESSABLE_ENTITY,
    "PREFERRED_NODE_NOT_CAPABLE": http.HTTPStatus.UNPROCESSABLE_ENTITY,
    "RATE_LIMITED": http.HTTPStatus.TOO_MANY_REQUESTS,
    "NO_AVAILABLE_NODE": http.HTTPStatus.SERVICE_UNAVAILABLE,
    "DEADLINE_EXCEEDED": http.HTTPStatus.SERVICE_UNAVAILABLE,
    "SCHEDULER_DEPENDENCY_DOWN": http.HTTPStatus.SERVICE_UNAVAILABLE,
    "DRAINING": http.HTTPStatus.SERVICE_UNAVAILABLE,
    "PAYLOAD_UNREADABLE": http.HTTPStatus.SERVICE_UNAVAILABLE,
}


class Problem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why a request was refused: `error` is stable, `detail` is for people."""

    error: str
    detail: str
    details: Any = None


class HttpAnswer(msgspec.Struct, frozen=True):
    """What a request is answered with; `body` is encoded already."""

    body: bytes
    status: int = 200
    retry_after_s: int = 1
    media_type: str = _JSON
    on_sent: Callable[[bool], None] | None = None


class Call(msgspec.Struct, Generic[Incoming], frozen=True):
    """One request: who asks, for what, and how to learn that it hung up.

    `sender` is whose share it uses up, also where nobody has to say who asks. `member_token` is
    what a member of a room shows where there is no body to show it in.
    """

    principal: Principal | None
    message: Incoming
    name: str
    wait_gone: Callable[[], Awaitable[None]]
    content_type: str = ""
    sender: str = ""
    member_token: str = ""


Answering = Callable[[Call[Any]], Awaitable[msgspec.Struct | HttpAnswer]]


class FlawListener(Protocol):
    """Who is told of bodies that were not as declared."""

    async def note_mended(self, principal: Principal | None, reading: ReadMessage[Any]) -> None:
        """A body was taken although it was not as declared."""

    async def note_unreadable(self, principal: Principal | None, unreadable: Unreadable) -> None:
        """A body could not be taken, and is refused."""


class Endpoint:
    """One method of one path: decode, one call of a service, encode.

    `reader` reads the body; None for one that is bytes, or absent where `has_body` is not so. A
    body of another type than `media_type` is refused: a page of another site cannot send it
    without being asked first. `refuse_as` writes refusals as the path's callers know them.
    """

    def __init__(
        self,
        answer: Answering,
        *,
        auth: RequestAuth,
        reader: MessageReader[Any] | None = None,
        flaws: FlawListener | None = None,
        has_body: bool = True,
        most_bytes: int,
        media_type: str = _JSON,
        refuse_as: Callable[[Refusal], HttpAnswer] | None = None,
    ) -> None:
        self._answer = answer
        self._auth = auth
        self._reader = reader
        self._flaws = flaws
        self._has_body = has_body
        self._most_bytes = most_bytes
        self._media_type = media_type
        self.refuse = refuse_as or refuse

    async def __call__(self, scope: Any, receive: Any, send: Any, *, name: str = "") -> None:
        """Answer one request; `name` is what its path ends with, where that varies."""
        try:
            answer = await self._take(scope, receive, name)
        except Refusal as refusal:
            answer = self.refuse(refusal)
        except _HungUp:
            return
        except Exception:
            logger.exception("a request could not be handled")
            answer = self.refuse(Refusal("The request could not be handled."))
        await respond(send, answer)

    async def _take(self, scope: Any, receive: Any, name: str) -> HttpAnswer:
        principal = await self._auth.identify(scope)
        body = await self._read(scope, receive)
        message: Any = body if self._has_body else None
        if self._reader is not None:
            try:
                message = self._reader.decode(body)
            except UNDECODABLE:
                self._auth.pay_for_flawed(scope, principal, size=len(body))
                message = await self._read_flawed(self._reader, principal, body)

        async def wait_gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        call = Call(
            principal=principal,
            message=message,
            name=name,
            wait_gone=wait_gone,
            content_type=find_header(scope, b"content-type"),
            sender=self._auth.name_sender(scope, principal),
            member_token=find_header(scope, _MEMBER_TOKEN),
        )
        answer = await self._answer(call)
        return (
            answer
            if isinstance(answer, HttpAnswer)
            else HttpAnswer(body=msgspec.json.encode(answer))
        )

    async def _read_flawed(
        self, reader: MessageReader[Any], principal: Principal | None, body: bytes
    ) -> Any:
        """Return what can be read of a body that is not as declared.

        :raises BadInput: not enough
        """
        try:
            reading = reader.read(body)
        except Unreadable as unreadable:
            if self._flaws is not None:
                await self._flaws.note_unreadable(principal, unreadable)
            raise BadInput(f"Invalid message: {unreadable}", code="INVALID_MESSAGE") from unreadable
        if self._flaws is not None:
            await self._flaws.note_mended(principal, reading)
        return reading.message

    async def _read(self, scope: Any, receive: Any) -> bytes:
        if self._has_body:
            kind = find_header(scope, b"content-type").partition(";")[0].strip().lower()
            if kind != self._media_type:
                raise BadInput(f"Send {self._media_type}.", code="UNSUPPORTED_MEDIA_TYPE")
        announced = find_header(scope, b"content-length")
        if announced.isdigit() and int(announced) > self._most_bytes:
            raise self._too_large()
        parts, size = [], 0
        async for part in _list_parts(receive):
            size += len(part)
            if size > self._most_bytes:
                raise self._too_large()
            parts.append(part)
        return b"".join(parts)

    def _too_large(self) -> BadInput:
        return BadInput(f"The body has more than {self._most_bytes} bytes.", code="TOO_LARGE")


class Endpoints:
    """The paths of a face: fixed ones by name, and one below which the rest of the path is a name.

    `paths` maps a path and a method to its endpoint; a path that ends with ``/`` takes one name.
    Who asks for what there is not is counted by `strangers`, whatever it shows.
    """

    def __init__(
        self, paths: Mapping[tuple[str, str], Endpoint], *, strangers: RequestAuth
    ) -> None:
        self._paths = paths
        self._strangers = strangers
        self._methods: dict[str, list[str]] = {}
        # Whoever asks beside a path is told in the words of those who ask for it.
        self._words: dict[str, Callable[[Refusal], HttpAnswer]] = {}
        for (path, method), endpoint in paths.items():
            self._methods.setdefault(path, []).append(method)
            self._words[path] = self._words[_name_folder(path)] = endpoint.refuse

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Bring a request to its endpoint; 404 and 405 where there is none."""
        path, name = scope["path"], ""
        if path not in self._methods:
            head, _, name = path.rpartition("/")
            path = f"{head}/"
        allowed = self._methods.get(path)
        if allowed is None or (path.endswith("/") and not name):
            unknown = BadInput("There is no such path.", code="NOT_FOUND")
            await self._turn_away(scope, send, unknown, beside=_name_folder(scope["path"]))
            return
        endpoint = self._paths.get((path, scope["method"]))
        if endpoint is None:
            wrong = BadInput("This path has no such method.", code="METHOD_NOT_ALLOWED")
            await self._turn_away(scope, send, wrong, beside=path, allow=", ".join(allowed))
            return
        await endpoint(scope, receive, send, name=name)

    async def _turn_away(
        self, scope: Any, send: Any, refusal: Refusal, *, beside: str, allow: str = ""
    ) -> None:
        try:
            await self._strangers.identify(scope)
        except Refusal as too_many:
            refusal = too_many
        await respond(send, self._words.get(beside, refuse)(refusal), allow=allow)


def _name_folder(path: str) -> str:
    """Return what a path lies in, whether or not it ends with a slash itself."""
    return path.rstrip("/").rpartition("/")[0] + "/"


def find_status(refusal: Refusal) -> int:
    """Return the status of a refusal; 500 for one without a status of its own."""
    return _STATUSES.get(refusal.code, http.HTTPStatus.INTERNAL_SERVER_ERROR)


def refuse(refusal: Refusal) -> HttpAnswer:
    """Return the answer that tells of a refusal; 500 for one without a status of its own."""
    problem = Problem(error=refusal.code, detail=str(refusal), details=refusal.details)
    status = find_status(refusal)
    said = refusal.details.get("retry_after_ms") if isinstance(refusal.details, dict) else None
    return HttpAnswer(
        body=msgspec.json.encode(problem),
        status=status,
        retry_after_s=max(math.ceil((said or 0) / 1000), 1),
    )


def list_headers(answer: HttpAnswer) -> list[tuple[bytes, bytes]]:
    """Return the headers an answer is sent with."""
    headers = [
        (b"content-type", answer.media_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    ]
    if answer.status == http.HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b'Bearer realm="lingua"'))
    if answer.status in {http.HTTPStatus.TOO_MANY_REQUESTS, http.HTTPStatus.SERVICE_UNAVAILABLE}:
        headers.append((b"retry-after", str(answer.retry_after_s).encode()))
    return headers


async def respond(send: Any, answer: HttpAnswer, *, allow: str = "") -> None:
    """Send an answer; whoever asked may be gone by then."""
    headers = list_headers(answer)
    if allow:
        headers.append((b"allow", allow.encode()))
    sent = False
    try:
        with contextlib.suppress(OSError):
            await send(
                {"type": "http.response.start", "status": int(answer.status), "headers": headers}
            )
            await send({"type": "http.response.body", "body": answer.body})
            sent = True
    finally:
        if answer.on_sent is not None:
            answer.on_sent(sent)


class _HungUp(Exception):
    """Whoever asked went away before the whole request was there."""


async def _list_parts(receive: Any) -> AsyncIterator[bytes]:
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise _HungUp
        yield event.get("body", b"")
        if not event.get("more_body"):
            return
