"""``/metrics``: what Prometheus reads, for whoever may scrape (O1)."""

from ipaddress import ip_address, ip_network

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request

from operators.api.authentication import LoginAuthentication, TokenAuthentication
from operators.api.roles import IsKnownViewer, IsViewer
from operators.console.console import NAMED_BY
from operators.console.permissions import find_console
from operators.db.clients import find_address
from operators.db.installation import get_installation

_UNAUTHORIZED, _FORBIDDEN = 401, 403


def prometheus(request: HttpRequest) -> HttpResponse:
    """Answer a scrape: Django's HTTP and database metrics, then ours."""
    refused = _find_refusal(request)
    if refused:
        return HttpResponse(
            "Show an API token with the scope read, as bearer.\n",
            status=refused,
            content_type="text/plain",
            headers={"WWW-Authenticate": 'Bearer realm="lingua"'},
        )
    console = find_console(request)
    ours = console.metrics.render() if console else b""
    return HttpResponse(generate_latest(REGISTRY) + ours, content_type=CONTENT_TYPE_LATEST)


def _find_refusal(request: HttpRequest) -> int:
    """Return the status of a refusal, 0 for who may scrape.

    Where authentication is off everybody may, as everybody may see the pages. A page of another
    site, which gave our address a name of its own, has neither a token nor a name without dots.
    """
    named_by = getattr(request, "scope", {}).get(NAMED_BY, "address")
    is_allowed = is_allowed_address(find_address(request))
    if is_allowed and named_by != "foreign name":
        return 0
    role = IsViewer if named_by == "address" else IsKnownViewer
    asked = Request(request, authenticators=[TokenAuthentication(), LoginAuthentication()])
    try:
        if role().has_permission(asked, None):
            return 0
    except (AuthenticationFailed, NotAuthenticated):
        return _UNAUTHORIZED
    except DatabaseError:
        # Without the database nobody can be checked anew, and nothing can be revoked either.
        return 0 if TokenAuthentication.has_trusted(asked) else _UNAUTHORIZED
    return _FORBIDDEN if asked.auth else _UNAUTHORIZED


def is_allowed_address(address: str) -> bool:
    """Say whether a scraper at an address needs no token (`LINGUA_METRICS_ALLOW`)."""
    try:
        shown = ip_address(address)
    except ValueError:
        return False
    return any(shown in ip_network(named) for named in get_installation().scrapers)
