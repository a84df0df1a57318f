"""Which names and which web pages reach this process: asked once, before everything it serves.

A page that a browser loaded from another site can send requests to this machine, and by rebinding
the name it came from it can read the answers. Programs name no ``Origin``; browsers always do where
it matters.
"""

import dataclasses
import ipaddress
import re
from collections.abc import Sequence

from django.http.request import validate_host

from lingua.serving.asgi_types import Scope
from operators.console.console import NAMED_BY
from scheduling.model.errors import BadInput

# What probes and scrapers ask, by the address of a pod: they know no name of ours.
PROBES = frozenset({"/health", "/ready", "/metrics"})

_SPEAKERS = ("/ws/session", "/ws/listen")
_WORK = ("/v1/", "/rooms/")
_ANY = "*"
_AUTHORITY = re.compile(
    r"(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9_])?)\.?(?::([0-9]{1,5}))?"
)
_HIGHEST_PORT = 65_535
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST = 300
# What a browser says of a request it sends for a page of elsewhere.
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_ELSEWHERE = frozenset({"cross-site", "same-site"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Authority:
    """A host in lower case without the dot at its end, and the port where one is named."""

    host: str
    port: int | None


class SiteGuard:
    """Lets in who names us as we are known, and no page of a foreign site.

    `hosts` are the names we are known by, as Django's ALLOWED_HOSTS has them. A page of ours is one
    served under the very name and port it connects to. Besides, pages of `origins` reach
    everything, and pages of `session_origins` the speakers' socket; where none are given, so do
    those served under another port of a name of ours.
    """

    def __init__(
        self, *, hosts: Sequence[str], origins: Sequence[str], session_origins: Sequence[str]
    ) -> None:
        self._hosts = [host.lower() for host in hosts]
        self._named_hosts = [host for host in self._hosts if host != _ANY]
        listed = [origin.lower().rstrip("/") for origin in origins]
        self._origins = frozenset(listed)
        # As Django has them: https://*.example.com are all its subdomains.
        self._suffixes = [tuple(each.split("*", 1)) for each in listed if "://*." in each]
        self._session_origins = frozenset(each.lower().rstrip("/") for each in session_origins)

    def admit(self, scope: Scope) -> Scope:
        """Return the scope as it is to be served.

        :raises BadInput: it names another host, or comes from a page of a foreign site
        """
        path: str = scope["path"]
        if not path.startswith("/"):
            raise _foreign_host("The target of a request must be a path.")
        is_probe = scope["type"] == "http" and path in PROBES
        shown = _list_values(scope, b"host")
        host = _parse_authority(shown[0]) if len(shown) == 1 else None
        if host is None and not (is_probe and not shown):
            raise _foreign_host("Name one host, as a name or an address with a port at most.")
        self._check_origin(scope, host)
        if host is not None and validate_host(host.host, self._hosts):
            return scope
        if not is_probe:
            raise _foreign_host(
                "This host is not served here; its operator adds it to ALLOWED_HOSTS."
            )
        return self._readdress(scope, host)

    def _check_origin(self, scope: Scope, host: _Authority | None) -> None:
        path: str = scope["path"]
        shown = _list_values(scope, b"origin")
        if not shown:
            # An image or a script of a foreign page is fetched without naming the page's origin.
            site = {text.lower() for text in _list_values(scope, b"sec-fetch-site")}
            changes = scope.get("method", "GET") not in _SAFE
            if (changes or path.startswith(_WORK)) and site & _ELSEWHERE:
                raise _foreign_origin()
            return
        origin = shown[0].lower()
        scheme, found, rest = origin.partition("://")
        page = _parse_authority(rest) if found and scheme in _DEFAULT_PORTS else None
        if len(shown) > 1 or not (
            self._is_trusted(origin, page)
            or (page is not None and host is not None and _is_same(page, host, scheme))
            or (path in _SPEAKERS and self._is_of_speakers(origin, page))
        ):
            raise _foreign_origin()

    def _is_trusted(self, origin: str, page: _Authority | None) -> bool:
        return origin in self._origins or (
            page is not None
            and any(
                origin.startswith(head) and origin.endswith(end) for head, end in self._suffixes
            )
        )

    def _is_of_speakers(self, origin: str, page: _Authority | None) -> bool:
        if self._session_origins:
            return origin in self._session_origins
        return page is not None and validate_host(page.host, self._named_hosts)

    def _readdress(self, scope: Scope, host: _Authority | None) -> Scope:
        """Return the scope of a probe under a name of ours: Django answers no other."""
        named_by = "address"
        if host is not None and not _is_address(host.host):
            named_by = "foreign name" if "." in host.host else "bare name"
        ours = self._hosts[0].removeprefix(".") if self._hosts else "localhost"
        kept = [(name, value) for name, value in scope["headers"] if name != b"host"]
        return {**scope, "headers": [*kept, (b"host", ours.encode())], NAMED_BY: named_by}


def _list_values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin1").strip() for key, value in scope["headers"] if key == name]


def _parse_authority(text: str) -> _Authority | None:
    """Return host and port; None for what is neither a name nor an address, or has more in it."""
    found = _AUTHORITY.fullmatch(text.lower()) if len(text) <= _LONGEST else None
    if found is None:
        return None
    port = int(found[2]) if found[2] else None
    if port is not None and port > _HIGHEST_PORT:
        return None
    return _Authority(host=found[1].removesuffix("."), port=port)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _is_same(page: _Authority, host: _Authority, scheme: str) -> bool:
    """Say whether a page was served under the name and port it asks; TLS may end before us."""
    usual = _DEFAULT_PORTS[scheme]
    return page.host == host.host and (page.port or usual) == (host.port or usual)


def _foreign_host(message: str) -> BadInput:
    return BadInput(message, code="FOREIGN_HOST")


def _foreign_origin() -> BadInput:
    return BadInput("Web pages of this origin may not connect.", code="FOREIGN_ORIGIN")
