"""Answers about sessions and dead letters for the API description; nothing is validated here."""

from rest_framework import serializers

from operators.api.serializers import Page


class LanguagePair(serializers.Serializer[None]):
    src = serializers.CharField(help_text="`auto` stands for any.")
    tgt = serializers.CharField()


class Session(serializers.Serializer[None]):
    session_id = serializers.CharField()
    instance_id = serializers.CharField(help_text="Where its socket is.")
    tenant_id = serializers.CharField()
    languages = LanguagePair(many=True, help_text="The directed pairs it may speak.")
    connected_at_ms = serializers.IntegerField()


class SessionPage(Page):
    results = Session(many=True)


class SessionDetail(serializers.Serializer[None]):
    session_id = serializers.CharField()
    instance_id = serializers.CharField()
    opened_at_ms = serializers.IntegerField()
    is_resumable = serializers.BooleanField()
    profile = serializers.DictField(help_text="What the speaker said when it opened.")
    unacknowledged_jobs = serializers.ListField(child=serializers.CharField())


class DeadLetter(serializers.Serializer[None]):
    letter_id = serializers.CharField(help_text="Stable; it contains a slash.")
    target = serializers.CharField()
    event_type = serializers.CharField()
    reason = serializers.CharField()
    deliveries = serializers.IntegerField()
    first_seen_at_ms = serializers.IntegerField()
    moved_at_ms = serializers.IntegerField()
    instance = serializers.CharField(  # type: ignore[assignment]  # a serializer has its own
        help_text="The process that gave it up."
    )
    fields = serializers.DictField(  # type: ignore[assignment]  # a serializer keeps its own there
        child=serializers.CharField()
    )
    payload_bytes = serializers.IntegerField()


class DeadLetterPage(Page):
    results = DeadLetter(many=True)


class Replayed(serializers.Serializer[None]):
    letter_id = serializers.CharField()
    outcome = serializers.ChoiceField(
        ["replayed", "would_replay", "refused", "undecodable", "gone"]
    )


class Purged(serializers.Serializer[None]):
    removed = serializers.IntegerField()
