"""CONFIG as people write it, as for channels_redis too: understood, or refused in plain words."""

import dataclasses
import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from channels.exceptions import InvalidChannelLayerError

from channels_streams import hosts
from channels_streams.options import Options
from channels_streams.payloads import MessageFormatter

# As every layer calls them; the options have their unit in the name.
_RENAMED = {"expiry": "expiry_s", "group_expiry": "group_expiry_s"}
_OF_EVERY_LAYER = ("capacity", "channel_capacity")
_MAY_BE_ZERO = frozenset(("ack_delay_ms",))
_LISTS = (
    *("cluster_urls", "sentinel_urls", "at_least_once", "dead_letter_fields"),
    "symmetric_encryption_keys",
)
_SECRET = frozenset(("symmetric_encryption_keys",))
_HOST_WORDS = 'the address belongs into "url": "redis://user:password@host:6379/0", or "hosts"'
_SENTINEL_WORDS = 'write "hosts": [{"sentinels": [("host", 26379)], "master_name": "mymaster"}]'
_CLUSTER_WORDS = 'write "cluster_urls": ["redis://host:7000", …], any masters of the cluster'
# What others call it -> what to write.
_WORDS = {
    **dict.fromkeys(("host", "port", "db", "address", "password", "username"), _HOST_WORDS),
    "ssl": 'write "url": "rediss://…"',
    **dict.fromkeys(("sentinels", "master_name", "sentinel_kwargs"), _SENTINEL_WORDS),
    **dict.fromkeys(("cluster", "cluster_hosts", "startup_nodes"), _CLUSTER_WORDS),
    **dict.fromkeys(
        ("connection_kwargs", "client_kwargs", "pool_kwargs"), 'write "redis_options": {…}'
    ),
    "random_prefix_length": "leave it out: messages are unique here without it",
    "expiry_s": 'write "expiry"',
    "group_expiry_s": 'write "group_expiry"',
    "channel_layer": "leave it out",
}


