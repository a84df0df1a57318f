"""An instance as its peers know it."""

import msgspec


class InstanceRecord(msgspec.Struct, frozen=True):
    """One process that serves sockets; `channel` is where its inbox listens.

    `boot_id` is drawn at each start: the same id under another boot is another process.
    One that is exclusive shares its Redis with nobody.
    """

    instance_id: str
    boot_id: str
    channel: str
    hostname: str
    pid: int
    version: str
    started_at_ms: int
    is_exclusive: bool = False
