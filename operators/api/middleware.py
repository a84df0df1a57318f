"""What every request to the operators' side leaves in the audit log."""

from asyncio import iscoroutinefunction
from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from operators.console.permissions import find_console
from operators.db import audit
from operators.db.clients import find_address

_API = "/api/"
# Asking for a ticket changes nothing that is an operator's, and speakers do it all day.
_NOT_NOTED = frozenset({"/api/v1/tickets"})
_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

Answer = Callable[[HttpRequest], HttpResponseBase]
AsyncAnswer = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def audit_requests(answer: Any) -> Any:
    """Note whoever changes something through the API, whatever came of it.

    Of somebody unknown only the number is kept: nobody else says how many rows there will be.
    """
    if iscoroutinefunction(answer):
        return _in_loop(cast("AsyncAnswer", answer))
    return _in_thread(cast("Answer", answer))


def _in_loop(answer: AsyncAnswer) -> AsyncAnswer:
    async def audited(request: HttpRequest) -> HttpResponseBase:
        audit.address.set(find_address(request))
        response = await answer(request)
        if _is_change(request):
            await sync_to_async(_note)(request, response)
        return response

    return audited


def _in_thread(answer: Answer) -> Answer:
    def audited(request: HttpRequest) -> HttpResponseBase:
        audit.address.set(find_address(request))
        response = answer(request)
        if _is_change(request):
            _note(request, response)
        return response

    return audited


def _is_change(request: HttpRequest) -> bool:
    path = request.path
    return request.method in _CHANGES and path.startswith(_API) and path not in _NOT_NOTED


def _note(request: HttpRequest, response: HttpResponseBase) -> None:
    # An API view sets who showed a token; else it is who is logged in.
    actor = request.user.get_username()
    if not actor:
        console = find_console(request)
        if console is not None:
            console.metrics.count_unknown()
        return
    audit.record(
        actor=actor,
        action=f"api.{(request.method or '').lower()}",
        target=request.path,
        status=response.status_code,
    )