class RefusedConfig(InvalidChannelLayerError):
    """CONFIG says what cannot be; `faults` are told one by one, with what to write instead."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("CHANNEL_LAYERS, channels_streams: " + "; ".join(faults) + ".")
        self.faults = tuple(faults)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Configured:
    """What one layer was told."""

    options: Options
    payloads: MessageFormatter
    capacity: int
    channel_capacity: Mapping[str | re.Pattern[str], int]


def read_config(given: Mapping[str, Any]) -> Configured:
    """Read the CONFIG of a layer.

    :raises RefusedConfig: it says something that cannot be
    """
    config, faults = dict(given), list[str]()
    serializer = config.pop("serializer_format", "msgpack")
    if serializer != "msgpack":
        faults.append(f'serializer_format: {serializer!r} is not known; leave it out, or "msgpack"')
    _read_hosts(config, faults)
    capacity = config.pop("capacity", 100)
    _check_number("capacity", capacity, faults, whole=True)
    channel_capacity = config.pop("channel_capacity", None) or {}
    _check_capacities(channel_capacity, faults)
    options = Options(**_read_values(config, faults))
    faults += hosts.find_faults(options)
    payloads = _make_payloads(options, faults)
    if faults:
        raise RefusedConfig(faults)
    return Configured(
        options=options,
        payloads=payloads,
        capacity=capacity,
        channel_capacity=dict(channel_capacity),
    )


def _read_hosts(config: dict[str, Any], faults: list[str]) -> None:
    if not (given := config.pop("hosts", None)):
        return
    if both := [name for name in ("url", "cluster_urls", "sentinel_urls") if config.get(name)]:
        faults.append(f'hosts and {both[0]} both say where Redis is: keep one, "{both[0]}"')
        return
    try:
        read = hosts.read_hosts(given)
    except hosts.RefusedHosts as error:
        faults.append(f"hosts: {error}")
        return
    redis_options = {**read.pop("redis_options", {})}
    told = config.pop("redis_options", {})
    if isinstance(told, Mapping):
        redis_options |= told
    config |= {**read, "redis_options": redis_options}


def _read_values(config: dict[str, Any], faults: list[str]) -> dict[str, Any]:
    """Return what has no fault of its own, so that the rest can be looked at as a whole."""
    fields = {each.name: each for each in dataclasses.fields(Options)}
    spelled = [n for n in fields if n not in _RENAMED.values()] + list(_RENAMED)
    known = [*spelled, "hosts", *_OF_EVERY_LAYER]
    values: dict[str, Any] = {}
    for name, value in config.items():
        if name not in spelled:
            faults.append(f"{name}: {_advise(name, known)}")
            continue
        field, before = _RENAMED.get(name, name), len(faults)
        read = _read_list(name, value, faults) if name in _LISTS else value
        _CHECKS.get(str(fields[field].type), _check_nothing)(name, value, faults)
        if len(faults) == before:
            values[field] = read
    return values


def _advise(name: object, known: Iterable[str]) -> str:
    if words := _WORDS.get(str(name)):
        return f"not known here; {words}"
    near = difflib.get_close_matches(str(name).lower(), known, n=1)
    if near:
        return f'not known; did you mean "{near[0]}"?'
    return f"not known; there are {', '.join(sorted(known))}"


def _read_list(name: str, value: Any, faults: list[str]) -> tuple[Any, ...]:
    if value is None:
        return ()
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        shown = "…" if name in _SECRET else hosts.show(value)
        faults.append(f'{name}: a list, even of one; write "{name}": [{shown}]')
        return ()
    items = tuple(value)
    kinds = (str, bytes) if name in _SECRET else (str,)
    if wrong := [each for each in items if not isinstance(each, kinds) or not each]:
        shown = type(wrong[0]).__name__ if name in _SECRET and wrong[0] else hosts.show(wrong[0])
        faults.append(f"{name}: each is a text that is not empty, not {shown}")
    return items


def _check_number(name: str, value: Any, faults: list[str], *, whole: bool = False) -> None:
    kinds: tuple[type, ...] = (int,) if whole else (int, float)
    what = "a whole number" if whole else "a number"
    number: Any = value
    if isinstance(value, bool) or not isinstance(value, kinds):
        hint = ""
        if isinstance(value, str) and value.strip().isdigit():
            hint = f'; write "{name}": {value.strip()}, without the quotes'
        faults.append(f"{name}: {what}, not {value!r}{hint}")
    elif not math.isfinite(number) or (number < 0 if name in _MAY_BE_ZERO else number <= 0):
        faults.append(f"{name}: {what} above 0, not {value!r}")


def _check_whole(name: str, value: Any, faults: list[str]) -> None:
    _check_number(name, value, faults, whole=True)


def _check_text(name: str, value: Any, faults: list[str]) -> None:
    if not isinstance(value, str):
        faults.append(f"{name}: a text, not {hosts.show(value)}")
    elif name == "prefix" and (not value or re.search(r"[{}\s]", value)):
        faults.append(f"prefix: a text without spaces and braces, not {value!r}")


def _check_mapping(name: str, value: Any, faults: list[str]) -> None:
    if not isinstance(value, Mapping):
        faults.append(f"{name}: a dictionary, not {hosts.show(value)}")


def _check_yes_or_no(name: str, value: Any, faults: list[str]) -> None:
    if not isinstance(value, bool):
        faults.append(f"{name}: True or False, not {value!r}")


def _check_callable(name: str, value: Any, faults: list[str]) -> None:
    if value is not None and not callable(value):
        faults.append(f"{name}: a function, not {value!r}")


def _check_nothing(_name: str, _value: Any, _faults: list[str]) -> None:
    """Its form was checked where it was read."""


_CHECKS: dict[str, Callable[[str, Any, list[str]], None]] = {
    str(int): _check_whole,
    str(float): _check_number,
    str(str): _check_text,
    str(bool): _check_yes_or_no,
    "collections.abc.Mapping[str, typing.Any]": _check_mapping,
    str(Callable[[], Any] | None): _check_callable,
}


def _check_capacities(given: Any, faults: list[str]) -> None:
    if not isinstance(given, Mapping):
        faults.append(f'channel_capacity: a dictionary as {{"http.request": 200}}, not {given!r}')
        return
    for name, capacity in given.items():
        if not isinstance(name, str | re.Pattern):
            faults.append(f"channel_capacity: names or patterns, not {name!r}")
        _check_number(f"channel_capacity[{name!r}]", capacity, faults, whole=True)


def _make_payloads(options: Options, faults: list[str]) -> Any:
    keys: Sequence[str | bytes] = options.symmetric_encryption_keys
    try:
        return MessageFormatter(max_bytes=options.max_message_bytes, keys=keys)
    except ImportError:
        faults.append(
            "symmetric_encryption_keys: needs `pip install 'channels-streams[cryptography]'`"
        )
    return None
