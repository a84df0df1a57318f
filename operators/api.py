"""The statistics API, version 1: each view reads the console and answers."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from operators import examples, shapes
from operators.authentication import LoginAuthentication, TokenAuthentication
from operators.console import Console
from operators.permissions import find_console
from operators.roles import IsViewer
from scheduling import clock

_MOST_A_PAGE = 500
_UNAVAILABLE = 503


class ConsoleView(APIView):
    """A view over the console of the instance that serves it; 503 where none does.

    Requests are not counted against a limit: that would ask Redis (D1).
    """

    authentication_classes = (TokenAuthentication, LoginAuthentication)
    permission_classes: tuple[type[BasePermission], ...] = (IsViewer,)

    def get(self, request: Request, **named: str) -> Response:
        console = find_console(request._request)  # noqa: SLF001 - DRF's way to Django's request
        if console is None:
            return refuse(_UNAVAILABLE, "NO_INSTANCE", "No running instance serves this request.")
        return self.answer(console, request, **named)

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        """Return what the console knows."""
        raise NotImplementedError


class StatsView(ConsoleView):
    """Sessions, languages, nodes, services and compute power, at most some seconds old."""

    @extend_schema(
        operation_id="stats",
        responses={200: shapes.Statistics, 503: shapes.Problem},
        examples=examples.show("Two speakers, one node", examples.STATISTICS),
    )
    def get(self, request: Request, **named: str) -> Response:
        return super().get(request, **named)

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        begun_ms = clock.steady_ms()
        answer = Response(console.board.stats)
        console.note_request(took_ms=clock.steady_ms() - begun_ms)
        return answer


class ClusterView(ConsoleView):
    """Instances, nodes and totals."""

    @extend_schema(
        operation_id="cluster",
        responses={200: shapes.Cluster, 503: shapes.Problem},
        examples=examples.show("One instance", examples.CLUSTER),
    )
    def get(self, request: Request, **named: str) -> Response:
        return super().get(request, **named)

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        return Response(console.board.pages.cluster)


class CountersView(ConsoleView):
    """The counters of this instance as JSON."""

    @extend_schema(
        operation_id="metrics",
        responses={200: OpenApiTypes.OBJECT, 503: shapes.Problem},
        examples=examples.show("Some of them", examples.COUNTERS),
    )
    def get(self, request: Request, **named: str) -> Response:
        return super().get(request, **named)

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        return Response(console.describe_counters())


def paginate(rows: Any, request: Request, *, view: APIView) -> Response:
    """Return one page of rows (a sequence or a query): at most 500 of them."""
    pages = LimitOffsetPagination()
    pages.max_limit = _MOST_A_PAGE
    return pages.get_paginated_response(pages.paginate_queryset(rows, request, view=view))


def refuse(status: int, error: str, message: str) -> Response:
    """Return an answer that says what is wrong, for programs and for people."""
    return Response({"error": error, "message": message}, status=status)
