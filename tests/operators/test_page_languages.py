"""Pages and the admin are read in Chinese or English: by the switch, else as the browser asks."""

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation

from operators.api.navigation import PAGES

pytestmark = [pytest.mark.django_db, pytest.mark.req("RE5")]

_ADMIN = ("ownedpool", "tenantpolicy", "poolswitches", "nodetoken", "apitoken", "speechprobe")
# Names and codes that a form of the admin shows in any language.
_NAMES = re.compile(r"\b(?:Lingua|WAV|API|GPU|CPU|Home)\b")


@pytest.fixture(autouse=True)
def _leave_english() -> Iterator[None]:
    """A request leaves its language behind in this thread, where other tests follow."""
    yield
    translation.deactivate()


def _see(client: Client, path: str, asked: str = "") -> str:
    answer = client.get(path, headers={"Accept-Language": asked} if asked else {})
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_read_in_chinese(name: str, client: Client) -> None:
    page = _see(client, f"/{name}", "zh-CN,zh;q=0.9,en;q=0.8")

    assert '<html lang="zh-hans">' in page
    assert '<script src="/words.js"></script>' in page
    title = re.search(r"<h1[^>]*>([^<]+)</h1>", page)
    assert title is not None
    assert name == "api-guide" or not re.search("[A-Za-z]", title[1])


@pytest.mark.parametrize("asked", ["", "en", "fr-FR", "tlh", "zz;q=x", "*"])
def test_any_other_browser_reads_english(asked: str, client: Client) -> None:
    page = _see(client, "/jobs", asked)

    assert '<html lang="en">' in page
    assert "<h1>Jobs</h1>" in page
    assert "/words.js" not in page


def test_the_switch_goes_before_the_browser_and_comes_back_to_the_page(client: Client) -> None:
    chosen = client.post("/language", {"language": "zh-hans", "next": "/jobs?state=DONE"})
    assert (chosen.status_code, chosen["Location"]) == (302, "/jobs?state=DONE")
    assert "<h1>任务</h1>" in _see(client, "/jobs", "en")

    client.post("/language", {"language": "en", "next": "/jobs"})
    assert "<h1>Jobs</h1>" in _see(client, "/jobs", "zh")


def test_the_switch_leads_to_no_other_site(client: Client) -> None:
    chosen = client.post("/language", {"language": "en", "next": "https://elsewhere.example/"})

    assert chosen["Location"] == "/"


def test_scripts_get_their_sentences(client: Client) -> None:
    words = _see(client, "/words.js", "zh")

    assert "没有符合条件的任务。".encode("unicode_escape").decode().lower() in words.lower()


@pytest.mark.parametrize("name", _ADMIN)
def test_a_form_of_the_admin_is_read_in_chinese(name: str, client: Client) -> None:
    client.force_login(User.objects.create_superuser("desk"))
    page = _see(client, f"/admin/operators/{name}/add/", "zh-CN")

    labels = re.findall(r"<label[^>]*>([^<]+)", page)
    told = re.findall(r'<div class="help"[^>]*>\s*<div>([^<]+)', page)
    assert labels
    for text in labels:
        bare = _NAMES.sub("", text)
        assert not re.search(r"[A-Z][a-z]+", bare), text
    assert all(re.search("[\u4e00-\u9fff]", text) for text in told)
