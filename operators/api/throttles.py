"""How often one principal may ask the API: the sockets' own token bucket, in Redis."""

import logging

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from operators.api.authentication import find_principal
from operators.console.instance import link
from scheduling.model.credentials import PERSON
from scheduling.model.errors import DependencyDown

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
    return f"address-{request.META.get('REMOTE_ADDR', '')}"
