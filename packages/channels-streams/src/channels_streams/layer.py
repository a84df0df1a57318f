"""The channel layer that Channels loads: StreamsChannelLayer.

Follow a message: `send` encodes it; for a channel of this process it goes into a mailbox at once,
else a batcher carries it to the inbox stream of the process that made the channel, whose inbox
reads it into a mailbox; `receive` takes it out there, and the next `receive` finishes it.
"""

import logging
import os
import secrets
import uuid
from collections.abc import Sequence
from typing import Any

from channels.exceptions import ChannelFull, MessageTooLarge
from channels.layers import BaseChannelLayer

from channels_streams import names
from channels_streams.config import read_config
from channels_streams.connection import REDIS_TROUBLE
from channels_streams.counters import Counters
from channels_streams.dead_letters import DeadLetters
from channels_streams.groups import Groups
from channels_streams.inbox import FLUSH_TARGET, ProcessInbox
from channels_streams.keys import GROUP, Keys
from channels_streams.loops import LoopResources, Loops, Step
from channels_streams.mailboxes import LayerClosed
from channels_streams.payloads import Undecodable
from channels_streams.presence import Presence
from channels_streams.process import Process
from channels_streams.scripts import load_script
from channels_streams.sending import Sender, foreign_member
from channels_streams.standing import InboxStanding, measure
from channels_streams.takeover import OrphanHandler, Takeover
from channels_streams.upkeep import list_steps
from channels_streams.work_queues import WorkReader

__all__ = ["LayerClosed", "StreamsChannelLayer"]

_EMPTY_INBOX = load_script("empty_inbox")
_log = logging.getLogger("channels_streams")


