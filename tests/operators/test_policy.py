"""Every answer says what a browser may do with it, and no page needs more than that."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from operators.models import ApiToken
from operators.urls import PAGES

pytestmark = [pytest.mark.django_db, pytest.mark.req("ED13")]

_RUNS_TEXT = re.compile(
    r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>|<[^>]+\son[a-z]+\s*=|javascript:",
    re.IGNORECASE,
)
_ADMIN = (
    "admin:index",
    "admin:login",
    "admin:password_change",
    "admin:auth_user_changelist",
    "admin:auth_user_add",
    "admin:operators_apitoken_changelist",
    "admin:operators_apitoken_add",
    "admin:operators_auditentry_changelist",
    "admin:operators_endedjob_changelist",
)


@pytest.fixture
def browser() -> Client:
    client = Client(headers={"accept": "text/html"}, raise_request_exception=False)
    client.force_login(User.objects.create_superuser("mira"))
    return client


def _check(browser: Client, path: str) -> str:
    """Check one answer's policy, and that it runs no text as script; return the text."""
    answer = browser.get(path)
    policy = dict(
        part.strip().partition(" ")[::2] for part in answer["Content-Security-Policy"].split(";")
    )
    text = answer.content.decode()

    assert policy["script-src"] == "'self'", path
    assert policy["default-src"] == "'self'", path
    assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert _RUNS_TEXT.findall(text) == [], path
    return text


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_operators_has_the_policy(browser: Client, name: str) -> None:
    assert "<html" in _check(browser, f"/{name}")


@pytest.mark.parametrize("name", _ADMIN)
def test_a_page_of_the_admin_has_the_policy(browser: Client, name: str) -> None:
    _check(browser, reverse(name))


def test_a_form_of_the_admin_has_the_policy(browser: Client) -> None:
    token = ApiToken.objects.create(name="Desk", prefix="lat_0", scopes=["read"])

    assert "<html" in _check(browser, reverse("admin:operators_apitoken_change", args=[token.pk]))


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/stats", "/api/v1/nothing", "/metrics"])
def test_errors_and_the_api_in_a_browser_have_the_policy(browser: Client, path: str) -> None:
    _check(browser, path)


@pytest.mark.parametrize("path", ["/static/operators/lingua.css", "/api/schema"])
def test_what_is_no_page_has_it_too(browser: Client, path: str) -> None:
    assert "script-src 'self';" in browser.get(path)["Content-Security-Policy"]
