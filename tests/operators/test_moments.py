"""Dates at the ends of time, wherever dates are read: told as what they are, never a fault (O9)."""

import datetime as dt
import urllib.parse
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from operators.api import given_moments
from operators.db import tokens
from operators.db.token_models import NodeToken

BEYOND = [
    "0001-01-01T00:00:00+23:59",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "9999-12-31T23:59:59.999999-23:59",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-31T24:00:00Z",
    "yesterday",
]


@pytest.mark.req("ED11", "O2")
@pytest.mark.parametrize("text", BEYOND)
def test_what_is_no_moment_is_none(text: str) -> None:
    assert given_moments.read(text) is None


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T23:59:00+23:59"]
)
def test_the_ends_of_time_are_moments(text: str) -> None:
    moment = given_moments.read(text)

    assert moment is not None
    assert moment.tzinfo is dt.UTC


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["ended_at__gte", "ended_at__lt", "ended_at__year"])
@pytest.mark.parametrize("text", [BEYOND[0], BEYOND[3], "0001-01-01T00:00:00Z", "0", "99999"])
def test_a_list_of_the_admin_takes_any_date(admin_client: Client, name: str, text: str) -> None:
    query = urllib.parse.urlencode({name: text})

    answer = admin_client.get(f"/admin/operators/endedjob/?{query}")

    assert answer.status_code in {200, 302, 400}


@pytest.mark.django_db
@pytest.mark.parametrize("days", ["1e9", "-1e9", "inf", "nan"])
@pytest.mark.parametrize("command", [("token", "create", "node", "x"), ("purge-history",)])
def test_a_span_beyond_time_is_refused_in_words(command: tuple[str, ...], days: str) -> None:
    with pytest.raises(CommandError, match=r"there is no moment|is not allowed"):
        call_command(*command, f"--days={days}", stdout=StringIO())


@pytest.mark.django_db
@pytest.mark.parametrize(
    "command",
    [
        ("purge-history", "--days=-5"),
        ("purge-history", "--days=5d"),
        ("token", "create", "node", "x", "--days=-5"),
        ("token", "create", "api", "x", "--days=0"),
        ("token", "rotate", "lnt_0a1b2c3d4e5f", "--overlap-hours=-1"),
        ("dlq", "list", "--limit=-3"),
        ("top", "--once", "--interval=nan"),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused(command: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="is not allowed: it must be a"):
        call_command(*command, stdout=StringIO())


@pytest.mark.django_db
def test_an_overlap_beyond_time_is_refused_in_words() -> None:
    token = NodeToken(name="x")
    tokens.issue(token, actor="tests")

    with pytest.raises(CommandError, match="hours have no end"):
        call_command("token", "rotate", token.prefix, "--overlap-hours=1e300", stdout=StringIO())


@pytest.mark.django_db
def test_a_token_that_ends_with_time_is_renewed() -> None:
    token = NodeToken(name="x", expires_at=dt.datetime.max.replace(tzinfo=dt.UTC))
    tokens.issue(token, actor="tests")

    successor, _ = tokens.rotate(token, overlap=dt.timedelta(days=10**8), actor="tests")

    assert successor.expires_at == dt.datetime.max.replace(tzinfo=dt.UTC)
