"""What probes ask of an instance, answered from its own state: no page of Django is loaded."""

from collections.abc import Awaitable, Callable

from lingua.serving.asgi_types import Scope, Send
from lingua.serving.lifespan import Lifespan
from operators.console.console import NAMED_BY
from sockets.endpoints import HttpAnswer, respond

_TEXT = "text/plain; charset=utf-8"
_NOT_ALLOWED, _UNAVAILABLE = 405, 503
_READS = ("GET", "HEAD")


async def _answer_health(scope: Scope, lifespan: Lifespan) -> HttpAnswer:
    """Say that the process answers, and in further lines what it depends on and misses (O11).

    The status is 200 all the same: a restart would not bring Redis back. Who asks by a name that is
    not ours is told no more than that.
    """
    troubles = [] if _is_by_foreign_name(scope) else lifespan.list_troubles()
    return HttpAnswer(body="\n".join(["OK", *troubles]).encode(), media_type=_TEXT)


async def _answer_ready(scope: Scope, lifespan: Lifespan) -> HttpAnswer:
    """Say whether new sockets are welcome: 200, or 503 with the reason."""
    reason = await lifespan.check_ready()
    said = "NOT READY" if reason and _is_by_foreign_name(scope) else reason or "READY"
    return HttpAnswer(body=said.encode(), status=_UNAVAILABLE if reason else 200, media_type=_TEXT)


def _is_by_foreign_name(scope: Scope) -> bool:
    """Say whether a page of another site may be asking, by a name that it gave our address."""
    return scope.get(NAMED_BY) not in {None, "address"}


ANSWERS: dict[str, Callable[[Scope, Lifespan], Awaitable[HttpAnswer]]] = {
    "/health": _answer_health,
    "/ready": _answer_ready,
}


async def answer(scope: Scope, send: Send, lifespan: Lifespan) -> None:
    """Answer a request for one of the paths of `ANSWERS`; 405 for one that is to change them."""
    if scope["method"] not in _READS:
        await respond(send, HttpAnswer(body=b"", status=_NOT_ALLOWED), allow=", ".join(_READS))
        return
    await respond(send, await ANSWERS[scope["path"]](scope, lifespan))
