"""Pages of rooms: who speaks logs in, who has a link does not; the code of a link is a picture."""

from collections.abc import Callable

import pytest
from django.test import Client

pytestmark = [pytest.mark.django_db, pytest.mark.req("RM7")]


def test_who_has_a_link_needs_no_login(reinstall: Callable[..., None]) -> None:
    reinstall(needs_login=True)

    listens = Client().get("/room/482913")

    assert listens.status_code == 200
    assert b'data-room="482913"' in listens.content
    # No way to the operators' pages, and nothing to log in to.
    assert b"/dashboard" not in listens.content


@pytest.mark.parametrize(
    "code", ["12345", "1234567", "abcdef", "%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1"]
)
def test_what_is_no_code_has_no_page(code: str) -> None:
    assert Client().get(f"/room/{code}").status_code == 404
    assert Client().get(f"/room/{code}/link.svg").status_code == 404


@pytest.mark.parametrize("ticket", ["", "eyJ-_.0" * 60])
def test_a_link_is_drawn_as_a_code(ticket: str) -> None:
    answer = Client().get("/room/482913/link.svg", {"ticket": ticket} if ticket else {})

    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/svg+xml"
    assert answer["Cache-Control"] == "no-store"
    assert answer.content.startswith(b"<svg")


@pytest.mark.parametrize("ticket", ["a b", "<script>", "x" * 1_501, "é"])
def test_nothing_but_a_ticket_is_drawn(ticket: str) -> None:
    assert Client().get("/room/482913/link.svg", {"ticket": ticket}).status_code == 400


def test_a_page_is_only_to_be_read() -> None:
    assert Client().post("/room/482913").status_code == 405
    assert Client().post("/room/482913/link.svg").status_code == 405