class StreamsChannelLayer(BaseChannelLayer):
    """A channel layer on Redis Streams.

    CONFIG is `expiry`, `capacity`, `channel_capacity`, `group_expiry` as in every layer, `hosts` as
    channels_redis knows it, and the fields of `options.Options`.

    :raises InvalidChannelLayerError: CONFIG says something that cannot be
    """

    extensions: Sequence[str] = ("groups", "flush")
    MessageTooLarge = MessageTooLarge
    ChannelFull = ChannelFull

    def __init__(self, **config: Any) -> None:
        told = read_config(config)
        self.options = told.options
        super().__init__(expiry=self.options.expiry_s, capacity=told.capacity)  # type: ignore[no-untyped-call]  # Channels has no types
        self.channel_capacity = self.compile_capacities(told.channel_capacity)  # type: ignore[no-untyped-call]  # Channels has no types
        self.group_expiry = self.options.group_expiry_s
        self.counters = Counters()
        self._payloads = told.payloads
        self._keys = Keys(prefix=self.options.prefix)
        # What a forked child has of its parent is kept, for its end would reach the parent's loop.
        self._inherited: list[object] = []
        self._assemble()

    def _assemble(self) -> None:
        """Build the collaborators around a new inbox id."""
        self._pid = os.getpid()
        self._is_closed = False
        self._was_introduced = False
        self.iid = uuid.uuid4().hex
        process = self._process = Process(
            iid=self.iid,
            keys=self._keys,
            options=self.options,
            counters=self.counters,
            payloads=self._payloads,
        )
        self._loops = Loops(process=process, steps=self._list_steps)
        self._groups = Groups(process=process)
        self._presence = Presence(process=process, groups=self._groups)
        self._inbox = ProcessInbox(
            process=process,
            groups=self._groups,
            presence=self._presence,
            capacity_of=self.get_capacity,
            wake_acknowledger=self._loops.wake_acknowledger,
        )
        self._sender = Sender(
            process=process, groups=self._groups, inbox=self._inbox, capacity_of=self.get_capacity
        )
        self.dead_letters = DeadLetters(
            keys=self._keys,
            payloads=self._payloads,
            current=self._resources,
            send=self._sender.send_once,
        )
        self._takeover = Takeover(
            process=process,
            dead_letters=self.dead_letters,
            presence=self._presence,
        )

    # The channel-layer specification.

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return a name only this process receives on; Redis is told of the process, once.

        :raises TypeError: the prefix makes no valid channel name
        """
        resources = self._resources()
        name = f"{prefix}.{self.iid}!{secrets.token_hex(16)}"
        names.check_channel(name)
        self._inbox.mailboxes.open(name)
        resources.inbox_wanted.set()
        if not (self._was_introduced or self._presence.is_registered):
            await self._introduce(resources)
        return name

    async def receive(self, channel: str) -> dict[str, Any]:
        """Wait for the next message on a channel; the one before it counts as handled.

        :raises AssertionError: the channel belongs to another process
        :raises LayerClosed: the layer was closed meanwhile
        """
        names.check_channel(channel)
        self._begin_anew_if_forked()
        if self._is_closed and self._sender.is_here(channel):
            raise LayerClosed("the channel layer was closed")
        while True:
            if not names.is_process_specific(channel):
                payload = await self._reader(channel).take()
            else:
                if not self._sender.is_here(channel):
                    raise AssertionError(f"{channel} belongs to another process")
                self._resources().inbox_wanted.set()
                payload = await self._inbox.mailboxes.take(channel)
            try:
                message = self._payloads.decode(payload)
            except Undecodable:
                await self._write_undecodable(channel)
                continue
            if not self.options.finish_on_next_receive:
                self._inbox.mailboxes.finish(channel)
            self.counters.received += 1
            return message

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Send a message; one to a process that is gone is dropped and counted.

        :raises TypeError: a bad channel name, or a message that cannot travel
        :raises ChannelFull: there is no room for it
        :raises MessageTooLarge: more than `max_message_bytes`
        :raises RedisError: Redis is not reachable
        """
        if not await self.send_if_alive(channel, message):
            self.counters.drop(reason="no_process")

    async def send_if_alive(self, channel: str, message: dict[str, Any]) -> bool:
        """Send as `send` does, and say whether the channel's process lives."""
        names.check_channel(channel)
        payload = self._payloads.encode(message)
        if self._is_here(channel):
            self._sender.put_here(channel, payload)
            return True
        return await self._sender.send_away(await self._reachable(), channel, payload)

    async def group_add(self, group: str, channel: str) -> None:
        """Add a channel to a group for `group_expiry` seconds.

        The channel may be of any process: the one that made it has joined when this returns.

        :raises TypeError: a bad name
        :raises ChannelFull: the channel is of another process, whose inbox is full
        :raises RedisError: Redis is not reachable; the membership is told to it later
        """
        names.check_group(group)
        names.check_channel(channel)
        resources = await self._reachable()
        if self._is_here(channel):
            resources.inbox_wanted.set()
            await self._groups.add(group, channel, connections=resources.connections)
        elif names.is_process_specific(channel):
            await self._sender.notes.ask(resources, "join", group=group, channel=channel)
        else:
            await self._groups.add_member(
                group, foreign_member(channel), connections=resources.connections
            )

    async def group_discard(self, group: str, channel: str) -> None:
        """Take a channel, of any process, out of a group; it may not be in it.

        :raises TypeError: a bad name
        :raises ChannelFull: the channel is of another process, whose inbox is full
        :raises RedisError: Redis is not reachable
        """
        names.check_group(group)
        names.check_channel(channel)
        resources = self._resources()
        connections = resources.connections
        if self._is_here(channel):
            await self._groups.discard(group, channel, connections=connections)
        elif names.is_process_specific(channel):
            await self._sender.notes.ask(resources, "leave", group=group, channel=channel)
        else:
            await self._groups.discard_member(
                group, foreign_member(channel), connections=connections
            )

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send a message to every channel of a group; full ones miss it.

        :raises RedisError: Redis is not reachable; channels of this process got the message
        """
        names.check_group(group)
        payload = self._payloads.encode(message)
        self._begin_anew_if_forked()
        here, full = self._sender.put_group_here(group, payload)
        try:
            resources = await self._reachable()
            away, away_full = await self._sender.send_group_away(resources, group, payload)
        except BaseException:
            self._sender.note_full_members(group, full=full, members=here)
            raise
        self._sender.note_full_members(group, full=full + away_full, members=here + away)

    async def flush(self) -> None:
        """Forget every message, group and dead letter of this prefix, in every process."""
        resources = self._resources()
        self._inbox.forget_all()
        self._groups.clear()
        for key in await resources.connections.list_keys(self._keys.pattern()):
            entity = self._keys.find_process(key)
            if entity is None or entity == self._process.entity:
                await resources.connections.command("UNLINK", key)
            elif key == self._keys.stream(entity):
                await resources.connections.run(
                    _EMPTY_INBOX,
                    keys=[key, self._keys.presence(entity)],
                    args=[GROUP, FLUSH_TARGET, int(self.options.dlq_ttl_s * 1000)],
                )
        if self._presence.is_registered:
            await self._inbox.beat(connections=resources.connections)

    # Beyond the specification.

    async def close(self) -> None:
        """Stop in order: leave groups, end the presence, wake whoever waits with LayerClosed.

        The layer begins anew, as another process would, when it is used again.
        """
        if self._is_closed:
            return
        self._begin_anew_if_forked()
        resources = self._resources()
        try:
            await self._inbox.acknowledge_once(connections=resources.connections)
            if self._presence.is_registered:
                await self._presence.retire(connections=resources.connections)
        except REDIS_TROUBLE:
            _log.warning("redis not reachable while closing; peers will take over")
        self._is_closed = True
        await self._loops.close_all()
        # Last, for a loop may end when nobody waits in it any more.
        self._inbox.mailboxes.close()

    async def close_pools(self) -> None:
        """Close what the running loop uses of Redis; the layer can be used again."""
        await self._loops.close_current()

    def set_orphan_handler(self, handler: OrphanHandler | None) -> None:
        """Let `handler` say where messages of a dead process should go; see docs."""
        self._takeover.orphan_handler = handler

    async def give_up(self, channel: str) -> None:
        """Make a dead letter of the message received last: whoever received it cannot read it (T8).

        A message that never left this process is dropped. For `!` channels `finish_on_next_receive`
        is needed: else what was received is gone.

        :raises RuntimeError: the channel is a `!` channel and the layer was not told so
        :raises RedisError: Redis is not reachable
        """
        if names.is_process_specific(channel) and not self.options.finish_on_next_receive:
            raise RuntimeError('give_up needs "finish_on_next_receive": True in CONFIG')
        await self._write_undecodable(channel)

    async def _write_undecodable(self, channel: str) -> None:
        if not names.is_process_specific(channel):
            await self._reader(channel).write_last()
        elif (entry_id := self._inbox.mailboxes.give_up_taken(channel)) is not None:
            connections = self._resources().connections
            await self._inbox.write_undecodable(entry_id, connections=connections)

    async def measure_inbox(self) -> InboxStanding:
        """Ask Redis how this process's inbox stands.

        :raises RedisError: Redis is not reachable
        """
        return await measure(
            keys=self._keys,
            entity=self._process.entity,
            connections=self._resources().connections,
        )

    @property
    def is_consuming(self) -> bool:
        """Whether the inbox is surely ours and being read: readiness for a health check."""
        self._begin_anew_if_forked()
        return self._presence.holds_lease and not self._presence.is_in_doubt

    async def register(self) -> None:
        """Write the presence now, as a server does before it accepts its first socket.

        :raises RedisError: Redis is not reachable
        """
        resources = self._resources()
        resources.inbox_wanted.set()
        await self._inbox.beat(connections=resources.connections)

    # How it works inside.

    def _resources(self) -> LoopResources:
        self._begin_anew_if_forked()
        if self._is_closed:
            # A closed inbox has been given up.
            self._assemble()
        return self._loops.current()

    def _begin_anew_if_forked(self) -> None:
        """Be another process: a forked child must not read its parent's inbox."""
        if self._pid != os.getpid():
            self._inherited.append(self._loops)
            self._assemble()

    async def _introduce(self, resources: LoopResources) -> None:
        """Tell Redis of this process, so that whoever hears a channel's name can send to it."""
        self._was_introduced = True
        try:
            await self._inbox.beat(connections=resources.connections)
        except REDIS_TROUBLE:
            _log.debug("redis is told of this process later", exc_info=True)

    def _is_here(self, channel: str) -> bool:
        self._begin_anew_if_forked()
        return not self._is_closed and self._sender.is_here(channel)

    async def _reachable(self) -> LoopResources:
        """Make sure that whoever learns one of our channels from us can answer to it."""
        resources = self._resources()
        if not self._presence.is_registered and len(self._inbox.mailboxes):
            await self._inbox.beat(connections=resources.connections)
        return resources

    def _list_steps(self, resources: LoopResources) -> list[Step]:
        return list_steps(
            resources,
            options=self.options,
            inbox=self._inbox,
            presence=self._presence,
            takeover=self._takeover,
        )

    def _reader(self, channel: str) -> WorkReader:
        resources = self._resources()
        reader = resources.readers.get(channel)
        if reader is None:
            reader = resources.readers[channel] = WorkReader(
                channel=channel,
                process=self._process,
                presence=self._presence,
                connections=resources.connections,
            )
            resources.inbox_wanted.set()
        return reader
