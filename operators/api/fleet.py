"""The API of nodes and pools, version 1: look, try, and act."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from operators.api import examples, fleet_serializers, serializers
from operators.api.authentication import find_bound_tenant
from operators.api.schema import describe
from operators.api.views import (
    MAY_MISS,
    PROBLEMS,
    CommandView,
    ConsoleView,
    ReadView,
    refuse,
    refuse_unserved,
)
from operators.console.console import Console
from operators.console.fleet import FleetService, PlacementQuery
from operators.db.pool_models import SERVICE_TYPES
from scheduling.model.jobs import Need
from scheduling.model.languages import UnreadableLanguage, read_language

Json = dict[str, Any]
_BAD_REQUEST, _NOT_FOUND = 400, 404
_ACCEPTED = 202
_FALSE = frozenset({"false", "0", "no", "off"})
_NO_JOB = "No job has this id, or it was forgotten."
_EXAMPLE_POOL = {
    "pool_id": "voices",
    "pool_name": "Voices",
    "kind": "capability",
    "pool_required_services": ["asr", "nmt", "tts"],
    "languages": [],
    "total_nodes": 2,
    "online_nodes": 2,
    "ready_nodes": 1,
    "core_services_installed": {"asr": 2, "nmt": 2, "tts": 2},
    "core_services_ready": {"asr": 2, "nmt": 1, "tts": 2},
    "sample_node_ids": ["node-7F3A91C2"],
}


def _show_pair(src: str, tgt: str, *, ready: int, free: int) -> Json:
    return {
        "src": src,
        "tgt": tgt,
        "ready_nodes": ready,
        "free_slots": free,
        "known_nodes": ready,
        "held_back_nodes": 0,
    }


class FleetServiceView(ConsoleView):
    """A view over the fleet as the instance that serves it knows it."""

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        if console.fleet_service is None:
            return refuse_unserved()
        return console.ask(self.ask(console.fleet_service, request, **named))

    async def ask(self, service: FleetService, request: Request, **named: str) -> Response:
        """Return the answer, from the event loop."""
        raise NotImplementedError


@describe(
    operation_id="phase3_pools",
    responses={200: fleet_serializers.PoolList, **PROBLEMS},
    examples=examples.show(
        "A capability pool",
        {"version": 4, "config": {"mode": "two_level"}, "pools": [_EXAMPLE_POOL]},
    ),
)
class PoolsView(FleetServiceView, ReadView):
    """The configuration in force and its pools; services installed against ready (P14)."""

    async def ask(self, service: FleetService, request: Request, **named: str) -> Response:
        return Response(await service.list_pools())


@describe(
    operation_id="admin_pools",
    responses={200: fleet_serializers.PoolList, **PROBLEMS},
    examples=examples.show(
        "A capability pool", {"version": 4, "config": {}, "pools": [_EXAMPLE_POOL]}
    ),
)
class AdminPoolsView(PoolsView):
    """The same under the path of the administration (P16)."""


@describe(
    operation_id="admin_pool",
    responses={200: fleet_serializers.PoolDetail, **MAY_MISS},
    examples=examples.show(
        "A capability pool", {**_EXAMPLE_POOL, "node_ids": ["node-7F3A91C2", "node-A0B1C2D3"]}
    ),
)
class AdminPoolView(FleetServiceView, ReadView):
    """One pool with all its members (P16)."""

    async def ask(self, service: FleetService, request: Request, **named: str) -> Response:
        pool = await service.find_pool(named["pool_id"])
        if pool is None:
            return refuse(_NOT_FOUND, "NO_SUCH_POOL", "No pool in force has this id.")
        return Response(pool)


@describe(
    operation_id="rebuild_pools",
    request=None,
    responses={200: fleet_serializers.Rebuilt, 202: fleet_serializers.RebuildAsked, **PROBLEMS},
    examples=[
        *examples.show("Published", {"version": 5}),
        *examples.show(
            "The leader was asked, and has not answered yet", {"asked": True}, status="202"
        ),
    ],
)
class RebuildView(FleetServiceView, CommandView):
    """Clear up pools and publish the configuration as one new version (P16)."""

    async def ask(self, service: FleetService, request: Request, **named: str) -> Response:
        version = await service.rebuild()
        if version is None:
            return Response({"asked": True}, status=_ACCEPTED)
        return Response({"version": version})


@describe(
    operation_id="phase3_simulate",
    parameters=[
        OpenApiParameter("routing_key", str, description="The tenant, if not named."),
        OpenApiParameter("tenant_id", str),
        OpenApiParameter("session_id", str),
        OpenApiParameter(
            "required", str, many=True, description="Services; repeated, or with commas."
        ),
        OpenApiParameter("src_lang", str, default="zh"),
        OpenApiParameter("tgt_lang", str, default="en"),
        OpenApiParameter("accept_public", bool, default=True),
        OpenApiParameter("exclude_node_id", str, many=True),
        OpenApiParameter("preferred_node_id", str),
    ],
    responses={200: fleet_serializers.Simulation, 400: serializers.Problem, **PROBLEMS},
    examples=examples.show(
        "A node was found",
        {
            "routing_key": "test",
            "required": ["asr", "nmt", "tts"],
            "selected_node_id": "node-7F3A91C2",
            "refused": None,
            "debug": {
                "pool_count": 3,
                "preferred_pool": "voices",
                "selected_pool": "voices",
                "fallback_used": False,
                "attempts": [["voices", "ok", 1]],
            },
            "breakdown": {"total_nodes": 1, "offline": 0},
            "looked_at": [
                {"node_id": "node-7F3A91C2", "load": 0, "passed_over": None, "lacks": []}
            ],
        },
    ),
)
class SimulateView(FleetServiceView, ReadView):
    """Where a job would go, by exactly the code that dispatches; nothing changes (P15)."""

    async def ask(self, service: FleetService, request: Request, **named: str) -> Response:
        try:
            query = _read_query(request)
        except UnreadableLanguage as error:
            return refuse(_BAD_REQUEST, "INVALID_PARAMETER", str(error))
        unknown = sorted(set(query.need.types) - set(SERVICE_TYPES))
        if unknown:
            told = f"required: no service is called {unknown[0]}; {', '.join(SERVICE_TYPES)}"
            return refuse(_BAD_REQUEST, "INVALID_PARAMETER", told)
        return Response(await service.simulate(query))


@describe(
    operation_id="coverage",
    responses={200: fleet_serializers.CoverageGrid, **PROBLEMS},
    examples=examples.show(
        "One node, and a pair that was asked for in vain",
        {
            "pairs": [
                _show_pair("de", "en", ready=0, free=0),
                _show_pair("zh", "en", ready=1, free=4),
            ]
        },
    ),
)
class CoverageView(FleetServiceView, ReadView):
    """Each language pair with ready nodes and free slots, those served worst first."""

    async def ask(self, service: FleetService, request: Request, **named: str) -> Response:
        return Response({"pairs": await service.list_coverage()})


class OwnJobView(FleetServiceView, ReadView):
    """A view of one job, for a token that is bound to a tenant only of that tenant's."""

    serves_tenants = True

    def answer(self, console: Console, request: Request, **named: str) -> Response:
        bound = find_bound_tenant(request)
        if bound and console.ask(console.jobs.find_tenant(named["job_id"])) != bound:
            return refuse(_NOT_FOUND, "NO_SUCH_JOB", _NO_JOB)
        return super().answer(console, request, **named)


