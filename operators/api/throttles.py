"""How many tickets one principal may ask for, on all instances: a token bucket in Redis."""

import logging

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from operators.api.authentication import find_principal
from operators.console.instance import link
from operators.db.clients import find_address
from scheduling.model.credentials import PERSON
from scheduling.model.errors import DependencyDown
from sockets.client_address import name_sender

logger = logging.getLogger(__name__)


class PrincipalThrottle(BaseThrottle):
    """Counts per token, per person, or per address where nobody said who asks.

    While Redis does not answer nobody is refused: the API is how an operator finds out why.
    """

    _wait_ms = 0

    def allow_request(self, request: Request, view: APIView) -> bool:
        try:
            self._wait_ms = link.take_request(_name_sender(request))
        except DependencyDown:
            logger.warning("requests are not counted: Redis does not answer")
            self._wait_ms = 0
        return self._wait_ms == 0

    def wait(self) -> float:
        """Return seconds, for Retry-After."""
        return self._wait_ms / 1000


def _name_sender(request: Request) -> str:
    principal = find_principal(request)
    if principal is not None:
        return principal.principal_id
    if request.user.pk is not None:
        return f"{PERSON}{request.user.pk}"
    return name_sender(find_address(request._request))  # noqa: SLF001 - DRF's way to Django's request
