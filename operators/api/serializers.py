"""The API's answers for its OpenAPI description; nothing is validated through them."""

from rest_framework import serializers

from operators.console.job_commands import COMMANDS


class Page(serializers.Serializer[None]):
    """What every list that is given page by page begins with."""

    count = serializers.IntegerField(help_text="Of all pages.")
    next = serializers.CharField(allow_null=True, help_text="The address of the next page.")
    previous = serializers.CharField(allow_null=True)


class LanguageCount(serializers.Serializer[None]):
    language = serializers.CharField()
    count = serializers.IntegerField()


class LanguageUse(serializers.Serializer[None]):
    as_source = serializers.IntegerField()
    as_target = serializers.IntegerField()
    total = serializers.IntegerField()


class WebClients(serializers.Serializer[None]):
    active_users = serializers.IntegerField()
    top_languages = LanguageCount(many=True, help_text="At most ten, the most used first.")
    language_usage = serializers.DictField(child=LanguageUse())


class NodePower(serializers.Serializer[None]):
    node_id = serializers.CharField()
    node_name = serializers.CharField()
    cpu_power = serializers.FloatField(help_text="Cores below 50 % of use.")
    gpu_power = serializers.FloatField(help_text="GPU gigabytes below 75 %.")
    memory_power = serializers.FloatField(help_text="Gigabytes below 75 %.")


class ComputePower(serializers.Serializer[None]):
    total_cpu_power = serializers.FloatField()
    total_gpu_power = serializers.FloatField()
    total_memory_power = serializers.FloatField()
    node_power_details = NodePower(many=True)


class Service(serializers.Serializer[None]):
    service_id = serializers.CharField()
    name = serializers.CharField()
    latest_version = serializers.CharField()
    variants = serializers.ListField(child=serializers.JSONField())


class NodeStatistics(serializers.Serializer[None]):
    connected_nodes = serializers.IntegerField()
    type_node_counts = serializers.DictField(child=serializers.IntegerField())
    type_in_use_counts = serializers.DictField(child=serializers.IntegerField())
    service_node_counts = serializers.DictField(child=serializers.IntegerField())
    available_services = Service(many=True)
    total_services = serializers.IntegerField()
    compute_power = ComputePower()


class Statistics(serializers.Serializer[None]):
    web_clients = WebClients()
    nodes = NodeStatistics()


class Instance(serializers.Serializer[None]):
    instance_id = serializers.CharField()
    hostname = serializers.CharField()
    pid = serializers.IntegerField()
    version = serializers.CharField()
    started_at_ms = serializers.IntegerField()
    uptime_seconds = serializers.IntegerField()
    is_online = serializers.BooleanField()
    inbox_length = serializers.IntegerField()
    inbox_pending = serializers.IntegerField()
    dlq_length = serializers.IntegerField()
    nodes_owned = serializers.IntegerField()
    sessions_owned = serializers.IntegerField()


class ServiceState(serializers.Serializer[None]):
    service_id = serializers.CharField()
    service_type = serializers.CharField()
    status = serializers.CharField()


class CapabilityState(serializers.Serializer[None]):
    service_type = serializers.CharField()
    ready = serializers.BooleanField()
    reason = serializers.CharField(allow_null=True)
    ready_impl_ids = serializers.ListField(child=serializers.CharField(), allow_null=True)


class Flaws(serializers.Serializer[None]):
    repaired = serializers.IntegerField(help_text="Frames with text that was no text.")
    dropped = serializers.IntegerField(help_text="Frames taken without a field.")
    refused = serializers.IntegerField(help_text="Frames that could not be taken.")
    last = serializers.CharField(help_text="What the last one had wrong.")
    failures = serializers.IntegerField(help_text="Jobs it failed, and errors it reported.")
    last_failure = serializers.CharField(help_text="Why, the last time, in the node's own words.")
    last_at_ms = serializers.IntegerField(help_text="Milliseconds since the epoch, or 0.")


