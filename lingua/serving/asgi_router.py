"""The one ASGI application of a process: each scope to whom it belongs."""

import logging

from lingua.serving import probes
from lingua.serving.asgi_types import AsgiApp, Receive, Scope, Send
from lingua.serving.lifespan import Lifespan
from lingua.serving.peer_languages import PeerLanguages
from lingua.serving.site_guard import SiteGuard
from operators.console.console import SCOPE_KEY
from scheduling.model.errors import BadInput
from sockets.endpoints import refuse, respond
from sockets.handshakes import refuse_handshake

_logger = logging.getLogger(__name__)

# Below these paths speakers, nodes and listeners work without a socket.
_HTTP_API = ("/v1/", "/rooms/")


class AsgiRouter:
    """Routes lifespan, HTTP and WebSocket; sockets only while the instance takes new ones.

    Whoever the guard keeps out is answered here and reaches nothing: no row, no socket, no page.
    """

    def __init__(
        self, *, lifespan: Lifespan, http: AsgiApp, guard: SiteGuard, languages: PeerLanguages
    ) -> None:
        self.lifespan = lifespan
        self._languages = languages
        self._http = http
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the life of the process.

        :raises ValueError: the server speaks a protocol we do not know
        """
        if scope["type"] in {"websocket", "http"}:
            scope, send = self._languages.wrap(scope, send)
            try:
                scope = self._guard.admit(scope)
            except BadInput as refusal:
                await self._keep_out(scope, receive, send, refusal)
                return
        match scope["type"]:
            case "websocket":
                await self._serve_websocket(scope, receive, send)
            case "http" if scope["path"].startswith(_HTTP_API):
                await self._serve_http_api(scope, receive, send)
            case "http" if scope["path"] in probes.ANSWERS:
                await probes.answer(scope, send, self.lifespan)
            case "http":
                await self._http({**scope, SCOPE_KEY: self.lifespan.console}, receive, send)
            case "lifespan":
                await self.lifespan(scope, receive, send)
            case other:
                raise ValueError(f"no application for {other}")

    async def _keep_out(
        self, scope: Scope, receive: Receive, send: Send, refusal: BadInput
    ) -> None:
        self.lifespan.count_kept_out(refusal.code)
        # Whoever asked may have written anything there.
        shown = {
            name.decode(): ascii(value.decode("latin1"))
            for name, value in scope["headers"]
            if name in {b"host", b"origin"}
        }
        _logger.warning("kept out: %s", refusal.code, extra={"path": ascii(scope["path"]), **shown})
        if scope["type"] == "websocket":
            await receive()
            await refuse_handshake(scope, send, refusal)
        else:
            await respond(send, refuse(refusal))

    async def _serve_http_api(self, scope: Scope, receive: Receive, send: Send) -> None:
        http_api = self.lifespan.http_api
        if http_api is None:
            starting = BadInput("This instance has not started.", code="DRAINING")
            await respond(send, refuse(starting))
            return
        await http_api(scope, receive, send)

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        application = self.lifespan.application
        if application is None:
            # Closed before accept is an HTTP 403 on the wire: the client tries another instance.
            await receive()
            await send({"type": "websocket.close", "code": 1012})
            return
        await application.websocket(scope, receive, send)
