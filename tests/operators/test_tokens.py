"""Tokens as an operator handles them: in the admin, by command, in the audit log."""

import datetime as dt
import io
import json
import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client

from operators.db import audit, datetimes, signals, tokens
from operators.models import ApiToken, AuditEntry, NodeToken
from scheduling.model.credentials import parse_token
from scheduling.model.shares import Shares
from scheduling.store.keys import Keys
from tests.redis_under_test import OwnRedis

pytestmark = pytest.mark.django_db
_RIGHT, _WRONG = "opens", "opens not"
_SHOWN = re.compile(r"<code>(l[na]t_[0-9a-f]{12}_[\w-]{43})</code>")


@pytest.fixture(autouse=True)
def published_to(redis_server: OwnRedis, reinstall: Callable[..., None], prefix: str) -> None:
    reinstall(redis=redis_server.url, keys=Keys(prefix))


def log_in(role: str) -> Client:
    user = User.objects.create_user(username=f"a-{role}", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("token", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def issue(**fields: object) -> tuple[NodeToken, str]:
    token = NodeToken(name="Berlin", **fields)
    return token, tokens.issue(token, actor="somebody")


def test_an_admin_issues_a_token_and_sees_it_once() -> None:
    client = log_in("admin")

    page = client.post("/admin/operators/nodetoken/add/", {"name": "Berlin", "node_id": "b-1"})
    again = client.get(f"/admin/operators/nodetoken/{NodeToken.objects.get().pk}/change/")

    [text] = _SHOWN.findall(page.content.decode())
    drawn = parse_token(text)
    token = NodeToken.objects.get()
    assert drawn is not None
    assert token.prefix == drawn.prefix
    assert token.to_credential().is_proved_by(drawn.secret)
    assert drawn.secret not in again.content.decode()
    assert drawn.secret not in str(page.cookies)
    assert "no-store" in page["Cache-Control"]
    entry = AuditEntry.objects.get(action="token.issue")
    assert (entry.actor, entry.target) == ("a-admin", drawn.prefix)
    assert drawn.secret not in json.dumps(entry.detail)


def test_an_api_token_has_the_scopes_that_were_ticked() -> None:
    client = log_in("admin")

    client.post("/admin/operators/apitoken/add/", {"name": "Desk", "scopes": ["session", "read"]})
    refused = client.post("/admin/operators/apitoken/add/", {"name": "Desk", "scopes": ["root"]})

    assert ApiToken.objects.get().scopes == ["session", "read"]
    assert "is not one of the available choices" in refused.content.decode()


def test_an_admin_rotates_and_revokes_from_the_list() -> None:
    token, _ = issue()
    client = log_in("admin")

    rotated = client.post(
        "/admin/operators/nodetoken/", {"action": "rotate", "_selected_action": [token.pk]}
    )
    client.post("/admin/operators/nodetoken/", {"action": "revoke", "_selected_action": [token.pk]})

    token.refresh_from_db()
    [text] = _SHOWN.findall(rotated.content.decode())
    assert token.state == "revoked"
    successor = tokens.find(text[:16])
    assert successor is not None
    assert successor.state == "valid"
    assert successor.principal_id == token.principal_id
    assert [e.action for e in AuditEntry.objects.filter(action__startswith="token")][::-1] == [
        "token.issue",
        "token.issue",
        "token.rotate",
        "token.revoke",
    ]


def test_nobody_deletes_a_token_or_the_log() -> None:
    token, _ = issue()
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    entry = AuditEntry.objects.first()
    assert entry is not None

    assert client.post(f"/admin/operators/nodetoken/{token.pk}/delete/").status_code == 403
    assert client.post(f"/admin/operators/auditentry/{entry.pk}/delete/").status_code == 403
    assert client.post(f"/admin/operators/auditentry/{entry.pk}/change/").status_code == 403
    with pytest.raises(TypeError, match="never changed"):
        entry.save()
    with pytest.raises(TypeError, match="never deleted"):
        entry.delete()


@pytest.mark.parametrize(("role", "sees", "issues"), [("viewer", 403, 403), ("operator", 200, 403)])
def test_a_lower_role_issues_nothing(role: str, sees: int, issues: int) -> None:
    client = log_in(role)

    assert client.get("/admin/operators/nodetoken/").status_code == sees
    assert client.get("/admin/operators/nodetoken/add/").status_code == issues
    assert not User.objects.get(username=f"a-{role}").has_perm("operators.change_nodetoken")


def test_an_operator_cannot_revoke_by_an_action() -> None:
    token, _ = issue()
    client = log_in("operator")

    client.post("/admin/operators/nodetoken/", {"action": "revoke", "_selected_action": [token.pk]})
    client.post("/admin/operators/nodetoken/", {"action": "rotate", "_selected_action": [token.pk]})

    token.refresh_from_db()
    assert token.state == "valid"
    assert NodeToken.objects.count() == 1


def test_what_the_admin_does_to_other_things_is_noted_too() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))

    client.post("/admin/auth/group/add/", {"name": "night shift"})

    entry = AuditEntry.objects.get(action="admin.add")
    assert (entry.actor, entry.detail["object"]) == ("root", "night shift")
    assert entry.address == "127.0.0.1"