class InstalledModel(serializers.Serializer[None]):
    model_id = serializers.CharField()
    kind = serializers.CharField()
    version = serializers.CharField()
    enabled = serializers.BooleanField()


class NodeStanding(serializers.Serializer[None]):
    state = serializers.ChoiceField(
        ["good", "probation", "quarantine", "trial"],
        help_text="On probation and on trial it gets one job at a time, in quarantine none.",
    )
    reason = serializers.CharField(
        help_text="failed, silent, stalled, unreadable or operator; empty where it is good."
    )
    since_ms = serializers.IntegerField(help_text="Milliseconds since the epoch, or 0.")
    ends_at_ms = serializers.IntegerField(help_text="The same; when it ends, or is tried.")


class NodeSpeed(serializers.Serializer[None]):
    services = serializers.ListField(
        child=serializers.CharField(), help_text="Service types of the jobs it was measured with."
    )
    ms_per_second = serializers.IntegerField(
        help_text="What a second of audio takes the node, as we measured it."
    )
    median_ms_per_second = serializers.IntegerField(
        help_text="The same of the node in the middle of those that are connected."
    )
    nodes_measured = serializers.IntegerField(help_text="How many that median is of.")
    measured_at_ms = serializers.IntegerField(help_text="Milliseconds since the epoch.")


class ClusterNode(serializers.Serializer[None]):
    node_id = serializers.CharField()
    instance_id = serializers.CharField()
    platform = serializers.CharField()
    online = serializers.BooleanField()
    status = serializers.CharField(
        help_text="Registering, Ready, Degraded, Draining, Cordoned or Offline."
    )
    cpu_usage = serializers.FloatField()
    gpu_usage = serializers.FloatField(allow_null=True)
    memory_usage = serializers.FloatField()
    current_jobs = serializers.IntegerField()
    max_concurrent_jobs = serializers.IntegerField()
    last_heartbeat = serializers.IntegerField(help_text="Milliseconds since the epoch.")
    features = serializers.ListField(child=serializers.CharField())
    models = InstalledModel(many=True)
    flaws = Flaws(help_text="Frames of its connection that were not as declared.")
    takeovers = serializers.IntegerField(
        help_text="How often a newer connection took its id from a living one."
    )
    standing = NodeStanding(help_text="What its work so far says of it.")
    speeds = NodeSpeed(many=True, help_text="The latest first; none before its first good answer.")
    services = ServiceState(many=True)
    capabilities = CapabilityState(many=True)


class Cluster(serializers.Serializer[None]):
    instances = Instance(many=True)
    total_instances = serializers.IntegerField()
    online_instances = serializers.IntegerField()
    total_nodes = serializers.IntegerField()
    online_nodes = serializers.IntegerField()
    ready_nodes = serializers.IntegerField()
    total_sessions = serializers.IntegerField()
    total_pending = serializers.IntegerField()
    total_dlq = serializers.IntegerField()
    redis_key_prefix = serializers.CharField()
    nodes = ClusterNode(many=True)


class JobStep(serializers.Serializer[None]):
    state = serializers.CharField()
    phase2_state = serializers.CharField()
    at_ms = serializers.IntegerField()
    since_ms = serializers.IntegerField(help_text="Since the step before.")


class JobAttempt(serializers.Serializer[None]):
    attempt = serializers.IntegerField()
    failure = serializers.CharField(allow_null=True)
    steps = JobStep(many=True)


class JobNeed(serializers.Serializer[None]):
    src = serializers.CharField()
    tgt = serializers.CharField()
    types = serializers.ListField(child=serializers.CharField())


class LookedAt(serializers.Serializer[None]):
    node_id = serializers.CharField()
    load = serializers.IntegerField()
    passed_over = serializers.CharField(allow_null=True)
    lacks = serializers.ListField(
        child=serializers.CharField(),
        help_text="What it would need to serve the job at all; empty where it could.",
    )


class SlotAnswer(serializers.Serializer[None]):
    node_id = serializers.CharField()
    word = serializers.CharField()
    load = serializers.IntegerField()
    elapsed_us = serializers.IntegerField()


