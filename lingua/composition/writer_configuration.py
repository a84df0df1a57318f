"""What a serving process tells the writer of the history when it starts it: one JSON line.

Told, and not read from the settings there: those are a third of an instance, and Django with them.
Over a pipe, because addresses have passwords in them.
"""

import msgspec

from lingua.composition.redis_configuration import RedisConfiguration
from operators.db.history_table import TableConfiguration


class WriterConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """Where jobs that are over wait, where they go, and how long they stay there."""

    redis: RedisConfiguration
    timer_shards: int
    record_ms: int
    database: TableConfiguration
    days: int
    most_waiting: int
    log_level: str


_decode = msgspec.json.Decoder(WriterConfiguration).decode


def write_configuration(configuration: WriterConfiguration) -> bytes:
    return msgspec.json.encode(configuration) + b"\n"


def parse_configuration(line: bytes) -> WriterConfiguration:
    """Return what was told.

    :raises msgspec.DecodeError: whoever told it is no instance of ours
    """
    return _decode(line)
