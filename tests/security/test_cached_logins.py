"""Logins on django-redis, where Redis is standalone (RE11)."""

from collections.abc import Iterator

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client, override_settings

from lingua.settings.caches import choose_session_engine, make_caches
from tests.redis_under_test import OwnRedis, look_into

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.standalone("django-redis knows no cluster"),
    pytest.mark.req("RE11"),
]


def install(url: str, prefix: str) -> override_settings:
    caches = make_caches(url, prefix=prefix, timeout_s=5, connect_timeout_s=5)
    return override_settings(CACHES=caches, SESSION_ENGINE=choose_session_engine(url))


@pytest.fixture(name="on_redis")
def _on_redis(redis_server: OwnRedis, prefix: str) -> Iterator[None]:
    with install(redis_server.url, prefix):
        yield


@pytest.fixture
def client() -> Client:
    user = User.objects.create_superuser(username="a-chief")
    client = Client()
    client.force_login(user)
    return client


def is_logged_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


@pytest.mark.usefixtures("on_redis")
def test_a_login_is_in_redis_under_the_hash_of_its_key(
    client: Client, redis_server: OwnRedis, prefix: str
) -> None:
    key = client.cookies[django_settings.SESSION_COOKIE_NAME].value

    with look_into(redis_server.url) as outside:
        (name,) = outside.scan_iter(match=f"{prefix}:cache*login.*")
        written = outside.get(name)

    assert key not in name
    assert written.startswith("{")


@pytest.mark.usefixtures("on_redis")
def test_a_login_outlives_the_cache(client: Client) -> None:
    assert is_logged_in(client)
    cache.clear()
    assert is_logged_in(client)


@pytest.mark.usefixtures("on_redis")
def test_who_leaves_is_out_of_cache_and_database(client: Client) -> None:
    assert is_logged_in(client)
    cookie = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    client.logout()
    assert not Session.objects.exists()
    client.cookies[django_settings.SESSION_COOKIE_NAME] = cookie
    assert not is_logged_in(client)


def test_who_is_logged_in_stays_so_while_redis_is_away(prefix: str) -> None:
    # A port of this machine on which nobody listens.
    with install("redis://127.0.0.1:1/0", prefix):
        client = Client()
        client.force_login(User.objects.create_superuser(username="a-third"))
        assert is_logged_in(client)
