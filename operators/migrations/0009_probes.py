"""Probes of nodes: a clip for each language, the English one among them, and their rights."""

from typing import Any

from django.db import migrations, models

import operators.db.probe_models

_ROLES = {
    "view": ("viewer", "operator", "admin"),
    "change": ("operator", "admin"),
    "add": ("operator", "admin"),
    "delete": ("operator", "admin"),
}


def give_rights(apps: Any, _schema_editor: Any) -> None:
    """Add the rights to the roles; Django itself makes rights only after all migrations."""
    content_types = apps.get_model("contenttypes", "ContentType").objects
    permissions = apps.get_model("auth", "Permission").objects
    groups = apps.get_model("auth", "Group").objects
    content_type, _ = content_types.get_or_create(app_label="operators", model="speechprobe")
    for verb, roles in _ROLES.items():
        right, _ = permissions.get_or_create(
            content_type=content_type,
            codename=f"{verb}_speechprobe",
            defaults={"name": f"Can {verb} probe"},
        )
        for role in roles:
            groups.get_or_create(name=role)[0].permissions.add(right)


def add_english(apps: Any, _schema_editor: Any) -> None:
    """Add the probe that ships: "go forward ten meters", without what nodes write as figures."""
    clip = operators.db.probe_models.CLIPS / "go_forward_ten_meters.wav"
    probes = apps.get_model("operators", "SpeechProbe").objects
    probes.create(language="en", words=["go", "forward"], clip=clip.read_bytes())


class Migration(migrations.Migration):
    dependencies = (("operators", "0008_give_roles"),)

    operations = (
        migrations.CreateModel(
            name="SpeechProbe",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "language",
                    models.CharField(
                        help_text="of the clip; nodes that understand it are probed",
                        max_length=35,
                        unique=True,
                        validators=[operators.db.probe_models.check_language],
                    ),
                ),
                (
                    "words",
                    models.JSONField(
                        help_text="all of them must be heard; few, plain ones that no node"
                        " writes as figures",
                        validators=[operators.db.probe_models.check_words],
                    ),
                ),
                (
                    "clip",
                    models.BinaryField(
                        help_text="WAV", validators=[operators.db.probe_models.check_clip]
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                ("found", models.CharField(blank=True, editable=False, max_length=200)),
                ("changed_at", models.DateTimeField(auto_now=True)),
            ],
            options={"ordering": ["language"], "verbose_name": "probe"},
        ),
        migrations.RunPython(give_rights, migrations.RunPython.noop),
        migrations.RunPython(add_english, migrations.RunPython.noop),
    )
