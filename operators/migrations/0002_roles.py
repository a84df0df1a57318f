"""The roles viewer, operator and admin, as groups of rights."""

from typing import Any

from django.db import migrations

_FLEET = ("operators", "fleetright")
_RIGHTS = (
    (_FLEET, "view_fleet", "See statistics, nodes, sessions and jobs"),
    (_FLEET, "operate_fleet", "Drain, cordon, replay and change pools"),
    (_FLEET, "administer_fleet", "Issue and revoke tokens, see the audit log"),
    (("operators", "nodetoken"), "view_nodetoken", "Can view node token"),
    (("operators", "nodetoken"), "add_nodetoken", "Can add node token"),
    (("operators", "nodetoken"), "change_nodetoken", "Can change node token"),
    (("operators", "apitoken"), "view_apitoken", "Can view API token"),
    (("operators", "apitoken"), "add_apitoken", "Can add API token"),
    (("operators", "apitoken"), "change_apitoken", "Can change API token"),
    (("operators", "auditentry"), "view_auditentry", "Can view audit entry"),
    (("auth", "user"), "view_user", "Can view user"),
    (("auth", "group"), "view_group", "Can view group"),
)
_VIEWER = {"view_fleet"}
_OPERATOR = _VIEWER | {"operate_fleet", "view_nodetoken", "view_apitoken"}
# No right to change users: whoever has it can make themselves superuser.
_ADMIN = {codename for _, codename, _ in _RIGHTS}
_ROLES = {"viewer": _VIEWER, "operator": _OPERATOR, "admin": _ADMIN}


def make_roles(apps: Any, _schema_editor: Any) -> None:
    """Make the groups; Django itself makes rights only after all migrations, so make them, too."""
    content_types = apps.get_model("contenttypes", "ContentType").objects
    permissions = apps.get_model("auth", "Permission").objects
    made = {}
    for (app_label, model), codename, name in _RIGHTS:
        content_type, _ = content_types.get_or_create(app_label=app_label, model=model)
        made[codename], _ = permissions.get_or_create(
            content_type=content_type, codename=codename, defaults={"name": name}
        )
    for role, rights in _ROLES.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        group.permissions.add(*(made[codename] for codename in rights))


class Migration(migrations.Migration):
    """Groups that exist keep what they have."""

    dependencies = (
        ("operators", "0001_tokens"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    )
    operations = (migrations.RunPython(make_roles, migrations.RunPython.noop),)
