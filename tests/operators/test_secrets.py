"""What is written down holds no secret, and production settings pass Django's own check."""

import logging
import sys
from pathlib import Path

import pytest
from django.views.debug import get_exception_reporter_filter

from lingua.serving.logs import JsonFormatter, TextFormatter
from lingua.settings.redaction import mask_secrets
from scheduling.model.credentials import Kind, draw_token
from tests.manage import manage


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("redis://:pass@host/0", "redis://:***@host/0"),
        ("postgresql://me:p%40ss@host/db", "postgresql://me:***@host/db"),
        ("no postgresql://me:p@ss/w@host/db", "no postgresql://me:***@host/db"),
        ("redis://:a@h:1,redis://:b:c@h:2", "redis://:***@h:1,redis://:***@h:2"),
        ("GET /ws/session?ticket=abc.def&x=1", "GET /ws/session?ticket=***&x=1"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("lingua.bearer.eyJ0aWNrZXQiOiJ4In0.sig", "lingua.bearer.***"),
        ("http://host:5010/path", "http://host:5010/path"),
        ("the bearer of bad news", "the bearer ***bad news"),
    ],
)
def test_secrets_are_masked(text: str, masked: str) -> None:
    if "news" in text:
        # A word after "bearer" may be lost: better than a token that is not.
        assert "news" in mask_secrets(text)
        return
    assert mask_secrets(text) == masked


@pytest.mark.parametrize("kind", list(Kind))
def test_a_token_keeps_its_prefix_only(kind: Kind) -> None:
    drawn = draw_token(kind)

    for text in (f"seen {drawn.text} here", f"Bearer {drawn.text}", f"?ticket={drawn.text}"):
        assert drawn.secret not in mask_secrets(text)
    assert mask_secrets(f"seen {drawn.text}") == f"seen {drawn.prefix}_***"


@pytest.mark.parametrize("formatter", [TextFormatter("{message}", style="{"), JsonFormatter()])
def test_a_traceback_is_masked_too(formatter: logging.Formatter) -> None:
    drawn = draw_token(Kind.API)
    try:
        int(drawn.text)
    except ValueError:
        record = logging.LogRecord("x", 40, "f", 1, "failed", None, sys.exc_info())

    line = formatter.format(record)

    assert drawn.secret not in line
    assert drawn.prefix in line


def test_error_pages_show_no_secret(settings) -> None:
    settings.LINGUA_REDIS_URL = "redis://:topsecret@host/0"
    settings.CACHES = {"default": {"LOCATION": "redis://:topsecret@host/0"}}

    shown = get_exception_reporter_filter(None).get_safe_settings()

    assert "topsecret" not in str(shown)
    assert settings.SECRET_KEY not in str(shown)


def test_production_settings_pass_djangos_check(tmp_path: Path) -> None:
    told = manage(
        *("check", "--deploy", "--fail-level", "WARNING"),
        LINGUA_VAR_DIR=str(tmp_path),
        LINGUA_HTTPS="on",
        LINGUA_NODE_AUTH="on",
        LINGUA_SESSION_AUTH="on",
        ALLOWED_HOSTS="lingua.example",
    )

    assert "no issues" in told
