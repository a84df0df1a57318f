"""The one ASGI application of a process: each scope to whom it belongs."""

from lingua.serving.asgi_types import AsgiApp, Receive, Scope, Send
from lingua.serving.lifespan import Lifespan
from operators.console.console import SCOPE_KEY
from scheduling.model.errors import BadInput
from sockets.endpoints import refuse, respond

# Below this path speakers and nodes work without a socket.
_HTTP_API = "/v1/"
# Under this key an HTTP scope carries the question whether this instance is ready.
CHECK_READY = "lingua.check_ready"
# And under this one what it depends on and misses.
LIST_TROUBLES = "lingua.list_troubles"


class AsgiRouter:
    """Routes lifespan, HTTP and WebSocket; sockets only while the instance takes new ones."""

    def __init__(self, *, lifespan: Lifespan, http: AsgiApp) -> None:
        self.lifespan = lifespan
        self._http = http

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the life of the process.

        :raises ValueError: the server speaks a protocol we do not know
        """
        match scope["type"]:
            case "websocket":
                await self._serve_websocket(scope, receive, send)
            case "http" if scope["path"].startswith(_HTTP_API):
                await self._serve_http_api(scope, receive, send)
            case "http":
                handed = {
                    CHECK_READY: self.lifespan.check_ready,
                    LIST_TROUBLES: self.lifespan.list_troubles,
                    SCOPE_KEY: self.lifespan.console,
                }
                await self._http({**scope, **handed}, receive, send)
            case "lifespan":
                await self.lifespan(scope, receive, send)
            case other:
                raise ValueError(f"no application for {other}")

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
