"""A provider of logins that answers what a test wants, true or not, in a thread of its own."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

_LIFE_S = 300


class LyingProvider:
    """`claims` change the identity token, `words` what the token's answer says beside it."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.shown = self.key
        self.algorithm = "RS256"
        self.metadata: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.words: dict[str, Any] = {}
        self.signs: Callable[[dict[str, Any]], str] = self._sign
        self.nonce = ""
        self.body: Callable[[str], bytes | None] = lambda _path: None
        self.asked: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                is_metadata = "well-known" in self.path
                self._answer(provider.metadata_of() if is_metadata else provider.keys())

            def do_POST(self) -> None:
                provider.asked.append(self.path)
                self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(provider.token())

            def _answer(self, told: dict[str, Any]) -> None:
                body = provider.body(self.path) or json.dumps(told).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def metadata_of(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        } | self.metadata

    def keys(self) -> dict[str, Any]:
        return {"keys": [self.shown.as_dict(private=False)]}

    def token(self) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": "lingua",
            "sub": "1",
            "iat": now,
            "exp": now + _LIFE_S,
            "nonce": self.nonce,
            "groups": ["lingua-admins"],
        } | self.claims
        told = {
            "access_token": "a",
            "token_type": "Bearer",
            "id_token": self.signs(_leave_out(claims)),
        } | self.words
        return _leave_out(told)

    def send_back(self, location: str) -> str:
        """Take somebody whom the application sent here; return the path to go back to."""
        asked = {key: values[0] for key, values in parse_qs(urlsplit(location).query).items()}
        self.nonce = asked["nonce"]
        return f"/login/sso/done?code=c&state={asked['state']}"

    def _sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": self.algorithm, "kid": "one"}, claims, self.key)


def _leave_out(told: dict[str, Any]) -> dict[str, Any]:
    """Return what is told without what a test took away."""
    return {key: value for key, value in told.items() if value is not ...}


def sign_with_secret(claims: dict[str, Any], secret: str) -> str:
    return jwt.encode({"alg": "HS256", "kid": "one"}, claims, OctKey.import_key(secret))
