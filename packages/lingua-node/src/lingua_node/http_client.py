"""HTTP requests of an asyncio program: each in a thread of its own, over connections that are kept.

The standard library's client does the work, so nothing is installed for it.
"""

import asyncio
import base64
import contextlib
import http.client
import socket
import ssl
import threading
import urllib.request
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_MOST_KEPT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request was answered with."""

    status: int
    body: bytes


class HttpClient:
    """Asks one server; what was asked may arrive twice where a connection is lost."""

    def __init__(self, base: str, *, token: str | None, most_bytes: int) -> None:
        """Ask below `base`, such as https://example.org or http://127.0.0.1:5010/lingua."""
        parts = urlsplit(base)
        self._host, self._port = parts.hostname or "", parts.port
        self._is_secure = parts.scheme == "https"
        self._base, self._prefix = base, parts.path
        self._most_bytes = most_bytes
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._proxy = None if self._host in _LOOPBACK else _find_proxy(parts.scheme, self._host)
        if self._proxy is not None and not self._is_secure:
            self._headers |= self._proxy[2]
        self._context = ssl.create_default_context() if self._is_secure else None
        self._kept: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    async def ask(self, path: str, body: bytes, *, timeout_s: float) -> Answer:
        """Send one request and return its answer, whatever its status.

        :raises OSError: no whole answer came
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Answer] = loop.create_future()
        request = _Request(path=path, body=body, timeout_s=timeout_s)

        def settle(answer: Answer | None, error: OSError | None) -> None:
            if done.done():
                return  # nobody waits any more
            if answer is not None:
                done.set_result(answer)
            else:
                done.set_exception(error or ConnectionError("no answer came"))

        def run() -> None:
            answer: Answer | None = None
            error: OSError | None = None
            try:
                answer = self._ask(request)
            except OSError as raised:
                error = raised
            except (http.client.HTTPException, ValueError) as raised:
                error = ConnectionError(f"no answer that is HTTP came: {raised!r:.200}")
            with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
                loop.call_soon_threadsafe(settle, answer, error)

        threading.Thread(target=run, name=f"asks {path}", daemon=True).start()
        try:
            return await done
        finally:
            request.give_up()

    def close(self) -> None:
        """Close the connections that wait for another request."""
        with self._lock:
            kept, self._kept = self._kept, []
        for connection in kept:
            connection.close()

    def _ask(self, request: "_Request") -> Answer:
        connection = self._take_kept()
        if connection is not None:
            try:
                return self._ask_on(connection, request)
            except (OSError, http.client.HTTPException):
                # The server closed it while nothing was asked, as it may.
                if request.is_over:
                    raise
        return self._ask_on(self._connect(request.timeout_s), request)

    def _ask_on(self, connection: http.client.HTTPConnection, request: "_Request") -> Answer:
        is_kept = False
        try:
            connection.timeout = request.timeout_s
            if connection.sock is None:
                connection.connect()
            request.begin(connection.sock)
            connection.request("POST", self._target(request.path), request.body, self._headers)
            with connection.getresponse() as response:
                body = response.read(self._most_bytes + 1)
                if response.length and len(body) <= self._most_bytes:
                    raise http.client.IncompleteRead(body, response.length)
            if len(body) > self._most_bytes:
                raise ConnectionError(f"the answer has more than {self._most_bytes:,} bytes")
            is_kept = not response.will_close and request.end()
            return Answer(status=response.status, body=body)
        finally:
            request.end()
            if not (is_kept and self._keep(connection)):
                connection.close()

    def _target(self, path: str) -> str:
        if self._proxy is not None and not self._is_secure:
            return f"{self._base}{path}"
        return f"{self._prefix}{path}"

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        host, port, about = self._host, self._port, dict[str, str]()
        if self._proxy is not None:
            host, port, about = self._proxy
        connection: http.client.HTTPConnection
        if self._is_secure:
            connection = http.client.HTTPSConnection(
                host, port, timeout=timeout_s, context=self._context
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
        if self._proxy is not None and self._is_secure:
            connection.set_tunnel(self._host, self._port or 443, headers=about)
        return connection

    def _take_kept(self) -> http.client.HTTPConnection | None:
        with self._lock:
            return self._kept.pop() if self._kept else None

    def _keep(self, connection: http.client.HTTPConnection) -> bool:
        with self._lock:
            if len(self._kept) >= _MOST_KEPT:
                return False
            self._kept.append(connection)
            return True


class _Request:
    """One request under way; whoever waits for it may give it up from another thread."""

    def __init__(self, *, path: str, body: bytes, timeout_s: float) -> None:
        self.path = path
        self.body = body
        self.timeout_s = timeout_s
        self.is_over = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def begin(self, opened: socket.socket) -> None:
        """It goes over this socket.

        :raises ConnectionError: it was given up
        """
        with self._lock:
            if self.is_over:
                raise ConnectionError("given up")
            opened.settimeout(self.timeout_s)
            self._socket = opened

    def end(self) -> bool:
        """It needs its socket no more; False where it was given up meanwhile."""
        with self._lock:
            self._socket = None
            return not self.is_over

    def give_up(self) -> None:
        """Let the thread that reads wake up."""
        with self._lock:
            self.is_over = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)


def _find_proxy(scheme: str, host: str) -> tuple[str, int | None, dict[str, str]] | None:
    """Return where the environment says that requests go through, and what a proxy is shown."""
    found = urllib.request.getproxies().get(scheme)
    if not found or urllib.request.proxy_bypass(host):
        return None
    parts = urlsplit(found if "://" in found else f"http://{found}")
    about = dict[str, str]()
    if parts.username:
        shown = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        about["Proxy-Authorization"] = f"Basic {base64.b64encode(shown.encode()).decode()}"
    return parts.hostname or "", parts.port, about
