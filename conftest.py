"""How tests run beside each other: which begin first, and which want the machine for themselves."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

# Folders whose tests start servers take longest: begun last, they would keep one worker at the end.
_LONG = (
    *("security", "instances", "history", "chaos", "runbook", "http_api", "e2e", "server"),
    *("demo", "operators"),
)
_FLUSHED = "flushed database"
_ROOT = Path(__file__).parent
# Any two files of this checkout, so that every process of every run has the same ones.
_GATE, _MACHINE = _ROOT / "pyproject.toml", _ROOT / "conftest.py"


class _Groups:
    """Which tests one worker runs after one another: those of a file, or of the flushed database.

    A test with transactions of its own leaves an empty database behind, without the roles that a
    migration made. So the files of such tests are one group, begun last, in pytest-django's order:
    those tests after all others.
    """

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        flushed = {item.path for item in items if _flushes(item)}
        for item in items:
            name = _FLUSHED if item.path in flushed else item.path.relative_to(_ROOT).as_posix()
            item.add_marker(pytest.mark.xdist_group(name))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Groups(), "groups of tests")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put what takes long first; within a folder the order stays.

    :raises pytest.UsageError: groups are wanted, and xdist made none
    """
    is_grouped = config.getoption("loadgroup", default=False)
    if is_grouped and not all("@" in item.nodeid for item in items):
        raise pytest.UsageError("pytest-xdist groups no tests under this pytest.")
    items.sort(key=_rank)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let a test marked `alone` wait until every other has ended, and keep others waiting."""
    is_alone = item.get_closest_marker("alone") is not None
    # Whoever waits for the machine keeps the gate: nobody overtakes a test that wants it alone.
    with ExitStack() as gate:
        gate.enter_context(_locked(_GATE, fcntl.LOCK_EX))
        with _locked(_MACHINE, fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH):
            if not is_alone:
                gate.close()
            return (yield)


def _flushes(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("django_db")
    return mark is not None and bool(mark.kwargs.get("transaction"))


def _rank(item: pytest.Item) -> int:
    group = item.get_closest_marker("xdist_group")
    if group is not None and group.args == (_FLUSHED,):
        return len(_LONG) + 1
    folder = item.path.parent.name
    return _LONG.index(folder) if folder in _LONG else len(_LONG)


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    with path.open() as file:
        fcntl.flock(file, how)
        yield