@describe(
    operation_id="job_why",
    responses={200: fleet_serializers.Why, **MAY_MISS},
    examples=examples.show("Placed at once", examples.WHY),
)
class WhyView(OwnJobView):
    """Every decision about one job of the last hour: who was looked at, and why not."""

    async def ask(self, service: FleetService, request: Request, **named: str) -> Response:
        why = await service.why(named["job_id"])
        if why is None:
            return refuse(_NOT_FOUND, "NO_SUCH_JOB", _NO_JOB)
        return Response(why)


@describe(
    operation_id="job_why_not",
    responses={200: fleet_serializers.WhyNot, **MAY_MISS},
    examples=examples.show(
        "A node that drains now, and was full when the job was placed",
        {
            "job_id": "job-1A2B3C4D-0123456789ab",
            "node_id": "node-7F3A91C2",
            "now": "status_not_ready",
            "then": ["capacity_exceeded"],
            "answers": [],
            "pools": ["voices"],
            "standings": [],
            "speeds": [],
        },
    ),
)
class WhyNotView(OwnJobView):
    """Why one node does not have one job: at this moment, and at each decision that is kept."""

    async def ask(self, service: FleetService, request: Request, **named: str) -> Response:
        verdict = await service.why_not(job_id=named["job_id"], node_id=named["node_id"])
        if verdict is None:
            return refuse(_NOT_FOUND, "NO_SUCH_JOB", _NO_JOB)
        return Response(verdict)


def _read_query(request: Request) -> PlacementQuery:
    asked = request.query_params
    named = (asked.get("src_lang", "zh"), asked.get("tgt_lang", "en"))
    src, tgt = map(read_language, named)
    types = _list_values(asked.getlist("required"))
    key = asked.get("routing_key") or asked.get("tenant_id") or asked.get("session_id")
    return PlacementQuery(
        need=Need(
            src=src,
            tgt=tgt,
            types=tuple(kind.lower() for kind in types),
            pairs=((src, tgt),),
            public=asked.get("accept_public", "true").lower() not in _FALSE,
        ),
        routing_key=key or "default",
        tenant_id=asked.get("tenant_id") or asked.get("routing_key", ""),
        session_id=asked.get("session_id") or asked.get("routing_key", ""),
        exclude=_list_values(asked.getlist("exclude_node_id")),
        preferred_node_id=asked.get("preferred_node_id", ""),
    )


def _list_values(texts: list[str]) -> tuple[str, ...]:
    """Return values that are repeated, or separated by commas, each once and in order."""
    values = (value.strip() for text in texts for value in text.split(","))
    return tuple(dict.fromkeys(value for value in values if value))
