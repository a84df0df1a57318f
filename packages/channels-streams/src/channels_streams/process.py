"""What every part of the layer knows about the process it works for."""

from dataclasses import dataclass

from channels_streams.counters import Counters
from channels_streams.keys import Keys, process_entity
from channels_streams.options import Options
from channels_streams.payloads import MessageFormatter


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """One process as Redis knows it: a random inbox id, made anew at each start and fork."""

    iid: str
    keys: Keys
    options: Options
    counters: Counters
    payloads: MessageFormatter

    @property
    def entity(self) -> str:
        return process_entity(self.iid)
