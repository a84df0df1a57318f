"""Every alias of CHANNEL_LAYERS that is a layer of ours: what is wrong with what it is told."""

import difflib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from channels.exceptions import InvalidChannelLayerError

from channels_streams import hosts
from channels_streams.config import RefusedConfig
from channels_streams.layer import StreamsChannelLayer

_OURS = f"{StreamsChannelLayer.__module__}.{StreamsChannelLayer.__name__}"
_PACKAGE = __name__.partition(".")[0]
_CONFIGS = ("CONFIG", "TEST_CONFIG")
_KEYS = ("BACKEND", *_CONFIGS)


def find_faults(channel_layers: Any) -> Iterator[str]:
    """Yield each fault with the alias it is in and what to write instead; Redis is not asked."""
    if not isinstance(channel_layers, Mapping):
        return
    for alias, entry in channel_layers.items():
        told = entry if isinstance(entry, Mapping) else {"": entry}
        for place, fault in _look_at(told):
            yield f"CHANNEL_LAYERS[{alias!r}]{place}: {fault}"


def _look_at(entry: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    layer = _find_layer(entry.get("BACKEND"))
    if layer is None:
        if not any(map(_names_us, entry.values())):
            return
        yield "", f'write "BACKEND": "{_OURS}"'
        layer = StreamsChannelLayer
    for name in entry:
        if name and name not in _KEYS:
            yield "", f"{name}: {_advise(name)}"
    for name in _CONFIGS:
        if name in entry:
            yield from ((f"[{name!r}]", fault) for fault in _try(layer, entry[name]))


def _names_us(value: Any) -> bool:
    """Say whether a value, under whatever key, is a path into this package."""
    return isinstance(value, str) and value.partition(".")[0] == _PACKAGE


def _find_layer(backend: Any) -> type[StreamsChannelLayer] | None:
    """Return the class of a dotted path if it is ours or made of ours; of others Channels tells."""
    module, _, name = str(backend).rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception:  # noqa: BLE001 - another's module may fail in any way; Channels loads it later
        return None
    is_ours = isinstance(found, type) and issubclass(found, StreamsChannelLayer)
    return found if is_ours else None


def _advise(name: Any) -> str:
    near = difflib.get_close_matches(str(name).upper(), _KEYS, n=1)
    if near:
        return f'not known; did you mean "{near[0]}"?'
    return 'not known; what the layer is told stands in "CONFIG": {…}'


def _try(layer: type[StreamsChannelLayer], config: Any) -> tuple[str, ...]:
    """Make the layer, which connects to nothing, and return what it says against that."""
    if not isinstance(config, Mapping) or not all(isinstance(name, str) for name in config):
        return (f'a dictionary as {{"hosts": ["redis://host:6379/0"]}}, not {hosts.show(config)}',)
    try:
        layer(**config)
    except RefusedConfig as refused:
        return refused.faults
    except (InvalidChannelLayerError, TypeError, ValueError) as refused:
        return (str(refused),)
    return ()
