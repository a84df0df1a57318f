"""The tree keeps the house rules, and each rule is seen to catch a planted fault."""

import ast
from pathlib import Path

import pytest

from tests.rules import python_rules as rules

ROOT = Path(__file__).parents[2]
SAYS = '"""What this module is for."""\n'


def _write_class(name: str, methods: int) -> str:
    return f"class {name}:\n" + "".join(
        f"    async def m{number}(self): ...\n" for number in range(methods)
    )


FAULTS = [
    (rules.environment_is_read_in_one_place, "nodes/services.py", "import os\nos.getenv('PORT')"),
    (rules.environment_is_read_in_one_place, "nodes/services.py", "import os\nos.environ['A']"),
    (rules.environment_is_read_in_one_place, "nodes/services.py", "from os import environ"),
    (
        rules.settings_are_read_in_composition,
        "nodes/services.py",
        "from django.conf import settings\nsettings.LINGUA_PORT",
    ),
    (rules.settings_are_read_in_composition, "operators/db/a.py", "import django.conf"),
    (rules.settings_are_read_in_composition, "operators/db/a.py", "import os, django.conf"),
    (rules.settings_are_read_in_composition, "operators/db/a.py", "from django import conf"),
    (
        rules.settings_are_read_in_composition,
        "operators/db/a.py",
        "from django.conf import LazySettings, settings",
    ),
    (rules.settings_are_read_in_composition, "lingua/asgi.py", "from django.conf import settings"),
    (rules.settings_are_read_in_composition, "nodes/a.py", "from lingua import asgi, settings"),
    (rules.settings_are_read_in_composition, "nodes/a.py", "import lingua.settings as own"),
    (rules.settings_are_read_in_composition, "nodes/a.py", "from lingua.settings import pools"),
    (
        rules.settings_are_read_in_composition,
        "nodes/a.py",
        "from lingua.settings.pools import LINGUA_POOL_FRESH_MS",
    ),
    (rules.settings_are_read_in_composition, "nodes/a.py", "from lingua.settings.later import A"),
    (rules.settings_are_read_in_composition, "bench/a.py", "from django.conf import settings"),
    (rules.settings_are_read_in_composition, "scripts/a.py", "from lingua import settings"),
    (rules.wall_clock_is_read_in_one_place, "sockets/wire.py", "import time\ntime.time()"),
    (rules.wall_clock_is_read_in_one_place, "sockets/wire.py", "from time import time"),
    (
        rules.wall_clock_is_read_in_one_place,
        "operators/api/pages.py",
        "import datetime\ndatetime.datetime.now(datetime.UTC)",
    ),
    (
        rules.wall_clock_is_read_in_one_place,
        "operators/api/pages.py",
        "from django.utils import timezone\ntimezone.now()",
    ),
    (rules.keys_are_spelled_in_one_place, "nodes/services.py", "f'{p}:v2:{{node:{n}}}:run'"),
    (rules.keys_are_spelled_in_one_place, "nodes/services.py", "x = 'lingua:v2:all'"),
    (rules.package_files_are_empty, "nodes/__init__.py", "from nodes import services"),
    (rules.modules_say_what_they_are_for, "nodes/services.py", None),
    (rules.modules_stay_short, "nodes/services.py", "x = 1\n" * 400),
    (rules.classes_have_few_methods, "nodes/services.py", _write_class("NodeService", 13)),
    (
        rules.classes_have_few_methods,
        "nodes/services.py",
        _write_class("NodeService", 12) + "    @property\n    def ready(self): ...\n",
    ),
    (rules.modules_are_named_for_an_idea, "nodes/utils.py", "x = 1"),
    (rules.modules_are_named_for_an_idea, "nodes/common/words.py", "x = 1"),
    (rules.suppressions_have_a_code_and_a_reason, "nodes/a.py", "x = 1  # noqa"),
    (rules.suppressions_have_a_code_and_a_reason, "nodes/a.py", "x = 1  # noqa: E501"),
    (rules.suppressions_have_a_code_and_a_reason, "nodes/a.py", "x = 1  # type: ignore[arg-type]"),
    (rules.tests_are_never_skipped, "tests/test_a.py", "import pytest\npytest.skip('later')"),
    (rules.tests_are_never_skipped, "tests/test_a.py", "import pytest\nx = pytest.mark.xfail"),
    (rules.tests_wait_in_one_place, "tests/a/test_a.py", "import time\ntime.sleep(0.1)"),
    (rules.tests_wait_in_one_place, "tests/a/test_a.py", "from asyncio import sleep"),
    (
        rules.tests_wait_in_one_place,
        "tests/test_a.py",
        "async def test_x():\n    while not told:\n        await asyncio.sleep(0.01)",
    ),
    (
        rules.tests_wait_in_one_place,
        "tests/test_a.py",
        "async def test_x():\n    await asyncio.to_thread(time.sleep, 1)",
    ),
    (
        rules.tests_wait_in_one_place,
        "tests/chaos/peers.py",
        "async def leave():\n    await asyncio.sleep(1)",
    ),
    (rules.no_code_walks_the_key_space, "operators/api/pages.py", "client.keys('*')"),
    (rules.no_code_walks_the_key_space, "nodes/a.py", "x = self._client.scan_iter('*')"),
    (rules.no_code_walks_the_key_space, "scheduling/a.py", "connection.execute('KEYS', '*')"),
    (rules.locks_are_few_and_off_the_path_of_jobs, "scheduling/a.py", "x = asyncio.Lock()"),
    (rules.replies_of_stores_are_awaited, "scheduling/a.py", "self._stores.jobs.finish(1)"),
    (rules.replies_of_stores_are_awaited, "nodes/a.py", "self._store.renew('s-1')"),
    (
        rules.tests_draw_their_keys,
        "tests/test_a.py",
        "def test_x(redis_client):\n    Keys('lingua')",
    ),
]
ALLOWED = [
    (
        rules.environment_is_read_in_one_place,
        "lingua/settings/env.py",
        "import os\nos.environ['A']",
    ),
    (rules.environment_is_read_in_one_place, "lingua_node/cli.py", "import os\nos.getenv('A')"),
    (
        rules.environment_is_read_in_one_place,
        "lingua/asgi.py",
        "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'lingua.settings')",
    ),
    (
        rules.settings_are_read_in_composition,
        "lingua/composition/settings_reader.py",
        "from django.conf import settings",
    ),
    (rules.settings_are_read_in_composition, "lingua/asgi.py", "from lingua import settings"),
    (
        rules.settings_are_read_in_composition,
        "bench/a.py",
        "from lingua.settings.embedded_redis import EmbeddedRedis",
    ),
    (
        rules.wall_clock_is_read_in_one_place,
        "scheduling/model/clock.py",
        "import time\ntime.time_ns()",
    ),
    (rules.wall_clock_is_read_in_one_place, "lingua_node/clock.py", "import time\ntime.time()"),
    (rules.wall_clock_is_read_in_one_place, "nodes/loop.py", "import time\ntime.monotonic()"),
    (rules.keys_are_spelled_in_one_place, "scheduling/store/keys.py", "x = ':v2:{node:'"),
    (rules.keys_are_spelled_in_one_place, "nodes/services.py", "x = f'{node}: unknown'"),
    (
        rules.classes_have_few_methods,
        "nodes/services.py",
        _write_class("NodeService", 12) + "    def _own(self): ...\n",
    ),
    (
        rules.classes_have_few_methods,
        "nodes/services.py",
        _write_class("NodeService", 12) + "    @m11.setter\n    def m11(self, x): ...\n",
    ),
    (
        rules.classes_have_few_methods,
        "channels_streams/layer.py",
        _write_class("StreamsChannelLayer", 14),
    ),
    (rules.package_files_are_empty, "nodes/__init__.py", None),
    (rules.package_files_are_empty, "lingua/settings/__init__.py", "DEBUG = False"),
    (rules.no_code_walks_the_key_space, "nodes/a.py", "x = {}.keys() & seen.keys()"),
    (rules.no_code_walks_the_key_space, "scheduling/store/erasure.py", "connection.scan('*')"),
    (
        rules.replies_of_stores_are_awaited,
        "nodes/a.py",
        "unattended(self._store.renew('s-1'), what='a sign of life')",
    ),
    (rules.tests_draw_their_keys, "tests/test_a.py", "def test_x(redis_client):\n    Keys(prefix)"),
    (
        rules.tests_wait_in_one_place,
        "tests/waiting.py",
        "async def eventually():\n    await asyncio.sleep(_LOOKS_EVERY_S)",
    ),
    (
        rules.tests_wait_in_one_place,
        "tests/test_a.py",
        "async def test_x():\n    await asyncio.sleep(0)",
    ),
    (rules.tests_wait_in_one_place, "nodes/a.py", "import time\ntime.sleep(1)"),
    (
        rules.suppressions_have_a_code_and_a_reason,
        "nodes/a.py",
        "x = 1  # noqa: E501 - a table reads better whole",
    ),
]


