"""Who may scrape `/metrics` where authentication is on."""

from collections.abc import Callable

import pytest
from django.db import DatabaseError
from django.test import Client

from operators.api.authentication import TokenAuthentication
from operators.api.scraping import is_allowed_address
from operators.db import tokens
from operators.models import ApiToken
from scheduling.model.credentials import Scope
from scheduling.store.keys import Keys
from tests.redis_under_test import OwnRedis

pytestmark = [pytest.mark.django_db, pytest.mark.req("O1")]


@pytest.fixture(autouse=True)
def guarded(redis_server: OwnRedis, reinstall: Callable[..., None], prefix: str) -> None:
    reinstall(needs_login=True, scrapers=(), redis=redis_server.url, keys=Keys(prefix))
    TokenAuthentication._trusted.clear()


def _show(*scopes: Scope) -> dict[str, str]:
    token = ApiToken(name="Prometheus", scopes=[scope.value for scope in scopes])
    return {"Authorization": f"Bearer {tokens.issue(token, actor='somebody')}"}


def test_a_stranger_is_told_what_to_show() -> None:
    answer = Client().get("/metrics")

    assert answer.status_code == 401
    assert "scheduler_" not in answer.content.decode()
    assert answer["WWW-Authenticate"] == 'Bearer realm="lingua"'


@pytest.mark.parametrize("text", ["", "nothing", "lat_0123456789ab_" + "A" * 43])
def test_a_wrong_token_scrapes_nothing(text: str) -> None:
    asked = Client().get("/metrics", headers={"Authorization": f"Bearer {text}"})

    assert asked.status_code == 401


def test_a_token_that_may_see_scrapes_and_one_for_speaking_does_not() -> None:
    assert Client().get("/metrics", headers=_show(Scope.READ)).status_code == 200
    assert Client().get("/metrics", headers=_show(Scope.SESSION)).status_code == 403


def test_an_allowed_network_needs_no_token(reinstall: Callable[..., None]) -> None:
    reinstall(scrapers=("127.0.0.0/8", "::1"))

    assert Client().get("/metrics").status_code == 200
    assert Client().get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 401
    assert Client().get("/metrics", REMOTE_ADDR="::1").status_code == 200
    assert not is_allowed_address("")
    assert not is_allowed_address("unix")


def test_a_forwarded_address_is_not_believed(reinstall: Callable[..., None]) -> None:
    reinstall(scrapers=("10.0.0.0/8",))

    asked = Client().get("/metrics", headers={"X-Forwarded-For": "10.0.0.1"})

    assert asked.status_code == 401


def test_where_authentication_is_off_everybody_may(reinstall: Callable[..., None]) -> None:
    reinstall(needs_login=False)

    assert Client().get("/metrics").status_code == 200


def test_a_scraper_goes_on_while_the_database_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    headers = _show(Scope.READ)
    assert Client().get("/metrics", headers=headers).status_code == 200
    monkeypatch.setattr("operators.api.authentication._TRUSTED_MS", -1)

    def fail(*_arguments: object, **_named: object) -> None:
        raise DatabaseError("no")

    monkeypatch.setattr(ApiToken.objects, "filter", fail)

    assert Client().get("/metrics", headers=headers).status_code == 200
    other = {"Authorization": "Bearer lat_0123456789ab_" + "A" * 43}
    assert Client().get("/metrics", headers=other).status_code == 401


def test_the_api_and_the_database_are_measured_too() -> None:
    body = Client().get("/metrics", headers=_show(Scope.READ)).content.decode()

    assert "django_http_requests_total_by_method_total" in body
    assert "django_db_execute_total" in body
