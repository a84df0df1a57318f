"""Handshakes that are refused with the status and the words of an HTTP answer."""

import contextlib
from typing import Any

from scheduling.model.errors import Refusal
from sockets.endpoints import list_headers, refuse

_ANSWERS = "websocket.http.response"


async def refuse_handshake(scope: Any, send: Any, refusal: Refusal) -> None:
    """Answer an opening handshake as a request would be; with 403 where a server has no other."""
    answer = refuse(refusal)
    with contextlib.suppress(OSError):
        if _ANSWERS not in scope.get("extensions", {}):
            await send({"type": "websocket.close"})
            return
        start = {"status": int(answer.status), "headers": list_headers(answer)}
        await send({"type": f"{_ANSWERS}.start", **start})
        await send({"type": f"{_ANSWERS}.body", "body": answer.body})
