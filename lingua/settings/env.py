"""The only reader of the environment: every value is checked here, or refused by name."""

import contextlib
import difflib
import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
# Whoever writes one of these means a setting of ours; Django itself reads a few of its own.
_OUR_PREFIXES = ("LINGUA_", "DJANGO_")
_READ_BY_DJANGO = frozenset(
    {
        "DJANGO_SETTINGS_MODULE",
        "DJANGO_ALLOW_ASYNC_UNSAFE",
        "DJANGO_AUTO_COMPLETE",
        "DJANGO_COLORS",
        "DJANGO_RUNSERVER_HIDE_WARNING",
        "DJANGO_TEST_PROCESSES",
        "DJANGO_WATCHMAN_TIMEOUT",
    }
)
_SHORTEST_KEY, _FEWEST_LETTERS = 32, 5
_WORD = re.compile(r"[A-Za-z0-9._:/-]+")
# How alike a name without our prefix must be to one of ours before somebody is told of it.
_ALIKE = 0.9


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One variable that something asked for, as `docs/operations.md` must list it."""

    name: str
    default: str


_settings: dict[str, Setting] = {}


def env_str(name: str, *, default: str, choices: tuple[str, ...] = ()) -> str:
    """Return the variable's text without surrounding blanks; unset and empty mean the default.

    :raises ImproperlyConfigured: it is none of `choices`
    """
    text = _read(name, default)
    if text is None:
        return default
    if choices and text not in choices:
        raise refuse(name, text, f"one of {', '.join(choices)}")
    return text


def env_bool(name: str, *, default: bool) -> bool:
    """Return a switch.

    :raises ImproperlyConfigured: it is no word for yes or no
    """
    text = _read(name, "on" if default else "off")
    if text is None:
        return default
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise refuse(name, text, "on or off (also true/false, yes/no, 1/0)")


def env_int(name: str, *, default: int, minimum: int = 0, maximum: int | None = None) -> int:
    """Return a whole number between `minimum` and `maximum`, both allowed.

    :raises ImproperlyConfigured: it is no whole number, or outside the range
    """
    text = _read(name, str(default))
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        raise refuse(name, text, f"a whole number {_name_range(minimum, maximum)}") from None
    if value < minimum or (maximum is not None and value > maximum):
        raise refuse(name, text, f"a whole number {_name_range(minimum, maximum)}")
    return value


def env_float(
    name: str, *, default: float, minimum: float = 0.0, maximum: float | None = None
) -> float:
    """Return a finite number between `minimum` and `maximum`, both allowed.

    :raises ImproperlyConfigured: it is no number, not finite, or outside the range
    """
    text = _read(name, f"{default:g}")
    if text is None:
        return default
    allowed = f"a number {_name_range(minimum, maximum)}"
    try:
        value = float(text)
    except ValueError:
        raise refuse(name, text, allowed) from None
    highest = float("inf") if maximum is None else maximum
    # NaN answers False to both comparisons, and infinity to the strict one.
    if not (minimum <= value <= highest and value < float("inf")):
        raise refuse(name, text, allowed)
    return value


def env_list(name: str, *, default: tuple[str, ...] = ()) -> list[str]:
    """Return the comma-separated parts, without blanks and empty parts."""
    text = _read(name, ",".join(default))
    if text is None:
        return list(default)
    return [part.strip() for part in text.split(",") if part.strip()]


def env_networks(name: str) -> list[str]:
    """Read comma-separated networks; an address is a network of one.

    :raises ImproperlyConfigured: one is no network
    """
    networks = env_list(name)
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise refuse(name, network, "networks such as 10.0.0.0/8 or 127.0.0.1") from None
    return networks


def env_path(name: str, *, default: Path, shown: str) -> Path:
    """Return an absolute path; `shown` is the default as the documentation writes it.

    :raises ImproperlyConfigured: the value is a relative path, which would move with the caller
    """
    text = _read(name, shown)
    return default if text is None else _check_path(name, text)


def env_directory(name: str, *, default: Path, shown: str) -> Path:
    """Return a directory that files can be made in; it is made if it is not there.

    :raises ImproperlyConfigured: a relative path, or no such directory
    """
    path = env_path(name, default=default, shown=shown)
    with contextlib.suppress(OSError):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_writable(path):
        raise refuse(name, str(path), "a directory that we may write to")
    return path


def env_file(name: str) -> Path | None:
    """Return a file that can be written, None where the variable is not set.

    :raises ImproperlyConfigured: a relative path, or a file that cannot be
    """
    text = _read(name, "")
    if text is None:
        return None
    path = _check_path(name, text)
    if path.is_dir() or not _is_writable(path.parent):
        raise refuse(name, text, "a file in a directory that we may write to")
    return path


def env_secret(name: str) -> str:
    """Return a key, ``""`` where the variable is not set; what it is is told nobody.

    :raises ImproperlyConfigured: somebody could guess it
    """
    key = env_str(name, default="")
    if key:
        _check_secret(name, key)
    return key


def env_secrets(name: str) -> list[str]:
    """Return keys: comma-separated, or those of a file, one a line; they are told nobody.

    :raises ImproperlyConfigured: somebody could guess one, or the file cannot be read
    """
    text = env_str(name, default="")
    keys = text.split(",")
    if text.startswith("/"):
        try:
            keys = Path(text).read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise refuse(name, text, "a file that we can read") from error
    stripped = [key.strip() for key in keys if key.strip()]
    if text and not stripped:
        raise refuse(name, text, "a file with a key in it")
    for key in stripped:
        _check_secret(name, key)
    return stripped


def env_word(name: str, *, default: str) -> str:
    """Return a word that can stand in the middle of a key of Redis, and in a pattern of keys.

    :raises ImproperlyConfigured: it has blanks, or what means something in either
    """
    text = env_str(name, default=default)
    if _WORD.fullmatch(text) is None:
        raise refuse(name, text, "letters, digits and any of . _ - : /")
    return text


def copy_environment(**changes: str) -> dict[str, str]:
    """Return the environment a program of ours is to start with: this one's, with `changes`."""
    return {**os.environ, **changes}


