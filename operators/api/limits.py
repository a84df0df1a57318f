"""How much one client may ask of pages, the API and the login, and what it is told beyond that."""

import logging
import math
from asyncio import iscoroutinefunction
from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import sync_and_async_middleware
from rest_framework.authentication import get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from operators.api.authentication import TokenAuthentication
from operators.console.instance import link
from operators.db.clients import find_address
from operators.db.installation import get_installation
from scheduling.model.credentials import PERSON
from scheduling.model.errors import DependencyDown, TooManyRequests
from sockets.client_address import name_sender

logger = logging.getLogger(__name__)

# Files cost next to nothing, and a page has many.
_FREE = "/static/"
_API = ("/api/", "/metrics")
_UNAUTHORIZED, _TOO_MANY, _FOUND = 401, 429, 302
_LOGIN_NAME_MAX = 150

Answer = Callable[[HttpRequest], HttpResponseBase]
AsyncAnswer = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def limit_requests(answer: Any) -> Any:
    """Count every request for whoever sends it, in this process, and refuse those beyond its share.

    A wrong token is counted for its address, and an address with too many shows no further one. A
    login waits the longer, the more of them failed.
    """
    if iscoroutinefunction(answer):
        return _in_loop(cast("AsyncAnswer", answer))
    return _in_thread(cast("Answer", answer))


def _in_loop(answer: AsyncAnswer) -> AsyncAnswer:
    async def limited(request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(_FREE):
            return await answer(request)
        refused = await sync_to_async(_refuse)(request)
        if refused is not None:
            return refused
        response = await answer(request)
        if _is_login(request) and response.status_code == _FOUND:
            await sync_to_async(_forgive)(request)
        return response

    return limited


def _in_thread(answer: Answer) -> Answer:
    def limited(request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(_FREE):
            return answer(request)
        refused = _refuse(request)
        if refused is not None:
            return refused
        response = answer(request)
        if _is_login(request) and response.status_code == _FOUND:
            _forgive(request)
        return response

    return limited


def _refuse(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to a request that goes no further, None for one that may."""
    sender = name_sender(find_address(request))
    try:
        name = _find_principal(request, sender) or _find_person(request) or sender
    except TooManyRequests as refusal:
        return _tell(request, str(refusal), wait_ms=refusal.details["retry_after_ms"])
    except AuthenticationFailed as failed:
        answer = JsonResponse({"detail": str(failed.detail)}, status=_UNAUTHORIZED)
        answer["WWW-Authenticate"] = 'Bearer realm="lingua"'
        return answer
    if wait_ms := get_installation().requests.take(name):
        return _tell(request, "You ask too often. Try again later.", wait_ms=wait_ms)
    if _is_login(request) and (wait_ms := _begin_login(request, sender)):
        told = "Too many logins failed. Wait, and try again."
        return _tell(request, told, wait_ms=wait_ms)
    return None


def _find_principal(request: HttpRequest, sender: str) -> str:
    """Return whose token a request shows, empty where it shows none.

    :raises TooManyRequests: its address showed too many wrong ones; this one is not looked up
    :raises AuthenticationFailed: the token is wrong
    """
    asked = cast("Request", request)
    shown = get_authorization_header(asked).decode("latin1").partition(" ")[2]
    if not shown:
        return ""
    link.check_credential(sender, shown)
    try:
        found = TokenAuthentication().authenticate(asked)
    except AuthenticationFailed:
        link.note_wrong(sender, shown)
        raise
    except DatabaseError:
        return ""
    if found is None:
        return ""
    link.note_good(shown)
    return found[1].principal_id


def _find_person(request: HttpRequest) -> str:
    try:
        return f"{PERSON}{request.user.pk}" if request.user.pk is not None else ""
    except DatabaseError:
        return ""


def _is_login(request: HttpRequest) -> bool:
    return request.method == "POST" and request.path == reverse("admin:login")


def _begin_login(request: HttpRequest, sender: str) -> int:
    try:
        return link.begin_login(sender, _name_login(request))
    except DependencyDown:
        # Operators must come in while Redis is away; an address has its share here all the same.
        logger.warning("logins are not counted: Redis does not answer")
        return 0


def _forgive(request: HttpRequest) -> None:
    try:
        link.end_login(name_sender(find_address(request)), _name_login(request))
    except DependencyDown:
        logger.warning("failed logins are not forgotten: Redis does not answer")


def _name_login(request: HttpRequest) -> str:
    return request.POST.get("username", "")[:_LOGIN_NAME_MAX]


def _tell(request: HttpRequest, text: str, *, wait_ms: float) -> HttpResponse:
    wait_s = max(math.ceil(wait_ms / 1000), 1)
    answer: HttpResponse
    if request.path.startswith(_API):
        told = {"error": "RATE_LIMITED", "message": text, "detail": text}
        answer = JsonResponse(told, status=_TOO_MANY)
    else:
        answer = render(request, "429.html", {"told": text, "wait_s": wait_s}, status=_TOO_MANY)
    answer["Retry-After"] = str(wait_s)
    return answer
