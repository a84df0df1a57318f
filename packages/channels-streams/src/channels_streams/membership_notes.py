"""Memberships of another process' channels: their process is asked, so there is one truth.

The wish goes into the inbox of the process that made the channel, where it keeps its place among
the messages, and whoever asked waits for the word that it was seen to. So a group sent to after a
discard has returned never reaches the channel, whoever sends.
"""

import secrets
from typing import Literal

from channels_streams import names
from channels_streams.connection import Connections
from channels_streams.groups import Groups
from channels_streams.keys import process_entity
from channels_streams.loops import LoopResources
from channels_streams.process import Process
from channels_streams.scripts import load_script
from channels_streams.stream_writer import StreamWriter

_CONFIRM = load_script("confirm")
_TARGET = "note:"
_KEEP_WORD_MS = 10_000
# A process that says nothing for so long hangs; it will find the wish before any later message.
_WAIT_S = 2.0

Wish = Literal["join", "leave"]


class MembershipRequests:
    """Asks other processes, and does what they ask."""

    def __init__(self, *, process: Process, stream_writer: StreamWriter) -> None:
        self._process = process
        self._stream_writer = stream_writer

    async def ask(self, resources: LoopResources, wish: Wish, *, group: str, channel: str) -> None:
        """Ask the process of `channel` to let it join or leave, and wait until it has.

        :raises ChannelFull: there is no room in its inbox
        :raises RedisError: Redis is not reachable
        """
        iid, token = names.find_owner(channel), secrets.token_hex(8)
        lives = await self._stream_writer.to_process(
            resources,
            iid,
            target=f"{_TARGET}{wish}:{group}",
            payload=f"{token} {channel}".encode("ascii"),
        )
        if lives:
            done = self._process.keys.done(process_entity(iid), token)
            await resources.connections.wait_for_word(done, within_s=_WAIT_S)


class MembershipInbox:
    """The wishes that came for channels of this process, and what is still to be done of them."""

    def __init__(self, *, process: Process, groups: Groups) -> None:
        self._process = process
        self._groups = groups
        self._open: dict[str, str] = {}

    @staticmethod
    def is_note(target: str) -> bool:
        """Say whether an entry is for this book."""
        return target.startswith(_TARGET)

    def take(self, target: str, payload: bytes) -> bool:
        """Do what a note asks, as far as that is here; False if it makes no sense."""
        wish, _, group = target.removeprefix(_TARGET).partition(":")
        token, _, channel = payload.decode("ascii", errors="replace").partition(" ")
        if names.find_owner(channel) != self._process.iid or wish not in ("join", "leave"):
            return False
        self._groups.note(group, channel, joins=wish == "join")
        self._open[token] = group
        return True

    async def settle(self, connections: Connections) -> None:
        """Tell Redis of the groups that changed, and those who wait that it was done.

        :raises RedisError: Redis is not reachable; what is left is done the next time
        """
        for token, group in list(self._open.items()):
            await self._groups.reconcile(group, connections=connections)
            done = self._process.keys.done(self._process.entity, token)
            await connections.run(_CONFIRM, keys=[done], args=[_KEEP_WORD_MS])
            del self._open[token]
