"""Who may see and change pools, tenants and switches: viewers see, operators change."""

from typing import Any

from django.db import migrations

_MODELS = {
    "ownedpool": "pool",
    "tenantpolicy": "tenant policy",
    "poolswitches": "switches",
}
_VERBS = {"viewer": ("view",), "operator": ("view", "add", "change", "delete")}
_VERBS["admin"] = _VERBS["operator"]


def give_rights(apps: Any, _schema_editor: Any) -> None:
    """Add the rights to the roles; Django itself makes rights only after all migrations."""
    content_types = apps.get_model("contenttypes", "ContentType").objects
    permissions = apps.get_model("auth", "Permission").objects
    groups = apps.get_model("auth", "Group").objects
    for model, title in _MODELS.items():
        content_type, _ = content_types.get_or_create(app_label="operators", model=model)
        for role, verbs in _VERBS.items():
            group, _ = groups.get_or_create(name=role)
            for verb in verbs:
                right, _ = permissions.get_or_create(
                    content_type=content_type,
                    codename=f"{verb}_{model}",
                    defaults={"name": f"Can {verb} {title}"},
                )
                group.permissions.add(right)


class Migration(migrations.Migration):
    """Roles keep what they have."""

    dependencies = (
        ("operators", "0003_pools"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    )
    operations = (migrations.RunPython(give_rights, migrations.RunPython.noop),)
