"""The head of every page: in which group it is, who is here and how to leave, in which language."""

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client

from operators.api.navigation import PAGES, list_groups

pytestmark = pytest.mark.django_db


def _see(client: Client, path: str, **headers: str) -> str:
    return client.get(path, headers=headers).content.decode()


@pytest.mark.req("RE6")
@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_where_it_is(name: str, client: Client) -> None:
    page = _see(client, f"/{name}")

    assert page.count('aria-current="true"') == 1
    assert f'<a href="/{name}" aria-current="page">' in page


@pytest.mark.req("RE6")
def test_each_page_stands_in_one_of_four_groups() -> None:
    groups = list_groups("")

    assert len(groups) == 4
    assert [one["name"] for group in groups for one in group["pages"]] == list(PAGES)
    assert len(set(PAGES)) == len(PAGES)


@pytest.mark.req("RE6")
def test_who_is_logged_in_is_named_and_leaves_by_one_button(client: Client) -> None:
    client.force_login(User.objects.create_user("mira", is_staff=True))
    page = _see(client, "/dashboard")
    assert 'href="/admin/">mira</a>' in page
    assert 'action="/logout"' in page

    answer = client.post("/logout")

    assert (answer.status_code, answer["Location"]) == (302, "/dashboard")
    page = _see(client, "/jobs?state=DONE")
    assert "mira" not in page
    assert 'href="/admin/login/?next=/jobs%3Fstate%3DDONE"' in page


def test_nobody_is_logged_out_by_a_link(client: Client) -> None:
    client.force_login(User.objects.create_user("mira"))

    assert client.get("/logout").status_code == 405
    assert "mira" in _see(client, "/dashboard")


def test_a_page_of_an_error_has_the_groups_without_any_request() -> None:
    page = render_to_string("500.html")

    assert page.count("<nav") == 1
    assert 'href="/jobs"' in page
