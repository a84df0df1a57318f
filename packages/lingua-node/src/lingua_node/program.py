"""Finds the node in somebody's file, for the commands that run it in their own way."""

import runpy
import sys
import traceback
from pathlib import Path

from lingua_node.mistakes import NodeMistake
from lingua_node.node import Node
from lingua_node.told_address import ToldAddress, reading

_USUAL = ("node.py", "main.py", "app.py", "agent.py")


def find_file(named: str | None) -> Path:
    """Return the file that was named, or the one that is meant.

    :raises NodeMistake: there is none, or there are several
    """
    if named is not None:
        file = Path(named)
        if not file.is_file():
            raise NodeMistake(f"there is no file {named}")
        return file
    usual = [Path(name) for name in _USUAL if Path(name).is_file()]
    if usual:
        return usual[0]
    others = [file for file in sorted(Path().glob("*.py")) if "lingua_node" in _read(file)]
    if len(others) == 1:
        return others[0]
    found = ", ".join(str(file) for file in others) or "no file here uses lingua_node"
    raise NodeMistake(f"which file is the node's? name it, as in `… node.py` ({found})")


def load_node(file: Path) -> tuple[Node, ToldAddress]:
    """Run a file as far as it goes without serving, and return its one node.

    :raises NodeMistake: it cannot be run, or has no node, or several
    """
    told = ToldAddress()
    token = reading.set(told)
    folder = str(file.resolve().parent)
    sys.path.insert(0, folder)
    try:
        names = runpy.run_path(str(file), run_name="__main__")
    except NodeMistake:
        raise
    except SystemExit as ended:
        raise NodeMistake(f"{file} ended with {ended.code!r} while it was read") from None
    except Exception as error:  # noqa: BLE001 - whatever the file raises, its author hears of it
        words = "".join(traceback.format_exception(error)[-3:]).rstrip()
        raise NodeMistake(f"{file} cannot be run:\n{words}") from None
    finally:
        reading.reset(token)
    nodes = list({id(each): each for each in names.values() if isinstance(each, Node)}.values())
    if len(nodes) != 1:
        how_many = "no node" if not nodes else f"{len(nodes)} nodes"
        raise NodeMistake(f"{file} has {how_many} at its top level: write one `node = Node(…)`")
    return nodes[0], told


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
