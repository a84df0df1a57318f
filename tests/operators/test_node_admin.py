"""Nodes in the admin: found, filtered and given commands, by those who may."""

import asyncio
import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client

from operators.admin.node_listing import PAGE_SIZE, list_nodes
from operators.db.node_models import Cordon, note_command
from tests.e2e.servers import Lingua
from tests.manage import NO_REDIS, manage
from tests.operators.conftest import Api
from tests.operators.test_owned_pools import log_in
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode
from tests.waiting import eventually

_PASSWORD = "a long word for tests"  # noqa: S105 - of a server that ends with the tests
_NODES = "/admin/operators/fleetnode/"
_MAKE_PEOPLE = f"""
from django.contrib.auth.models import Group, User
for name in ("operator", "viewer"):
    user = User.objects.create_user(name, password={_PASSWORD!r}, is_staff=True)
    user.groups.add(Group.objects.get(name=name))
"""


def make_node(name: str, **more: Any) -> dict[str, Any]:
    return {
        "node_id": name,
        "instance_id": "i-1",
        "platform": "linux",
        "status": "Ready",
        "current_jobs": 0,
        "max_concurrent_jobs": 4,
        "last_heartbeat": 1,
        "languages": ["en", "zh"],
        "services": [{"service_id": "m2m", "service_type": "Nmt", "status": "Running"}],
    } | more


def find_names(asked: str, *nodes: dict[str, Any]) -> list[str]:
    return [row["node_id"] for row in list_nodes(nodes, QueryDict(asked)).rows]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("", ["a", "b", "c"]),
        ("q=EN+m2m", ["a", "c"]),
        ("status=Draining", ["b"]),
        ("language=de", ["b"]),
        ("service=Tts", ["b"]),
        ("instance=i-2", ["c"]),
        ("language=en&q=c", ["c"]),
        ("o=slots", ["b", "a", "c"]),
        ("o=-node", ["c", "b", "a"]),
        ("o=nothing&p=x&status=", ["a", "b", "c"]),
        ("p=7", ["a", "b", "c"]),
    ],
)
def test_a_list_of_nodes_is_searched_filtered_and_sorted(asked: str, names: list[str]) -> None:
    speech = {"service_id": "piper", "service_type": "Tts", "status": "Running"}
    nodes = (
        make_node("a", current_jobs=1),
        make_node("b", status="Draining", current_jobs=3, languages=["de"], services=[speech]),
        make_node("c", instance_id="i-2"),
    )

    assert find_names(asked, *nodes) == names


def test_a_long_list_has_pages_that_keep_what_was_asked() -> None:
    nodes = [make_node(f"n{number:03}") for number in range(PAGE_SIZE + 1)]

    listing = list_nodes(nodes, QueryDict("p=2&o=node&status=Ready"))

    assert [row["node_id"] for row in listing.rows] == [f"n{PAGE_SIZE:03}"]
    assert (listing.matching, listing.total) == (PAGE_SIZE + 1, PAGE_SIZE + 1)
    assert [page.selected for page in listing.pages] == [False, True]
    assert QueryDict(listing.pages[0].query[1:]).dict() == {
        "o": "node",
        "status": "Ready",
        "p": "1",
    }
    assert listing.columns["node"].query == "?status=Ready&o=-node"


