"""Somebody at a browser: forms, cookies and pages, without a browser."""

import asyncio
import http.cookiejar
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from email.message import Message

from tests.manage import manage
from tests.security.fortress import DEADLINE_S, Fortress


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a request was answered with."""

    status: int
    headers: Message
    text: str


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: object) -> None:
        """Follow nothing."""


@dataclass(kw_only=True)
class Person:
    """Keeps cookies; `address` may change where a server starts anew on another port."""

    address: str
    jar: http.cookiejar.CookieJar = field(default_factory=http.cookiejar.CookieJar)

    async def get(self, path: str, **headers: str) -> Page:
        return await asyncio.to_thread(self._ask, path, None, headers)

    async def post(self, path: str, form: dict[str, str], **headers: str) -> Page:
        """Post a form with the CSRF token that the last page set."""
        shown = {**form, "csrfmiddlewaretoken": self.cookie("csrftoken")}
        body = urllib.parse.urlencode(shown).encode()
        told = {"X-CSRFToken": self.cookie("csrftoken"), **headers}
        return await asyncio.to_thread(self._ask, path, body, told)

    async def log_in(self, name: str, password: str, **headers: str) -> Page:
        """Fill in the login's form; 302 where it was right."""
        if not self.cookie("csrftoken"):
            await self.get("/admin/login/")
        return await self.post("/admin/login/", {"username": name, "password": password}, **headers)

    def cookie(self, name: str) -> str:
        return next((one.value or "" for one in self.jar if one.name == name), "")

    def _ask(self, path: str, body: bytes | None, headers: dict[str, str]) -> Page:
        opener = urllib.request.build_opener(_Stay(), urllib.request.HTTPCookieProcessor(self.jar))
        request = urllib.request.Request(f"http://{self.address}{path}", data=body, headers=headers)
        try:
            with opener.open(request, timeout=DEADLINE_S) as answer:
                return Page(
                    status=answer.status, headers=answer.headers, text=answer.read().decode()
                )
        except urllib.error.HTTPError as error:
            with error:
                return Page(status=error.code, headers=error.headers, text=error.read().decode())


def add_superuser(fortress: Fortress, name: str, password: str) -> None:
    """Add somebody who may do everything to a fortress."""
    manage(
        *("createsuperuser", "--noinput", "--email", "a@example.org"),
        DJANGO_SUPERUSER_USERNAME=name,
        DJANGO_SUPERUSER_PASSWORD=password,
        **fortress.variables,
    )