def test_logins_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "failed_here", Shares(per_s=0.01, burst=2))
    monkeypatch.setattr(signals, "failed_anywhere", Shares(per_s=0.01, burst=2))
    User.objects.create_user(username="somebody", password=_RIGHT)
    client = Client()

    client.login(username="somebody", password=_WRONG)
    client.login(username="somebody", password=_RIGHT)
    client.logout()

    noted = AuditEntry.objects.order_by("pk").values_list("actor", "action")
    assert list(noted) == [
        ("somebody", "login.failed"),
        ("somebody", "login"),
        ("somebody", "logout"),
    ]


@pytest.mark.req("ED11")
def test_failed_logins_leave_few_entries_whatever_names_they_show(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signals, "failed_here", Shares(per_s=0.001, burst=2))
    monkeypatch.setattr(signals, "failed_anywhere", Shares(per_s=0.001, burst=3))
    for sender in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        token = audit.address.set(sender)
        for number in range(4):
            Client().login(username=f"stranger {number}", password=_WRONG)
        audit.address.reset(token)

    assert AuditEntry.objects.filter(action="login.failed").count() == 3


def test_the_command_creates_lists_rotates_and_revokes() -> None:
    text = run("create", "api", "Desk", "--scope", "read", "--tenant", "acme", "--days", "1")
    [row] = [json.loads(line) for line in run("list", "--json").splitlines()]
    successor = run("rotate", text[:16], "--overlap-hours", "0.5")
    run("revoke", text[:16])

    assert row["prefix"] == text[:16]
    assert (row["state"], row["bound"]) == ("valid", "scopes read tenant acme")
    assert text[17:] not in run("list")
    states = {row.prefix: row.state for row in ApiToken.objects.all()}
    assert states == {text[:16]: "revoked", successor[:16]: "valid"}
    assert AuditEntry.objects.filter(actor__startswith="command:").count() == 4


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("create", "node", "x", "--scope", "read"), "is for api tokens"),
        (("create", "api", "x", "--node-id", "n"), "is for node tokens"),
        (("create", "node", "x", "--node-id", "{n}"), "1 to 64 letters"),
        (("revoke", "lnt_000000000000"), "there is no token"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        run(*arguments)


def test_a_rotation_ends_the_old_token_after_the_overlap_and_never_later_than_before() -> None:
    token, _ = issue()
    tokens.rotate(token, overlap=dt.timedelta(hours=1), actor="somebody")
    first_end = token.expires_at
    tokens.rotate(token, overlap=dt.timedelta(hours=9), actor="somebody")

    assert first_end is not None
    assert first_end - datetimes.now() <= dt.timedelta(hours=1)
    assert token.expires_at == first_end


def test_a_token_that_is_over_is_not_rotated() -> None:
    token, _ = issue()
    tokens.revoke(token, actor="somebody")

    with pytest.raises(ValueError, match="is revoked: issue a new token"):
        tokens.rotate(token, overlap=dt.timedelta(0), actor="somebody")


def test_two_tokens_never_name_one_node() -> None:
    first, _ = issue(node_id="b-1")
    client = log_in("admin")

    refused = client.post("/admin/operators/nodetoken/add/", {"name": "x", "node_id": "b-1"})
    with pytest.raises(CommandError, match=f"{first.prefix} names this node id"):
        run("create", "node", "x", "--node-id", "b-1")
    successor = run("rotate", first.prefix)
    run("revoke", first.prefix)
    run("revoke", successor[:16])
    run("create", "node", "x", "--node-id", "b-1")

    assert "names this node id" in refused.content.decode()
    assert NodeToken.objects.filter(revoked_at=None).count() == 1


def test_each_change_has_a_higher_version() -> None:
    token, _ = issue()
    before = token.version

    tokens.revoke(token, actor="somebody")

    assert token.version > before


def test_the_role_admin_gives_roles() -> None:
    client = log_in("admin")
    new = User.objects.create_user(username="new")
    operator = Group.objects.get(name="operator")

    page = client.post(
        f"/admin/auth/user/{new.pk}/change/",
        {"groups": [operator.pk], "is_staff": "on", "is_active": "on", "is_superuser": "on"},
    )

    assert page.status_code == 302
    new.refresh_from_db()
    assert [group.name for group in new.groups.all()] == ["operator"]
    assert (new.is_staff, new.is_superuser) == (True, False)
    entry = AuditEntry.objects.get(action="user.roles")
    assert (entry.actor, entry.target, entry.detail) == ("a-admin", "new", {"roles": ["operator"]})


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_no_lower_role_gives_roles(role: str) -> None:
    client = log_in(role)
    new = User.objects.create_user(username="new")

    assert client.post(f"/admin/auth/user/{new.pk}/change/", {"groups": []}).status_code == 403


def test_the_role_admin_makes_nobody_more_than_an_admin() -> None:
    client = log_in("admin")
    root = User.objects.create_superuser(username="root")
    new = User.objects.create_user(username="new")
    other = Group.objects.create(name="database keepers")
    new.groups.add(other)

    assert client.post(f"/admin/auth/user/{root.pk}/change/", {"groups": []}).status_code == 403
    assert client.get(f"/admin/auth/user/{new.pk}/password/").status_code == 403
    assert client.get("/admin/auth/user/add/").status_code == 403
    shown = client.get(f"/admin/auth/user/{new.pk}/change/").content.decode()
    assert "user_permissions" not in shown
    assert "database keepers" not in shown
    client.post(f"/admin/auth/user/{new.pk}/change/", {"groups": [], "is_active": "on"})
    assert list(new.groups.all()) == [other]
