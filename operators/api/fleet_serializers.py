"""Answers about nodes and pools for the API description; nothing is validated through them."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from operators.api.serializers import (
    ClusterNode,
    JobDecision,
    JobNeed,
    LookedAt,
    NodeSpeed,
    NodeStanding,
)
from operators.console.node_commands import COMMANDS


class FleetNode(ClusterNode):
    draining = serializers.BooleanField(help_text="It gets nothing new until it is resumed.")
    held = serializers.ChoiceField(
        ["", "drain", "cordon"], help_text="What an operator asked of it."
    )
    languages = serializers.ListField(child=serializers.CharField())


class NodeList(serializers.Serializer[None]):
    nodes = FleetNode(many=True)


class NodeDetail(FleetNode):
    pools = serializers.ListField(child=serializers.CharField())
    language_capabilities = serializers.JSONField()


# The name under which it is described, as programs made from the description know it.
@extend_schema_serializer(component_name="Order")
class NodeCommand(serializers.Serializer[None]):
    node_id = serializers.CharField()
    action = serializers.ChoiceField(COMMANDS)


class CoverageRow(serializers.Serializer[None]):
    src = serializers.CharField()
    tgt = serializers.CharField()
    ready_nodes = serializers.IntegerField()
    free_slots = serializers.IntegerField()
    known_nodes = serializers.IntegerField(
        help_text="Could serve it, ready or not, connected or away; 0: refused at once."
    )
    held_back_nodes = serializers.IntegerField(
        help_text="Of the ready ones: on probation, in quarantine or on trial."
    )


class CoverageGrid(serializers.Serializer[None]):
    pairs = CoverageRow(many=True, help_text="Worst first.")


class PoolTarget(serializers.Serializer[None]):
    pool_id = serializers.CharField(help_text="As metrics name it; `all`: no pool.")
    pool_name = serializers.CharField()
    arrivals_per_s = serializers.FloatField(help_text="The most of late, at all instances.")
    held_s = serializers.FloatField(help_text="How long a job holds its slot, on average.")
    ready_nodes = serializers.IntegerField(help_text="In good standing.")
    ready_slots = serializers.IntegerField()
    target_nodes = serializers.IntegerField()
    target_slots = serializers.IntegerField()
    floor_nodes = serializers.IntegerField(help_text="So few do all that was asked for.")


class StoppableNode(serializers.Serializer[None]):
    node_id = serializers.CharField()
    slots = serializers.IntegerField()
    pools = serializers.ListField(child=serializers.CharField())
    reason = serializers.ChoiceField(["spare", "held_back"])


class Scaling(serializers.Serializer[None]):
    wait_goal_ms = serializers.IntegerField(help_text="95 of 100 jobs wait less.")
    is_settled = serializers.BooleanField(
        help_text="False: watched for less than LINGUA_SCALING_DOWN_S; nobody is to be stopped."
    )
    target_nodes = serializers.IntegerField()
    ready_nodes = serializers.IntegerField()
    pools = PoolTarget(many=True)
    stoppable = StoppableNode(many=True, help_text="All of these together.")


class PoolRow(serializers.Serializer[None]):
    pool_id = serializers.CharField(help_text="Opaque.")
    pool_name = serializers.CharField()
    kind = serializers.ChoiceField(["pair", "set", "mixed", "capability", "tenant", "bucket"])
    pool_required_services = serializers.ListField(child=serializers.CharField())
    languages = serializers.ListField(child=serializers.CharField())
    total_nodes = serializers.IntegerField()
    online_nodes = serializers.IntegerField()
    ready_nodes = serializers.IntegerField()
    core_services_installed = serializers.DictField(child=serializers.IntegerField())
    core_services_ready = serializers.DictField(child=serializers.IntegerField())
    sample_node_ids = serializers.ListField(child=serializers.CharField(), help_text="At most 5.")


class PoolDetail(PoolRow):
    node_ids = serializers.ListField(child=serializers.CharField())


class PoolList(serializers.Serializer[None]):
    version = serializers.IntegerField(help_text="Of the configuration in force here.")
    config = serializers.JSONField()
    pools = PoolRow(many=True)


class Rebuilt(serializers.Serializer[None]):
    version = serializers.IntegerField()


class RebuildAsked(serializers.Serializer[None]):
    asked = serializers.BooleanField(help_text="The leader will do it.")


class Search(serializers.Serializer[None]):
    pool_count = serializers.IntegerField()
    preferred_pool = serializers.CharField(allow_null=True)
    selected_pool = serializers.CharField(allow_null=True)
    fallback_used = serializers.BooleanField()
    attempts = serializers.ListField(
        child=serializers.JSONField(), help_text="Rows of pool id, reason, nodes that could."
    )


class Simulation(serializers.Serializer[None]):
    routing_key = serializers.CharField()
    required = serializers.ListField(  # type: ignore[assignment]  # a field's option elsewhere
        child=serializers.CharField()
    )
    selected_node_id = serializers.CharField(allow_null=True)
    refused = serializers.CharField(allow_null=True)
    debug = Search()
    breakdown = serializers.DictField(child=serializers.IntegerField())
    looked_at = LookedAt(many=True)


class JudgedNode(NodeStanding):
    node_id = serializers.CharField()


class TimedNode(NodeSpeed):
    node_id = serializers.CharField()


class Why(serializers.Serializer[None]):
    job_id = serializers.CharField()
    state = serializers.CharField()
    phase2_state = serializers.CharField()
    node_id = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    attempt = serializers.IntegerField()
    tenant_id = serializers.CharField()
    need = JobNeed()
    decisions = JobDecision(many=True)
    standings = JudgedNode(many=True, help_text="Of nodes that were looked at, unless it is good.")
    speeds = TimedNode(many=True, help_text="Of the same, as far as known, the fastest first.")


class WhyNot(serializers.Serializer[None]):
    job_id = serializers.CharField()
    node_id = serializers.CharField()
    now = serializers.CharField(allow_null=True, help_text="Null: it could have the job.")
    then = serializers.ListField(
        child=serializers.CharField(allow_null=True),
        help_text="For each decision why it was passed over; null: it was asked.",
    )
    answers = serializers.ListField(child=serializers.CharField(), help_text="Of its slot.")
    pools = serializers.ListField(child=serializers.CharField())
    standings = JudgedNode(many=True, help_text="Of the node, unless it is good.")
    speeds = TimedNode(many=True, help_text="Of the node with the job's services, if known.")