class JobDecision(serializers.Serializer[None]):
    at_ms = serializers.IntegerField()
    attempt = serializers.IntegerField()
    outcome = serializers.CharField()
    node_id = serializers.CharField()
    pool_id = serializers.CharField()
    pools = serializers.ListField(child=serializers.CharField())
    fallback = serializers.BooleanField()
    reason = serializers.CharField()
    looked_at = LookedAt(many=True)
    answers = SlotAnswer(many=True)
    choosing_us = serializers.IntegerField()
    elapsed_us = serializers.IntegerField()


class Job(serializers.Serializer[None]):
    job_id = serializers.CharField()
    session_id = serializers.CharField()
    tenant_id = serializers.CharField()
    utterance_index = serializers.IntegerField()
    trace_id = serializers.CharField()
    state = serializers.CharField()
    phase2_state = serializers.CharField()
    ended_as = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    attempt = serializers.IntegerField()
    node_id = serializers.CharField(allow_null=True)
    failed_on = serializers.ListField(child=serializers.CharField())
    created_at_ms = serializers.IntegerField()
    deadline_at_ms = serializers.IntegerField()
    need = JobNeed()
    attempts = JobAttempt(many=True)
    decisions = JobDecision(many=True)


class JobRow(serializers.Serializer[None]):
    job_id = serializers.CharField()
    session_id = serializers.CharField()
    state = serializers.CharField()
    phase2_state = serializers.CharField()
    attempt = serializers.IntegerField()
    node_id = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    at_ms = serializers.IntegerField()
    age_ms = serializers.FloatField()


class JobPage(Page):
    results = JobRow(many=True)


class EndedJobRow(serializers.Serializer[None]):
    job_id = serializers.CharField()
    session_id = serializers.CharField()
    tenant_id = serializers.CharField()
    utterance_index = serializers.IntegerField()
    state = serializers.CharField()
    phase2_state = serializers.CharField()
    reason = serializers.CharField(allow_null=True)
    node_id = serializers.CharField(allow_null=True)
    attempts = serializers.IntegerField()
    src_lang = serializers.CharField()
    tgt_lang = serializers.CharField()
    trace_id = serializers.CharField()
    created_at_ms = serializers.IntegerField()
    ended_at_ms = serializers.IntegerField()
    duration_ms = serializers.IntegerField()


class EndedJobPage(Page):
    results = EndedJobRow(many=True)


class AuditRow(serializers.Serializer[None]):
    number = serializers.IntegerField(
        allow_null=True, help_text="Its place in the chain; null before there was one."
    )
    at = serializers.DateTimeField()
    actor = serializers.CharField(help_text="A user name, a token's prefix or a command.")
    action = serializers.CharField()
    target = serializers.CharField(allow_blank=True)
    address = serializers.CharField(allow_blank=True)
    detail = serializers.JSONField()
    digest = serializers.CharField(allow_blank=True, help_text="Seals it and all before it.")


class AuditPage(Page):
    results = AuditRow(many=True)


class Problem(serializers.Serializer[None]):
    error = serializers.CharField()
    message = serializers.CharField()


class TicketWish(serializers.Serializer[None]):
    room_code = serializers.RegexField(
        r"^[0-9]{6}\Z",
        required=False,
        help_text="Of a room: the ticket lets its bearer listen there.",
    )
    room_id = serializers.CharField(
        max_length=64, required=False, help_text="Of that room, so that no later one is meant."
    )


class Ticket(serializers.Serializer[None]):
    ticket = serializers.CharField(allow_null=True, help_text="Null where none is needed.")
    expires_at_ms = serializers.IntegerField(allow_null=True)
    subprotocols = serializers.ListField(child=serializers.CharField())


class Detail(serializers.Serializer[None]):
    detail = serializers.CharField()


class JobCommand(serializers.Serializer[None]):
    job_id = serializers.CharField()
    action = serializers.ChoiceField(COMMANDS)
