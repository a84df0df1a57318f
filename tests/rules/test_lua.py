"""Every Lua script keeps the rules, and each rule is seen to catch a fault."""

import re
import shutil
from pathlib import Path

import pytest
import redis.asyncio

from scheduling.model.jobs import JobState
from tests.rules import lua_rules

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / ".luacheckrc"
SCRIPTS = lua_rules.list_scripts(ROOT)

GOOD = """--[[
take_slot: take one slot of a node.

KEYS[1]  {p}:v2:{node:<id>}:run  ZSET  attempt, scored by the end of its lease (ms)
ARGV[1]  attempt
ARGV[2]  slots the node offers
ARGV[3]  test clock, or ''

Returns  {1, load}    the slot is taken; load after it
         {0, 'full'}  every slot is held
]]
local run = KEYS[1]
local attempt, max = ARGV[1], tonumber(ARGV[2])
local test_clock = ARGV[3]
--- @include "shared/now_ms"
local load = redis.call('ZCARD', run)
if load >= max then
  return {0, 'full'}
end
redis.call('ZADD', run, now_ms(test_clock), attempt)
return {1, load + 1}
"""
SNIPPET = """-- The moment a script acts at, ms.
local function now_ms(test_clock)
  return test_clock ~= '' and tonumber(test_clock) or tonumber(redis.call('TIME')[1]) * 1000
end
"""
LONG = "redis.call('ZADD', run, 1, attempt)\n" * 61

