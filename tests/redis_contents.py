"""Everything that stands in a Redis, for tests that look for what must not."""

from collections.abc import Iterator
from typing import Any

from tests.redis_under_test import look_into

# How each kind of key is read whole.
_READS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "string": (("GET",), ()),
    "hash": (("HGETALL",), ()),
    "list": (("LRANGE",), ("0", "-1")),
    "set": (("SMEMBERS",), ()),
    "zset": (("ZRANGE",), ("0", "-1")),
    "stream": (("XRANGE",), ("-", "+")),
}


def read_all(url: str) -> Iterator[tuple[str, str]]:
    """Yield every key, and all of its value as one text; a key that ended meanwhile is left out."""
    client = look_into(url, decodes=False)
    for key in client.scan_iter(match="*", count=1_000):
        kind = _to_text(client.type(key))
        if kind in _READS:
            command, rest = _READS[kind]
            yield _to_text(key), _spell(client.execute_command(*command, key, *rest))
    client.close()


def find_words(url: str, *words: str) -> list[str]:
    """Return the keys in whose name or value one of the words stands."""
    # As bytes are read below.
    spelled = [word.encode().decode("latin-1") for word in words]
    everything = ((key, f"{key} {value}") for key, value in read_all(url))
    return [key for key, text in everything if any(word in text for word in spelled)]


def _spell(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{_spell(key)} {_spell(each)}" for key, each in value.items())
    if isinstance(value, list | tuple | set):
        return " ".join(map(_spell, value))
    return _to_text(value)


def _to_text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
