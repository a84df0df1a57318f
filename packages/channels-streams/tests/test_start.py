"""A new project whose CONFIG is wrong does not start, however it is started, and says why."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from streams_testing.redis_server import find_free_port

pytestmark = pytest.mark.req("RE1")

BACKEND = "channels_streams.layer.StreamsChannelLayer"
_APPLICATION = "mysite.asgi:application"
_ENDS_WITHIN_S = 120
# Every way to start, and whether Django's system check tells of it.
STARTS = {
    "check": ("manage.py", "check"),
    "migrate": ("manage.py", "migrate"),
    "runserver": ("manage.py", "runserver", "--noreload", "127.0.0.1:PORT"),
    "runworker": ("manage.py", "runworker", "mail"),
    "daphne": ("-m", "daphne", "-b", "127.0.0.1", "-p", "PORT", _APPLICATION),
    "uvicorn": ("-m", "uvicorn", "--port", "PORT", _APPLICATION),
}


class Project:
    """What `startproject` makes, with the lines that the README tells to add."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._run("-m", "django", "startproject", "mysite", ".")
        self.write(
            "INSTALLED_APPS = ['daphne', 'channels', *INSTALLED_APPS]",
            "ASGI_APPLICATION = 'mysite.asgi.application'",
            "INSTALLED_APPS += ['channels_streams']",
        )

    def write(self, *lines: str) -> None:
        with (self._folder / "mysite" / "settings.py").open("a") as settings:
            settings.write("\n".join(("", *lines, "")))

    def start(self, how: str) -> tuple[int, str]:
        """Start what is expected to end; return its exit code and what it said."""
        port = str(find_free_port())
        ended = self._run(*(word.replace("PORT", port) for word in STARTS[how]))
        return ended.returncode, ended.stdout + ended.stderr

    def _run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        environment = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
        return subprocess.run(
            [sys.executable, *words],
            cwd=self._folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_ENDS_WITHIN_S,
            check=False,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize("how", STARTS)
def test_nothing_starts_with_a_config_that_is_wrong(project: Project, how: str):
    project.write(
        "CHANNEL_LAYERS = {",
        f"  'default': {{'BACKEND': '{BACKEND}',",
        "              'CONFIG': {'hosts': ['redis://127.0.0.1']}},",
        f"  'mail': {{'BACKEND': '{BACKEND}',",
        "           'CONFIG': {'hosts': ['reids://:secret@r'], 'expiry': '60', 'capactiy': 3}},",
        "}",
    )
    code, said = project.start(how)
    assert code not in (0, None)
    assert "CHANNEL_LAYERS['mail']['CONFIG']: " in said
    assert "begins with none of redis://, rediss:// and unix://" in said
    assert 'write "expiry": 60, without the quotes' in said
    assert 'did you mean "capacity"?' in said
    assert "CHANNEL_LAYERS['default']" not in said
    assert "secret" not in said
    # Commands tell it as they tell everything else that is wrong; no traceback for a typo.
    is_told_by_check = STARTS[how][0] == "manage.py"
    assert ("channels_streams.E001" in said, "Traceback" in said) == (
        is_told_by_check,
        not is_told_by_check,
    )


def test_every_alias_and_every_fault_is_told_at_once(project: Project):
    project.write(
        "CHANNEL_LAYERS = {",
        "  'one': {'BACKEND': 'channels_streams.core.RedisChannelLayer'},",
        f"  'two': {{'BACKEND': '{BACKEND}', 'OPTIONS': {{'hosts': []}}}},",
        f"  'three': {{'BACKEND': '{BACKEND}', 'CONFG': {{}}}},",
        f"  'four': {{'BACKEND': '{BACKEND}', 'CONFIG': ['redis://:secret@r']}},",
        f"  'five': {{'BACKEND': '{BACKEND}', 'CONFIG': {{'url': 'redis://r/zero'}}}},",
        f"  'six': {{'BACKEND': '{BACKEND}', 'TEST_CONFIG': {{'prefix': 7}}}},",
        f"  'seven': {{'Backend': '{BACKEND}'}},",
        f"  'eight': '{BACKEND}',",
        "  'nine': {'BACKEND': 'channels.layers.InMemoryChannelLayer', 'CONFIG': {'what': 1}},",
        "  'ten': {'BACKEND': 'not.there'},",
        f"  'eleven': {{'BACKEND': '{BACKEND}'}},",
        "}",
    )
    code, said = project.start("check")
    told = [line for line in said.splitlines() if "CHANNEL_LAYERS" in line]
    assert code == 1
    for alias, words in (
        ("one", f'write "BACKEND": "{BACKEND}"'),
        ("two", 'stands in "CONFIG"'),
        ("three", 'did you mean "CONFIG"?'),
        ("four", "a dictionary"),
        ("five", "database"),
        ("six", "['TEST_CONFIG']: prefix: a text"),
        ("seven", 'did you mean "BACKEND"?'),
        ("eight", f'write "BACKEND": "{BACKEND}"'),
    ):
        assert any(f"CHANNEL_LAYERS['{alias}']" in line and words in line for line in told), alias
    assert not any(f"['{alias}']" in said for alias in ("nine", "ten", "eleven"))
    assert "secret" not in said


def test_a_layer_made_of_ours_is_refused_as_ours_is(project: Project, tmp_path: Path):
    (tmp_path / "mysite" / "layers.py").write_text(
        "from channels_streams.layer import StreamsChannelLayer\n"
        "class Own(StreamsChannelLayer):\n"
        "    def __init__(self, *, colour, **config):\n"
        "        super().__init__(**config)\n"
    )
    project.write(
        "CHANNEL_LAYERS = {",
        "  'right': {'BACKEND': 'mysite.layers.Own', 'CONFIG': {'colour': 'red'}},",
        "  'wrong': {'BACKEND': 'mysite.layers.Own', 'CONFIG': {'colour': 'red', 'expiry': 0}},",
        "}",
    )
    code, said = project.start("check")
    assert code == 1
    assert "CHANNEL_LAYERS['wrong']['CONFIG']: expiry: a number above 0, not 0" in said
    assert "'right'" not in said


def test_a_config_that_can_be_is_not_spoken_of(project: Project):
    project.write(f"CHANNEL_LAYERS = {{'default': {{'BACKEND': '{BACKEND}'}}}}")
    assert project.start("check") == (
        0,
        "System check identified no issues (0 silenced).\n",
    )


def test_without_channel_layers_nothing_is_said(project: Project):
    assert project.start("check")[0] == 0
