"""What a browser may do on any page of ours: load and connect here, run no text as script."""

from asyncio import iscoroutinefunction
from collections.abc import Awaitable, Callable
from typing import Any, cast

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

HEADER = "Content-Security-Policy"
# Scripts come from files of ours alone. Of styles the admin writes some into its pages.
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; media-src 'self' blob:; connect-src 'self'{}; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

Answer = Callable[[HttpRequest], HttpResponseBase]
AsyncAnswer = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def set_policy(answer: Any) -> Any:
    """Send the policy with every answer: pages, the admin, the API, errors."""
    if iscoroutinefunction(answer):
        return _in_loop(cast("AsyncAnswer", answer))
    return _in_thread(cast("Answer", answer))


def _in_loop(answer: AsyncAnswer) -> AsyncAnswer:
    async def told(request: HttpRequest) -> HttpResponseBase:
        return _tell(request, await answer(request))

    return told


def _in_thread(answer: Answer) -> Answer:
    def told(request: HttpRequest) -> HttpResponseBase:
        return _tell(request, answer(request))

    return told


def _tell(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    try:
        # Browsers of some age do not count sockets of a page's own host as its own.
        host = request.get_host()
        sockets = f" ws://{host} wss://{host}"
    except DisallowedHost:
        sockets = ""
    response[HEADER] = _POLICY.format(sockets)
    return response