class Visitor:
    """Somebody logged in, with a browser's cookies."""

    def __init__(self, lingua: Lingua, name: str) -> None:
        self._root = f"http://{lingua.instance.address}"
        jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        self.name = name

    async def log_in(self) -> None:
        path = f"/admin/login/?next={_NODES}"
        status, _ = await self.submit(path, username=self.name, password=_PASSWORD)
        assert status == 200

    async def see(self, path: str) -> tuple[int, str]:
        return await asyncio.to_thread(self._open, path, None)

    async def submit(self, path: str, **fields: str) -> tuple[int, str]:
        """Fill in the form of a page and send it."""
        _, page = await self.see(path)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token, page
        data = urllib.parse.urlencode(fields | {"csrfmiddlewaretoken": token[1]}).encode()
        return await asyncio.to_thread(self._open, path, data)

    def _open(self, path: str, data: bytes | None) -> tuple[int, str]:
        request = urllib.request.Request(self._root + path, data=data)  # noqa: S310 - ours
        try:
            with self._opener.open(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture(scope="module")
def people(lingua: Lingua) -> None:
    """A viewer and an operator in the server's own database."""
    var = str(lingua.instance.notes_file.parent / "var")
    manage("shell", "-c", _MAKE_PEOPLE, LINGUA_VAR_DIR=var, REDIS_URL=NO_REDIS)


def find_status(page: str, node_id: str) -> str | None:
    found = re.search(rf'data-node="{node_id}" data-status="(\w+)"', page)
    return found[1] if found else None


@pytest.mark.req("N6", "O13")
@pytest.mark.usefixtures("people")
async def test_an_operator_finds_nodes_in_the_admin_and_orders_them(
    lingua: Lingua, api: Api
) -> None:
    languages = draw_languages()
    operator = Visitor(lingua, "operator")
    await operator.log_in()
    _, index = await operator.see("/admin/")
    assert f'href="{_NODES}"' in index

    async with FakeNode.open(lingua.url("/ws/node"), languages) as node:
        path = f"{_NODES}?language={languages[0]}"
        _, page = await operator.see(path)
        assert find_status(page, node.node_id) == "Ready"
        _, none = await operator.see(f"{path}&status=Draining")
        assert find_status(none, node.node_id) is None

        for action, status in (("drain", "Draining"), ("cordon", "Cordoned"), ("resume", "Ready")):
            answered, page = await operator.submit(path, action=action, node=node.node_id)
            assert (answered, find_status(page, node.node_id)) == (200, status)
            assert (await api.json(f"/api/v1/nodes/{node.node_id}"))["status"] == status

        quoted = node.node_id.replace("_", "_5F")
        answered, page = await operator.submit(f"{_NODES}{quoted}/change/", action="drain")
        assert answered == 200
        assert '<div class="readonly" id="node-status">Draining</div>' in page

        answered, page = await operator.submit(path, action="", node=node.node_id)
        assert (answered, find_status(page, node.node_id)) == (200, "Draining")
        await operator.submit(path, action="disconnect", node=node.node_id)
        await eventually(
            lambda: operator.see(path),
            "the node is not shown as offline",
            fits=lambda seen: find_status(seen[1], node.node_id) == "Offline",
            within_s=60,
        )
    assert (await operator.submit(_NODES, action="drain", node="node-nobody"))[0] == 200
    assert (await operator.see(f"{_NODES}node-nobody/change/"))[0] == 404


@pytest.mark.req("N6")
@pytest.mark.usefixtures("people")
async def test_a_viewer_sees_nodes_and_orders_none(lingua: Lingua) -> None:
    viewer = Visitor(lingua, "viewer")
    await viewer.log_in()
    async with FakeNode.open(lingua.url("/ws/node"), draw_languages()) as node:
        status, page = await viewer.see(_NODES)
        assert (status, find_status(page, node.node_id)) == (200, "Ready")
        assert 'name="action"' not in page
    stranger = Visitor(lingua, "nobody")
    _, page = await stranger.see(_NODES)
    assert 'id="id_password"' in page


@pytest.mark.django_db
@pytest.mark.parametrize("path", [_NODES, f"{_NODES}node-1/change/"])
def test_commands_are_for_operators_and_pages_for_running_instances(path: str) -> None:
    viewer, operator, nobody = log_in("viewer"), log_in("operator"), Client()

    assert viewer.post(path, {"action": "drain", "node": "node-1"}).status_code == 403
    assert operator.post(path, {"action": "drain", "node": "node-1"}).status_code == 404
    assert viewer.get(path).status_code == 404
    assert nobody.post(path, {"action": "drain", "node": "node-1"}).status_code == 302
    assert viewer.get(f"{_NODES}add/").status_code == 403


@pytest.mark.django_db
def test_an_operator_cordons_a_node_that_is_not_connected() -> None:
    viewer, operator = log_in("viewer"), log_in("operator")
    url = "/admin/operators/cordon/"

    assert viewer.get(url).status_code == 200
    assert viewer.get(f"{url}add/").status_code == 403
    page = operator.post(f"{url}add/", {"node_id": "a node"}).content.decode()
    assert "letters, digits" in page
    operator.post(f"{url}add/", {"node_id": "node-1", "reason": "its fan"})
    cordon = Cordon.objects.get()
    assert (cordon.node_id, cordon.reason, cordon.created_by) == ("node-1", "its fan", "a-operator")
    assert "its fan" in operator.get(url, {"q": "fan"}).content.decode()


@pytest.mark.django_db
def test_a_cordon_is_kept_once_and_ended_once() -> None:
    told = [
        note_command("node-1", action=action, actor="desk")
        for action in ("cordon", "cordon", "drain", "resume", "resume")
    ]

    assert told == [True, False, False, True, False]
    assert not Cordon.objects.exists()
