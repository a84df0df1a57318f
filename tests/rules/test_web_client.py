"""The web client is what its sources say, and speaks as the server does."""

import json
import shutil
from pathlib import Path

import pytest

from scripts import client, wire
from tests.web_client.conftest import ROOT


@pytest.mark.req("RE3")
def test_the_pages_run_on_what_the_sources_make() -> None:
    assert list(client.find_faults(ROOT)) == []


def _copy(root: Path) -> None:
    for folder in (client.PACKAGE / "src", client.PACKAGE / "scripts", client.BUILT):
        shutil.copytree(ROOT / folder, root / folder)
    for name in ("tsconfig.json", "package-lock.json"):
        shutil.copy(ROOT / client.PACKAGE / name, root / client.PACKAGE / name)


@pytest.mark.req("RE3")
@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (client.PACKAGE / "src" / "session.ts", "has changed since"),
        (client.PACKAGE / "src" / "new.ts", "has changed since"),
        (client.BUILT / "session.js", "by hand"),
        (client.BUILT / "new.js", "by hand"),
    ],
    ids=str,
)
def test_a_change_of_one_without_the_other_is_found(
    changed: Path, told: str, tmp_path: Path
) -> None:
    _copy(tmp_path)
    assert list(client.find_faults(tmp_path)) == []
    with (tmp_path / changed).open("a") as file:
        file.write("// more\n")

    (fault,) = client.find_faults(tmp_path)

    assert told in fault


@pytest.mark.req("RE3")
def test_the_description_and_the_types_are_those_of_the_messages() -> None:
    assert wire.find_stale(ROOT) == []


@pytest.mark.req("RE3")
def test_a_description_that_differs_is_found(tmp_path: Path) -> None:
    for path, text in wire.make_all().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text.replace("queue_position", "queue_place"))

    assert wire.find_stale(tmp_path) == [path.as_posix() for path in wire.make_all()]


@pytest.mark.req("RE3")
def test_every_message_of_every_socket_is_described_once() -> None:
    described = json.loads((ROOT / wire.DESCRIPTION).read_text())

    for socket in wire.list_sockets():
        channel = described["channels"][socket.name]
        assert channel["address"] == socket.path
        kinds = {kind.__name__ for kind in (*socket.from_peer, *socket.to_peer)}
        assert set(channel["messages"]) == kinds
        for name in kinds:
            shape = described["components"]["schemas"][name]
            assert shape["properties"]["type"]["enum"] == [
                described["components"]["messages"][name]["name"]
            ]