def _plant(root: Path, name: str, text: str | None) -> None:
    path = rules.locate(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("" if text is None else SAYS + text + "\n")


@pytest.mark.req("R7", "I-30", "I-33", "I-39", "I-53", "I-57", "I-68", "I-71", "X2")
@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: rules.Rule) -> None:
    assert list(rule(ROOT)) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[0].__name__}-{fault[1]}")
def test_a_planted_fault_is_found(fault, tmp_path: Path) -> None:
    rule, name, text = fault
    _plant(tmp_path, name, text)

    found = list(rule(tmp_path))

    assert len(found) == 1
    assert name in found[0]


@pytest.mark.parametrize("case", ALLOWED, ids=lambda case: f"{case[0].__name__}-{case[1]}")
def test_what_the_rule_allows_is_no_fault(case, tmp_path: Path) -> None:
    rule, name, text = case
    _plant(tmp_path, name, text)

    assert list(rule(tmp_path)) == []


def test_a_second_clock_in_a_package_that_stands_alone_is_found(tmp_path: Path) -> None:
    for name in ("lingua_node/clock.py", "lingua_node/session.py"):
        _plant(tmp_path, name, "import time\ntime.time()")

    assert len(list(rules.wall_clock_is_read_in_one_place(tmp_path))) == 1


def test_every_pacer_still_sleeps() -> None:
    sleepers = {
        f"{rules.name_module(ROOT, path)}:{function}"
        for path in rules.list_modules(ROOT, folders=("tests",))
        for node, function in rules.walk_functions(ast.parse(path.read_text()))
        if rules.sleeps(node)
    }

    assert sleepers == set(rules.PACERS)


def test_every_rule_is_seen_to_fail() -> None:
    assert {fault[0] for fault in FAULTS} == set(rules.RULES)


def test_only_classes_that_are_wide_are_allowed_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = set(rules.WIDE_CLASSES)
    monkeypatch.setattr(rules, "WIDE_CLASSES", {})

    assert {
        fault.partition(" has ")[0] for fault in rules.classes_have_few_methods(ROOT)
    } == allowed