SCRIPT_FAULTS = [
    ("no header", GOOD[GOOD.index("local run") :], "does not begin"),
    ("another name", GOOD.replace("take_slot:", "give_slot:"), "calls itself"),
    ("no sentence", GOOD.replace("take_slot: take one slot of a node.\n", ""), "first line"),
    ("no Returns", GOOD.replace("Returns  {1", "Gives    {1"), "Returns"),
    ("a gap in the numbers", GOOD.replace("ARGV[2]  slots", "ARGV[4]  slots"), "out of order"),
    ("an undeclared key", GOOD.replace("= KEYS[1]", "= KEYS[1] or KEYS[2]"), "not declare"),
    ("an unused argument", GOOD.replace("tonumber(ARGV[2])", "4"), "does not use"),
    ("a late KEYS", GOOD.replace("'ZCARD', run", "'ZCARD', KEYS[1]"), "below its first lines"),
    ("an undeclared list", GOOD.replace("load + 1}", "#ARGV}"), "as a list"),
    ("a long body", GOOD.replace("return {1", LONG + "return {1"), "lines of code"),
    ("KEYS, the command", GOOD.replace("'ZCARD', run", "'KEYS', '*'"), "key space"),
    ("SCAN", GOOD.replace("'ZCARD', run", "'SCAN', 0"), "key space"),
    ("a lower-case command", GOOD.replace("'ZCARD'", "'zcard'"), "lower case"),
    ("an open unpack", GOOD.replace("'ZCARD', run", "'ZREM', run, unpack(all)"), "any length"),
    ("a key built inside", GOOD.replace("'ZCARD', run", "'ZCARD', 'p:{node:1}'"), "builds a key"),
    ("a clock of its own", GOOD.replace("now_ms(test_clock)", "redis.call('TIME')[1]"), "time"),
    ("an untold refusal", GOOD.replace("return {0, 'full'}", "return {0, 'busy'}"), "not tell"),
    ("a refusal never given", GOOD.replace("return {0, 'full'}", "return {1, 0}"), "never gives"),
    ("a missing snippet", GOOD.replace("shared/now_ms", "shared/clock"), "does not exist"),
]
SNIPPET_FAULTS = [
    ("another name", SNIPPET.replace("now_ms", "clock_ms"), "named as the file"),
    ("two functions", SNIPPET + SNIPPET.replace("now_ms", "then_ms"), "named as the file"),
    ("a loose statement", SNIPPET + "local zero = 0\n", "nothing beside"),
    ("KEYS inside", SNIPPET.replace("'TIME'", "'GET', KEYS[1]"), "arguments alone"),
    ("an include inside", '--- @include "shared/now_ms"\n' + SNIPPET, "no other snippet"),
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with one good script and its snippet."""
    (tmp_path / "lua" / "shared").mkdir(parents=True)
    (tmp_path / "lua" / "take_slot.lua").write_text(GOOD)
    (tmp_path / "lua" / "shared" / "now_ms.lua").write_text(SNIPPET)
    return tmp_path


@pytest.mark.req("I-30", "I-53", "I-54")
def test_every_script_keeps_the_rules() -> None:
    faults = [fault for script in SCRIPTS for fault in lua_rules.find_script_faults(script)]

    assert faults == []


def test_every_script_passes_luacheck_after_its_includes() -> None:
    warnings = [lua_rules.run_luacheck(script, config=CONFIG) for script in SCRIPTS]

    assert not any(warnings), "\n".join(warnings)


async def test_every_script_compiles_in_redis(redis_client: "redis.asyncio.Redis") -> None:
    for script in SCRIPTS:
        assert len(await redis_client.script_load(lua_rules.resolve(script))) == 40


def test_every_state_a_script_writes_or_compares_is_a_state_of_jobs() -> None:
    named = re.compile(r"(?:[=~]= |'state', |\band |\bor )'([A-Z]+)'")
    states = {state for script in SCRIPTS for state in named.findall(script.read_text())}

    assert states
    assert states <= set(JobState)


def test_the_shared_snippets_keep_the_rules() -> None:
    assert lua_rules.find_snippet_faults(ROOT) == []


def test_luacheck_is_installed() -> None:
    assert shutil.which("luacheck"), "luacheck is missing; on Debian: apt-get install lua-check"


def test_a_good_script_has_no_faults(tree: Path) -> None:
    script = tree / "lua" / "take_slot.lua"

    assert lua_rules.find_script_faults(script) == []
    assert lua_rules.find_snippet_faults(tree) == []
    assert lua_rules.run_luacheck(script, config=CONFIG) == ""


def test_a_declared_list_may_be_walked_below(tree: Path) -> None:
    script = tree / "lua" / "take_slot.lua"
    walked = GOOD.replace("ARGV[3]  test clock, or ''", "ARGV[3…] attempts").replace(
        "local test_clock = ARGV[3]\n", ""
    )
    script.write_text(
        walked.replace("now_ms(test_clock)", "now_ms('')").replace("+ 1}", "+ #ARGV}")
    )

    assert lua_rules.find_script_faults(script) == []


@pytest.mark.parametrize(
    ("text", "message"), [fault[1:] for fault in SCRIPT_FAULTS], ids=[f[0] for f in SCRIPT_FAULTS]
)
def test_a_fault_in_a_script_is_found(tree: Path, text: str, message: str) -> None:
    script = tree / "lua" / "take_slot.lua"
    script.write_text(text)

    assert message in "\n".join(lua_rules.find_script_faults(script))


@pytest.mark.parametrize(
    ("text", "message"), [fault[1:] for fault in SNIPPET_FAULTS], ids=[f[0] for f in SNIPPET_FAULTS]
)
def test_a_fault_in_a_snippet_is_found(tree: Path, text: str, message: str) -> None:
    (tree / "lua" / "shared" / "now_ms.lua").write_text(text)

    assert message in "\n".join(lua_rules.find_snippet_faults(tree))


def test_a_snippet_nobody_includes_is_found(tree: Path) -> None:
    (tree / "lua" / "shared" / "is_held.lua").write_text(SNIPPET.replace("now_ms", "is_held"))

    assert "is included by a script" in "\n".join(lua_rules.find_snippet_faults(tree))


@pytest.mark.parametrize(
    "fault", ["total = 1", "local unused = 1", "return undefined_name"], ids=str
)
def test_luacheck_sees_a_fault(tree: Path, fault: str) -> None:
    script = tree / "lua" / "take_slot.lua"
    script.write_text(
        GOOD.replace("local load =", f"{fault.replace('return', 'local _ =')}\nlocal load =")
    )

    assert lua_rules.run_luacheck(script, config=CONFIG) != ""
