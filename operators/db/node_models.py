"""What operators own of nodes: cordons, which outlast whatever Redis forgets."""

from typing import ClassVar

from django.db import models

from operators.db.pool_models import check_id


class Cordon(models.Model):
    """A node that gets nothing new until its cordon is deleted, connected or not."""

    node_id = models.CharField(
        max_length=64,
        unique=True,
        validators=[check_id],
        help_text="the node need not be connected; what it has it finishes",
    )
    reason = models.CharField(max_length=200, blank=True, help_text="for people")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True, editable=False)

    class Meta:
        ordering: ClassVar = ["node_id"]

    def __str__(self) -> str:
        return self.node_id


class FleetNode(models.Model):  # noqa: DJ008 - there are no rows to name
    """No table: the nodes of the running instance, so that the admin has a place for them."""

    class Meta:
        managed = False
        default_permissions = ("view", "change")
        verbose_name = "node"


def note_command(node_id: str, *, action: str, actor: str) -> bool:
    """Keep a cordon, or end one with a resumption; False where there was nothing to change."""
    if action == "cordon":
        _, is_new = Cordon.objects.get_or_create(node_id=node_id, defaults={"created_by": actor})
        return is_new
    if action == "resume":
        return Cordon.objects.filter(node_id=node_id).delete()[0] > 0
    return False
