"""The one place that spells Redis keys: one hash tag per entity, so one slot per script.

An entity is a process (`process:<iid>`), a normal channel (`work:<channel>`) or a group
(`group:<name>`). Permanent keys: none; every key has an expiry or an owner that renews it,
and the index of entities expires with the last of them.
"""

GROUP = b"readers"


class Keys:
    """Key builders under one prefix."""

    def __init__(self, *, prefix: str) -> None:
        self._prefix = prefix

    def stream(self, entity: str) -> str:
        """STREAM: what waits for the process or in the work queue; fields target, payload."""
        return f"{self._prefix}:{{{entity}}}:stream"

    def dead_letters(self, entity: str) -> str:
        """STREAM: what could not be delivered."""
        return f"{self._prefix}:{{{entity}}}:dlq"

    def presence(self, entity: str) -> str:
        """STRING: there while the process lives."""
        return f"{self._prefix}:{{{entity}}}:presence"

    def sent(self, entity: str, batcher: str) -> str:
        """STRING: the last batch one sender brought, so that a repeated call changes nothing."""
        return f"{self._prefix}:{{{entity}}}:sent:{batcher}"

    def done(self, entity: str, token: str) -> str:
        """LIST: the word that a process has seen to what another asked of it."""
        return f"{self._prefix}:{{{entity}}}:done:{token}"

    def group(self, group: str) -> str:
        """ZSET: member processes and foreign channels, scored by the end of membership (ms)."""
        return f"{self._prefix}:{{group:{group}}}:members"

    def index(self) -> str:
        """ZSET: every entity with a stream or dead letters, scored by when it was last seen."""
        return f"{self._prefix}:{{index}}:entities"

    def pattern(self) -> str:
        """Glob of all keys of this layer, for SCAN."""
        escaped = "".join(f"\\{c}" if c in "*?[]\\" else c for c in self._prefix)
        return f"{escaped}:{{*"

    def find_process(self, key: str) -> str | None:
        """Return the process entity a key belongs to, or None for any other key."""
        tag = key.removeprefix(f"{self._prefix}:{{").partition("}")[0]
        return tag if tag.startswith("process:") else None


def process_entity(iid: str) -> str:
    """Name the entity of a process by its inbox id."""
    return f"process:{iid}"


def work_entity(channel: str) -> str:
    """Name the entity of a normal channel."""
    return f"work:{channel}"
