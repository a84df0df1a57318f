"""The API of the fleet's size, version 1."""

from rest_framework.request import Request
from rest_framework.response import Response

from operators.api import examples, fleet_serializers
from operators.api.schema import describe
from operators.api.views import PROBLEMS, AskingView, ReadView
from operators.console.console import Console


@describe(
    operation_id="scaling",
    responses={200: fleet_serializers.Scaling, **PROBLEMS},
    examples=examples.show("One pool, and a node too many", examples.SCALING),
)
class ScalingView(AskingView, ReadView):
    """How many nodes each pool needs for short waits, and which ready ones could be stopped now."""

    async def ask(self, console: Console, request: Request, **named: str) -> Response:
        return Response(await console.scaling.describe())
