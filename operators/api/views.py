"""The statistics API, version 1: each view reads the console and answers."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from operators.api import examples, serializers
from operators.api.authentication import LoginAuthentication, TokenAuthentication
from operators.api.roles import IsOperator, IsViewer
from operators.api.schema import describe
from operators.console.console import Console
from operators.console.permissions import find_console
from scheduling.model import clock
from scheduling.model.errors import DependencyDown

_MOST_A_PAGE = 500
_UNAVAILABLE = 503
# What every answer of these may be; those about one thing may miss it.
PROBLEMS = {503: serializers.Problem}
MAY_MISS = {404: serializers.Problem, **PROBLEMS}
PAGE = [OpenApiParameter("limit", int), OpenApiParameter("offset", int)]


class ConsoleView(APIView):
    """A view over the console of the instance that serves it; 503 where none does.

    Requests are counted in the process alone: counting in Redis would ask it (D1).
    """

    authentication_classes = (TokenAuthentication, LoginAuthentication)
    permission_classes: tuple[type[BasePermission], ...] = (IsViewer,)
    # Whether a token that is bound to a tenant may ask, and is shown that tenant's things alone.
    serves_tenants = False

    def ask_console(self, request: Request, **named: str) -> Response:
        """Return the answer of the console that serves a request; 503 without one, or Redis."""
        console = find_console(request._request)  # noqa: SLF001 - DRF's way to Django's request
        if console is None:
            return refuse_unserved()
        try:
            return self.answer(console, request, **named)
        except DependencyDown as down:
            return refuse(_UNAVAILABLE, down.code, str(down))

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        """Return what the console knows, or what came of a command.

        :raises DependencyDown: Redis did not answer
        """
        raise NotImplementedError


class ReadView(ConsoleView):
    """A view that is read, and changes nothing."""

    def get(self, request: Request, **named: str) -> Response:
        return self.ask_console(request, **named)


class CommandView(ConsoleView):
    """A view through which operators act."""

    permission_classes = (IsOperator,)

    def post(self, request: Request, **named: str) -> Response:
        return self.ask_console(request, **named)


class AskingView(ConsoleView):
    """A view whose answer needs Redis: asked on the event loop, waited for in this thread."""

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        return console.ask(self.ask(console, request, **named))

    async def ask(self, console: Console, request: Request, **named: str) -> Response:
        """Return the answer, from the event loop."""
        raise NotImplementedError


@describe(
    operation_id="stats",
    responses={200: serializers.Statistics, **PROBLEMS},
    examples=examples.show("Two speakers, one node", examples.STATISTICS),
)
class StatsView(ReadView):
    """Sessions, languages, nodes, services and compute power, at most some seconds old."""

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        begun_ms = clock.steady_ms()
        answer = Response(console.stats_cache.stats)
        console.note_request(took_ms=clock.steady_ms() - begun_ms)
        return answer


@describe(
    operation_id="cluster",
    responses={200: serializers.Cluster, **PROBLEMS},
    examples=examples.show("One instance", examples.CLUSTER),
)
class ClusterView(ReadView):
    """Instances, nodes and totals."""

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        return Response(console.stats_cache.cluster)


@describe(
    operation_id="metrics",
    responses={200: OpenApiTypes.OBJECT, **PROBLEMS},
    examples=examples.show("Some of them", examples.COUNTERS),
)
class CountersView(ReadView):
    """The counters of this instance as JSON."""

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        return Response(console.metrics.describe())


def paginate(rows: Any, request: Request, *, view: APIView) -> Response:
    """Return one page of rows (a sequence or a query): at most 500 of them."""
    pages = LimitOffsetPagination()
    pages.max_limit = _MOST_A_PAGE
    return pages.get_paginated_response(pages.paginate_queryset(rows, request, view=view))


def refuse_unserved() -> Response:
    """Return the answer of a process that serves no instance."""
    return refuse(_UNAVAILABLE, "NO_INSTANCE", "No running instance serves this request.")


def refuse(status: int, error: str, message: str) -> Response:
    """Return an answer that says what is wrong, for programs and for people."""
    return Response({"error": error, "message": message}, status=status)
