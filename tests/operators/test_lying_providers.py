"""A provider of logins that lies: what it says beside a signed token gets nobody in (RE10)."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.operators.lying_provider import LyingProvider, sign_with_secret
from tests.operators.test_single_sign_on import is_inside, trust

pytestmark = [pytest.mark.django_db, pytest.mark.req("RE10")]


@pytest.fixture(name="provider")
def _provider(reinstall: Callable[..., None]) -> Iterator[LyingProvider]:
    provider = LyingProvider()
    reinstall(single_sign_on=trust(provider.issuer))
    yield provider
    provider.end()


def enter(client: Client, provider: LyingProvider) -> Any:
    sent = client.get("/login/sso")
    assert sent.status_code == 302, sent.content
    return client.get(provider.send_back(sent.headers["Location"]))


def sign_with_nothing(claims: dict[str, Any]) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), ""])


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": ...},
        {"exp": 1},
        {"exp": "soon"},
        {"exp": ...},
        {"iat": 1 << 40},
        {"nbf": 1 << 40},
        {"aud": ["lingua", "x"], "azp": "x"},
        {"iss": "https://elsewhere.example.org"},
        {"groups": ["g"] * 9_999 + ["lingua-admins"]},
    ],
)
def test_a_token_that_is_not_for_this_login_gets_nobody_in(
    provider: LyingProvider, claims: dict[str, Any]
) -> None:
    client = Client()
    provider.claims = claims

    assert enter(client, provider).status_code == 403
    assert not is_inside(client)
    assert not User.objects.exists()


@pytest.mark.parametrize("sign", [sign_with_nothing, lambda told: sign_with_secret(told, "x" * 32)])
def test_a_token_that_anybody_could_have_signed_gets_nobody_in(
    provider: LyingProvider, sign: Callable[[dict[str, Any]], str]
) -> None:
    client = Client()
    provider.signs = sign

    assert enter(client, provider).status_code in {403, 503}
    assert not is_inside(client)


@pytest.mark.parametrize("token", [..., None, ""])
def test_claims_that_nobody_signed_get_nobody_in(provider: LyingProvider, token: Any) -> None:
    client = Client()
    claims = {"iss": provider.issuer, "aud": "lingua", "sub": "1", "groups": ["lingua-admins"]}
    provider.words = {"id_token": token, "userinfo": claims}

    assert enter(client, provider).status_code in {403, 503}
    assert not is_inside(client)
    assert not User.objects.exists()


def test_a_login_ends_in_its_time_whatever_is_done_meanwhile(
    provider: LyingProvider, reinstall: Callable[..., None]
) -> None:
    client = Client()
    enter(client, provider)
    assert is_inside(client)
    ends = client.session.get_expiry_date()
    session = client.session
    session["busy"] = True
    session.save()
    assert client.session.get_expiry_date() == ends

    reinstall(single_sign_on=trust(provider.issuer, session_s=0))
    other = Client()
    assert enter(other, provider).status_code == 302

    assert not is_inside(other)