def is_set(name: str) -> bool:
    """Say whether a variable has a value."""
    return bool(os.environ.get(name, "").strip())


def list_settings() -> list[Setting]:
    """Return every variable asked for so far, by name."""
    return [_settings[name] for name in sorted(_settings)]


def list_unknown() -> list[str]:
    """Return the variables that are set, look like settings of ours, and that nobody reads.

    Of those that begin as none of ours does, the ones that differ from a setting by a letter.
    """
    return sorted(
        name
        for name in os.environ
        if name not in _settings
        and name not in _READ_BY_DJANGO
        and not name.startswith("DJANGO_SUPERUSER_")
        and (name.startswith(_OUR_PREFIXES) or _find_alike(name, cutoff=_ALIKE))
    )


def explain_unknown(name: str) -> str:
    """Say that nobody reads a variable, and which one was probably meant."""
    bare = name.partition("_")[2] if name.startswith(_OUR_PREFIXES) else ""
    meant = (
        [candidate for candidate in (bare, f"LINGUA_{bare}") if candidate in _settings]
        or _find_alike(name, cutoff=0.8)
        or [""]
    )[0]
    hint = f": {meant} is meant?" if meant else ""
    return f"{name} is set, but no setting has that name{hint}"


def _check_secret(name: str, key: str) -> None:
    if len(key) < _SHORTEST_KEY or len(set(key)) < _FEWEST_LETTERS:
        raise ImproperlyConfigured(
            f"{name} is not allowed: it must be at least {_SHORTEST_KEY} characters that nobody "
            "can guess, such as openssl rand -hex 32 prints"
        )


def _find_alike(name: str, *, cutoff: float) -> list[str]:
    return difflib.get_close_matches(name.upper(), _settings, n=1, cutoff=cutoff)


def _read(name: str, shown: str) -> str | None:
    _settings[name] = Setting(name=name, default=shown)
    text = os.environ.get(name, "").strip()
    return text or None


def _check_path(name: str, text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise refuse(name, text, "an absolute path")
    return path


def _is_writable(directory: Path) -> bool:
    return directory.is_dir() and os.access(directory, os.W_OK | os.X_OK)


def _name_range(minimum: float, maximum: float | None) -> str:
    return f"from {minimum:g} up" if maximum is None else f"from {minimum:g} to {maximum:g}"


def refuse(name: str, text: str, allowed: str) -> ImproperlyConfigured:
    """Return what to raise for a value, which is shown."""
    return ImproperlyConfigured(f"{name}={text!r} is not allowed: it must be {allowed}")
