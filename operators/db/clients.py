"""Where a request to pages or the API comes from."""

from typing import Any

from django.http import HttpRequest

from operators.db.installation import get_installation


def find_address(request: HttpRequest) -> str:
    """Return the address of whoever asks, of a proxy's client as far as the proxy is trusted."""
    scope: Any = getattr(request, "scope", None)
    if scope is None:
        said = request.META.get("HTTP_X_FORWARDED_FOR", "")
        scope = {
            "client": (request.META.get("REMOTE_ADDR", ""), 0),
            "headers": [(b"x-forwarded-for", said.encode("latin1"))] if said else [],
        }
    return get_installation().clients.find(scope)
