"""The only reader of the environment: every value is checked here, or refused by name."""

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from django.core.exceptions import ImproperlyConfigured

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One variable that something asked for, as `docs/operations.md` must list it."""

    name: str
    default: str


_variables: dict[str, Variable] = {}


def env_str(name: str, *, default: str, choices: tuple[str, ...] = ()) -> str:
    """Return the variable's text without surrounding blanks; unset and empty mean the default.

    :raises ImproperlyConfigured: it is none of `choices`
    """
    text = _read(name, default)
    if text is None:
        return default
    if choices and text not in choices:
        raise _refuse(name, text, f"one of {', '.join(choices)}")
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
    raise _refuse(name, text, "on or off (also true/false, yes/no, 1/0)")


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
        raise _refuse(name, text, f"a whole number {_name_range(minimum, maximum)}") from None
    if value < minimum or (maximum is not None and value > maximum):
        raise _refuse(name, text, f"a whole number {_name_range(minimum, maximum)}")
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
        raise _refuse(name, text, allowed) from None
    highest = float("inf") if maximum is None else maximum
    # NaN answers False to both comparisons, and infinity to the strict one.
    if not (minimum <= value <= highest and value < float("inf")):
        raise _refuse(name, text, allowed)
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
            raise _refuse(name, network, "networks such as 10.0.0.0/8 or 127.0.0.1") from None
    return networks


@overload
def env_path(name: str, *, default: Path, shown: str = "") -> Path: ...


@overload
def env_path(name: str, *, default: None) -> Path | None: ...


def env_path(name: str, *, default: Path | None, shown: str = "") -> Path | None:
    """Return an absolute path; `shown` is the default as the documentation writes it.

    :raises ImproperlyConfigured: the value is a relative path, which would move with the caller
    """
    text = _read(name, shown or str(default or ""))
    if text is None:
        return default
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise _refuse(name, text, "an absolute path")
    return path


def copy_environment(**changes: str) -> dict[str, str]:
    """Return the environment a program of ours is to start with: this one's, with `changes`."""
    return {**os.environ, **changes}


def is_set(name: str) -> bool:
    """Say whether a variable has a value."""
    return bool(os.environ.get(name, "").strip())


def list_variables() -> list[Variable]:
    """Return every variable asked for so far, by name."""
    return [_variables[name] for name in sorted(_variables)]


def list_unknown(*, prefix: str) -> list[str]:
    """Return the variables that are set, start with `prefix`, and that nobody asked for."""
    return sorted(name for name in os.environ if name.startswith(prefix) and name not in _variables)


def _read(name: str, shown: str) -> str | None:
    _variables[name] = Variable(name=name, default=shown)
    text = os.environ.get(name, "").strip()
    return text or None


def _name_range(minimum: float, maximum: float | None) -> str:
    return f"from {minimum:g} up" if maximum is None else f"from {minimum:g} to {maximum:g}"


def _refuse(name: str, text: str, allowed: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name}={text!r} is not allowed: it must be {allowed}")
