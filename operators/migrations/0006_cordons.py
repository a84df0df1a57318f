"""Cordons, and a place for nodes in the admin: viewers see both, operators change them."""

from typing import Any

from django.db import migrations, models

import operators.db.pool_models

_CHANGE = ("view", "change")
_ALL = (*_CHANGE, "add", "delete")
_MODELS = {"fleetnode": ("node", _CHANGE), "cordon": ("cordon", _ALL)}


def give_rights(apps: Any, _schema_editor: Any) -> None:
    """Add the rights to the roles; Django itself makes rights only after all migrations."""
    content_types = apps.get_model("contenttypes", "ContentType").objects
    permissions = apps.get_model("auth", "Permission").objects
    groups = apps.get_model("auth", "Group").objects
    for model, (title, verbs) in _MODELS.items():
        content_type, _ = content_types.get_or_create(app_label="operators", model=model)
        for verb in verbs:
            right, _ = permissions.get_or_create(
                content_type=content_type,
                codename=f"{verb}_{model}",
                defaults={"name": f"Can {verb} {title}"},
            )
            roles = ("viewer", "operator", "admin") if verb == "view" else ("operator", "admin")
            for role in roles:
                groups.get_or_create(name=role)[0].permissions.add(right)


class Migration(migrations.Migration):
    dependencies = (("operators", "0005_job_history"),)

    operations = (
        migrations.CreateModel(
            name="FleetNode",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
            ],
            options={
                "verbose_name": "node",
                "managed": False,
                "default_permissions": ("view", "change"),
            },
        ),
        migrations.CreateModel(
            name="Cordon",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "node_id",
                    models.CharField(
                        help_text="the node need not be connected; what it has it finishes",
                        max_length=64,
                        unique=True,
                        validators=[operators.db.pool_models.check_id],
                    ),
                ),
                (
                    "reason",
                    models.CharField(blank=True, help_text="for people", max_length=200),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "created_by",
                    models.CharField(blank=True, editable=False, max_length=150),
                ),
            ],
            options={"ordering": ["node_id"]},
        ),
        migrations.RunPython(give_rights, migrations.RunPython.noop),
    )
