"""docs/protocol.md names every message that goes over a socket or by HTTP."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = ("sessions_app/messages.py", "nodes/messages.py", "sockets/wire.py")
PAGE = "docs/protocol.md"


def find_unnamed_messages(root: Path) -> Iterator[str]:
    """Yield each message whose tag the page does not have in quotes or as code."""
    page = (root / PAGE).read_text()
    for name in MODULES:
        for found in ast.parse((root / name).read_text()).body:
            keywords = found.keywords if isinstance(found, ast.ClassDef) else []
            tags = [word.value for word in keywords if word.arg == "tag"]
            for tag in tags:
                text = tag.value if isinstance(tag, ast.Constant) else ""
                if f"`{text}`" not in page and f'"{text}"' not in page:
                    yield f"{name}:{found.lineno} {PAGE} does not name the message {text}"


def test_the_page_names_every_message() -> None:
    assert list(find_unnamed_messages(ROOT)) == []


def test_a_message_the_page_does_not_name_is_found(tmp_path: Path) -> None:
    for name in MODULES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "docs").mkdir()
    (tmp_path / PAGE).write_text("A node says `node_register`.\n")
    messages = 'class {}(Message, frozen=True, tag="{}"): ...\n'
    (tmp_path / "nodes/messages.py").write_text(
        messages.format("RegisterNode", "node_register") + messages.format("Nap", "node_nap")
    )

    (fault,) = find_unnamed_messages(tmp_path)

    assert fault.startswith("nodes/messages.py:2 ")
    assert fault.endswith("node_nap")
