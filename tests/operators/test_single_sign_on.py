"""Operators log in at a provider of OpenID Connect: a real one, on loopback (RE10)."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client

from lingua.settings.embedded_redis import find_free_port
from operators.db.login_provider import LoginProvider
from operators.db.single_sign_on import NotAdmitted, admit
from operators.models import AuditEntry
from tests.manage import NO_REDIS, run
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db, pytest.mark.req("RE10")]
# Who the provider knows, by what it says of them.
PEOPLE: dict[str, Any] = {
    "chief": {"groups": ["staff", "lingua-admins"], "name": "A. Chief", "email": "c@example.org"},
    "watcher": {"groups": "lingua-watchers"},
    "stranger": {"groups": ["staff"]},
    "liar": {"groups": {"lingua-admins": True}, "is_superuser": True},
    "nobody": {},
}
ROLES = {"lingua-admins": "admin", "lingua-watchers": "viewer"}


def trust(issuer: str, **changes: Any) -> LoginProvider:
    told = {"issuer": issuer, "client_id": "lingua", "client_secret": "x", "claim": "groups"}
    return LoginProvider(**(told | {"roles": ROLES, "session_s": 3_600} | changes))


class Provider:
    """A provider of logins in a process of its own."""

    def __init__(self, directory: Path) -> None:
        self.port = find_free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        people = [
            f"--user-claims={json.dumps({'sub': sub} | told)}" for sub, told in PEOPLE.items()
        ]
        words = ["--port", str(self.port), "--host", "127.0.0.1", *people]
        with (directory / "provider.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "oidc_provider_mock", *words], stdout=log, stderr=log
            )
        wait_until(self._answers, "the provider of logins does not answer")

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.issuer}/.well-known/openid-configuration").is_success
        except httpx.TransportError:
            return False

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module", name="provider")
def _provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    provider = Provider(tmp_path_factory.mktemp("provider"))
    yield provider
    provider.end()


@pytest.fixture(autouse=True)
def _trusted(provider: Provider, reinstall: Callable[..., None]) -> None:
    reinstall(single_sign_on=trust(provider.issuer))


def agree(client: Client, who: str, path: str = "/login/sso") -> str:
    """Go to the provider, say who one is, and return where it sends one back to."""
    sent = client.get(path)
    assert sent.status_code == 302, sent.content
    told = httpx.post(sent.headers["Location"], data={"sub": who}, follow_redirects=False)
    return told.headers["Location"].partition("testserver")[2]


def enter(client: Client, who: str, path: str = "/login/sso") -> Any:
    return client.get(agree(client, who, path))


def is_inside(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


@pytest.mark.parametrize(("who", "role"), [("chief", "admin"), ("watcher", "viewer")])
def test_a_group_of_the_provider_is_a_role_here(who: str, role: str) -> None:
    client = Client()
    answer = enter(client, who, "/login/sso?next=/fleet")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/fleet")
    assert is_inside(client)
    account = User.objects.get()
    assert [group.name for group in account.groups.all()] == [role]
    assert not account.is_superuser
    assert not account.has_usable_password()
    assert AuditEntry.objects.filter(action="login", actor=account.username).exists()


@pytest.mark.parametrize("who", ["stranger", "liar", "nobody"])
def test_who_has_no_role_is_told_so_and_has_no_account(who: str) -> None:
    client = Client()
    answer = enter(client, who)

    assert answer.status_code == 403
    assert "claim “groups” has a role" in answer.content.decode()
    assert not is_inside(client)
    assert not User.objects.exists()


def test_roles_are_those_of_the_latest_login() -> None:
    issuer = "https://login.example.org"
    claims = {"iss": issuer, "aud": ["lingua"], "sub": "1", "groups": ["lingua-admins"]}
    account = admit(claims, trust(issuer))
    assert admit(claims | {"groups": ["lingua-watchers"]}, trust(issuer)) == account
    assert [group.name for group in account.groups.all()] == ["viewer"]

    with pytest.raises(NotAdmitted):
        admit(claims | {"groups": []}, trust(issuer))

    account.refresh_from_db()
    assert not account.is_staff
    assert not account.groups.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere.example.org"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": {"lingua": 1}},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 300},
        {"groups": [7, None, ["lingua-admins"]]},
        {"groups": ["lingua-admins"] * 2_000},
        {"groups": True},
    ],
)
def test_claims_that_are_not_as_they_must_be_get_nobody_in(changes: dict[str, Any]) -> None:
    issuer = "https://login.example.org"
    claims = {"iss": issuer, "aud": "lingua", "sub": "1", "groups": ["lingua-admins"]}

    with pytest.raises(NotAdmitted):
        admit(claims | changes, trust(issuer))

    assert not User.objects.exists()


def test_no_provider_names_an_account_that_has_a_password_or_was_switched_off() -> None:
    issuer = "https://login.example.org"
    claims = {"iss": issuer, "aud": "lingua", "sub": "root", "groups": ["lingua-admins"]}
    User.objects.create_superuser(username="root", password="a long password 17")  # noqa: S106 - of this test alone
    account = admit(claims | {"preferred_username": "root"}, trust(issuer))
    assert account.username != "root"

    User.objects.filter(pk=account.pk).update(is_active=False)
    with pytest.raises(NotAdmitted, match="switched off"):
        admit(claims, trust(issuer))
    account.set_password("another long password 18")
    account.is_active = True
    account.save()
    with pytest.raises(NotAdmitted, match="password"):
        admit(claims, trust(issuer))


def test_an_answer_that_was_not_asked_for_is_not_believed() -> None:
    client = Client()
    back = agree(client, "chief")

    for foreign in (Client().get(back), client.get(f"{back}x"), client.get("/login/sso/done")):
        assert foreign.status_code == 403, foreign.content
    assert client.get("/login/sso/done?error=access_denied&state=1").status_code == 403
    assert not is_inside(client)
    assert not User.objects.exists()


def test_nobody_is_sent_to_another_site_afterwards() -> None:
    answer = enter(Client(), "chief", "/login/sso?next=https://elsewhere.example.org/")

    assert answer.headers["Location"] == "/dashboard"


def test_a_provider_that_is_away_gets_nobody_in_and_the_page_says_so(
    tmp_path: Path, reinstall: Callable[..., None]
) -> None:
    other = Provider(tmp_path)
    reinstall(single_sign_on=trust(other.issuer))
    client = Client()
    back = agree(client, "chief")
    other.end()

    for answer in (client.get(back), Client().get("/login/sso")):
        assert answer.status_code == 503, answer.content
        assert b"does not answer as it should" in answer.content
    assert not User.objects.exists()


def test_a_provider_that_says_something_else_gets_nobody_in(
    provider: Provider, reinstall: Callable[..., None]
) -> None:
    reinstall(single_sign_on=trust(f"{provider.issuer}/no/such/place"))

    assert Client().get("/login/sso").status_code == 503


def test_the_page_of_logins_offers_it(reinstall: Callable[..., None]) -> None:
    assert b'href="/login/sso?next=' in Client().get("/admin/login/?next=/fleet").content
    reinstall(single_sign_on=None)
    assert b"/login/sso" not in Client().get("/admin/login/").content
    assert Client().get("/login/sso").status_code == 403


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"LINGUA_OIDC_ISSUER": "login.example.org"}, "LINGUA_OIDC_ISSUER"),
        ({"LINGUA_OIDC_ISSUER": "http://login.example.org"}, "https://"),
        ({"LINGUA_OIDC_CLIENT_ID": ""}, "LINGUA_OIDC_CLIENT_ID"),
        ({"LINGUA_OIDC_ROLES": ""}, "LINGUA_OIDC_ROLES"),
        ({"LINGUA_OIDC_ROLES": "admins=root"}, "LINGUA_OIDC_ROLES"),
    ],
)
def test_half_a_provider_stops_the_start(changes: dict[str, str], word: str) -> None:
    whole = {
        "LINGUA_OIDC_ISSUER": "https://login.example.org",
        "LINGUA_OIDC_CLIENT_ID": "lingua",
        "LINGUA_OIDC_CLIENT_SECRET": "what nobody is told",
        "LINGUA_OIDC_ROLES": "admins=admin",
    }
    ended = run("check", REDIS_URL=NO_REDIS, **(whole | changes))

    assert ended.returncode != 0
    assert word in ended.stderr
    assert "what nobody is told" not in ended.stderr
