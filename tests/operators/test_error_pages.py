"""What a browser sees where there is nothing, and where something broke."""

from django.test import Client, RequestFactory
from django.views.defaults import server_error


def test_an_unknown_address_gets_a_page_of_ours_that_names_it() -> None:
    answer = Client().get("/no<where>", headers={"Host": "localhost"})

    assert answer.status_code == 404
    page = answer.content.decode()
    assert "There is no such page" in page
    assert "/no&lt;where&gt;" in page or "/no%3Cwhere%3E" in page
    assert 'href="/dashboard"' in page


def test_a_page_that_broke_says_so_without_a_traceback() -> None:
    answer = server_error(RequestFactory().get("/dashboard"))

    assert answer.status_code == 500
    page = answer.content.decode()
    assert "Something broke" in page
    assert "Traceback" not in page
