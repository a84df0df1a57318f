"""How tests run beside each other: which begin first, and which want the machine for themselves."""

import fcntl
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from pytest_django.plugin import blocking_manager_key

# Folders whose tests start servers take longest: begun last, they would keep one worker at the end.
_LONG = (
    *("security", "instances", "history", "chaos", "runbook", "http_api", "e2e", "server"),
    *("demo", "operators"),
)
_ROOT = Path(__file__).parent
# The same examples each time, however long a busy machine takes; `thorough` draws others.
settings.register_profile(
    "suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")
# Any two files of this checkout, so that every process of every run has the same ones.
_GATE, _MACHINE = _ROOT / "pyproject.toml", _ROOT / "conftest.py"


class _Groups:
    """Which tests one worker runs after one another: those of a file."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            name = item.path.relative_to(_ROOT).as_posix()
            item.add_marker(pytest.mark.xdist_group(name))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Groups(), "groups of tests")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put what takes long first; within a folder the order stays.

    :raises pytest.UsageError: groups are wanted, and xdist made none; or a test empties the
        database and does not say that its rows are kept
    """
    for item in items:
        if _empties_database(item) and not _find_mark(item).get("serialized_rollback"):
            raise pytest.UsageError(f"{item.nodeid} has to be marked serialized_rollback=True.")
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


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Put back what migrations made, roles and rights among it, where a test emptied the database.

    A test with transactions of its own does so when it is over, and the next one begins with what
    it left. After the last test there is no database any more.
    """
    told = yield
    if nextitem is not None and _empties_database(item):
        with item.config.stash[blocking_manager_key].unblock():
            _fill_database()
    return told


def _fill_database() -> None:
    from django.db import connections  # noqa: PLC0415 - there are settings only now

    for connection in connections.all():
        kept = getattr(connection, "_test_serialized_contents", None)
        if kept is not None:
            connection.creation.deserialize_db_from_string(kept)


def _empties_database(item: pytest.Item) -> bool:
    return bool(_find_mark(item).get("transaction"))


def _find_mark(item: pytest.Item) -> Mapping[str, object]:
    mark = item.get_closest_marker("django_db")
    return {} if mark is None else mark.kwargs


def _rank(item: pytest.Item) -> int:
    folder = item.path.parent.name
    return _LONG.index(folder) if folder in _LONG else len(_LONG)


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    with path.open() as file:
        fcntl.flock(file, how)
        yield
