"""The role admin gives roles: it sees and changes users, as far as the admin's page lets it."""

from typing import Any

from django.db import migrations


def let_admins_give_roles(apps: Any, _schema_editor: Any) -> None:
    """Add the right; Django itself makes rights only after all migrations."""
    content_types = apps.get_model("contenttypes", "ContentType").objects
    content_type, _ = content_types.get_or_create(app_label="auth", model="user")
    right, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type, codename="change_user", defaults={"name": "Can change user"}
    )
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name="admin")
    group.permissions.add(right)


class Migration(migrations.Migration):
    """Roles keep what they have."""

    dependencies = (
        ("operators", "0007_audit_chain"),
        ("auth", "0012_alter_user_first_name_max_length"),
    )
    operations = (migrations.RunPython(let_admins_give_roles, migrations.RunPython.noop),)
