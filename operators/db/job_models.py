"""The history of jobs: one row for each job that is over, written once."""

from typing import ClassVar

from django.db import models

from operators.db.job_rows import STATES


class EndedJob(models.Model):
    """A job that is over; columns are what people search by, `record` is all Redis knew of it."""

    job_id = models.CharField(max_length=96, primary_key=True)
    session_id = models.CharField(max_length=96)
    tenant_id = models.CharField(max_length=64, blank=True)
    node_id = models.CharField(max_length=64, blank=True, help_text="where it stood last")
    state = models.CharField(max_length=16, choices=[(state, state) for state in STATES])
    reason = models.CharField(max_length=64, blank=True, help_text="why it has no result")
    attempts = models.PositiveSmallIntegerField()
    utterance_index = models.BigIntegerField()
    src_lang = models.CharField(max_length=16, blank=True)
    tgt_lang = models.CharField(max_length=16, blank=True)
    trace_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    record = models.JSONField(help_text="its record as Redis had it: every step of every attempt")

    class Meta:
        ordering: ClassVar = ["-ended_at", "-job_id"]
        verbose_name = "ended job"
        indexes: ClassVar = [
            models.Index(fields=["-ended_at", "-job_id"], name="ended_at"),
            models.Index(fields=["session_id", "-ended_at"], name="ended_session"),
            models.Index(fields=["node_id", "-ended_at"], name="ended_node"),
            models.Index(fields=["tenant_id", "-ended_at"], name="ended_tenant"),
            models.Index(fields=["state", "reason", "-ended_at"], name="ended_state"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} {self.state} {self.reason}".rstrip()
