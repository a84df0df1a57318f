"""Where a message goes: a mailbox here, another process' inbox, a work queue, a group of these."""

import asyncio
import logging
from collections.abc import Callable

from channels.exceptions import ChannelFull

from channels_streams import names
from channels_streams.clock import now_ms
from channels_streams.groups import Groups
from channels_streams.inbox import GROUP_TARGET, ProcessInbox
from channels_streams.keys import process_entity, work_entity
from channels_streams.loops import LoopResources
from channels_streams.mailboxes import QueuedMessage, SharedMessage
from channels_streams.membership_notes import MembershipRequests
from channels_streams.process import Process
from channels_streams.stream_writer import StreamWriter

_CHANNEL = "channel:"
_log = logging.getLogger("channels_streams")


class Sender:
    """Routes payloads; what stays in this process never meets Redis."""

    def __init__(
        self,
        *,
        process: Process,
        groups: Groups,
        inbox: ProcessInbox,
        capacity_of: Callable[[str], int],
    ) -> None:
        self._process = process
        self._groups = groups
        self._inbox = inbox
        self._stream_writer = StreamWriter(process=process, capacity_of=capacity_of)
        self.notes = MembershipRequests(process=process, stream_writer=self._stream_writer)

    def is_here(self, channel: str) -> bool:
        """Say whether this process receives on the channel."""
        return names.find_owner(channel) == self._process.iid

    def put_here(self, channel: str, payload: bytes) -> None:
        """Put a payload into a mailbox of this process.

        :raises ChannelFull: there is no room
        """
        self._put(channel, self._address(payload))

    async def send_away(self, resources: LoopResources, channel: str, payload: bytes) -> bool:
        """Send to a channel that is not of this process; whether its process lives.

        :raises ChannelFull: there is no room
        :raises RedisError: Redis is not reachable
        """
        if not names.is_process_specific(channel):
            return await self._stream_writer.to_queue(resources, channel, payload)
        iid = names.find_owner(channel)
        return await self._stream_writer.to_process(resources, iid, target=channel, payload=payload)

    def put_group_here(self, group: str, payload: bytes) -> tuple[int, int]:
        """Put a payload into this process' mailboxes of a group: how many, how many were full."""
        channels, full = self._groups.list_channels(group), 0
        message = self._address(payload)
        for channel in channels:
            try:
                self._put(channel, message)
            except ChannelFull:
                full += 1
        return len(channels), full

    async def send_group_away(
        self, resources: LoopResources, group: str, payload: bytes
    ) -> tuple[int, int]:
        """Send to the members of a group beyond this process: how many, how many were full.

        :raises RedisError: some could not be reached; the others were
        """
        connections = resources.connections
        everybody = await self._groups.list_all(group, connections=connections)
        members = [member for member in everybody if member != self._process.entity]
        outcomes = await asyncio.gather(
            *(self._send_to_member(resources, group, member, payload) for member in members),
            return_exceptions=True,
        )
        full, trouble = 0, None
        for member, outcome in zip(members, outcomes, strict=True):
            if outcome is False:
                self._process.counters.drop(reason="no_process")
                await self._groups.discard_member(group, member, connections=connections)
            elif isinstance(outcome, ChannelFull):
                full += 1
            elif isinstance(outcome, BaseException):
                trouble = outcome
        if trouble is not None:
            raise trouble
        return len(members), full

    def note_full_members(self, group: str, *, full: int, members: int) -> None:
        """Count and log members that missed a message for want of room."""
        if full:
            self._process.counters.drop(reason="group_member_full", count=full)
            _log.info("%d of %d channels over capacity in group %s", full, members, group)

    async def send_once(
        self, resources: LoopResources, *, target: str, payload: bytes, token: str
    ) -> bool:
        """Send a dead letter's payload again, once per token: to a channel, or to a group."""
        entities = [work_entity(target)]
        if target.startswith(GROUP_TARGET):
            entities = await self._groups.list_all(
                target.removeprefix(GROUP_TARGET), connections=resources.connections
            )
            entities = [each for each in entities if not each.startswith(_CHANNEL)]
        elif names.is_process_specific(target):
            entities = [process_entity(names.find_owner(target))]
        reached = [
            await self._stream_writer.send_once(
                resources.connections, entity=entity, parcel=(target, payload), token=token
            )
            for entity in entities
        ]
        return any(reached)

    def _address(self, payload: bytes) -> QueuedMessage:
        expires_at_ms = now_ms() + self._process.options.expiry_ms
        return QueuedMessage(body=SharedMessage(payload), expires_at_ms=expires_at_ms)

    def _put(self, channel: str, message: QueuedMessage) -> None:
        if not self._inbox.mailboxes.put(channel, message):
            raise ChannelFull(f"no room for {channel}")
        self._process.counters.sent += 1

    async def _send_to_member(
        self, resources: LoopResources, group: str, member: str, payload: bytes
    ) -> bool:
        channel = member.removeprefix(_CHANNEL)
        if channel != member:
            if self.is_here(channel):
                self.put_here(channel, payload)
                return True
            return await self.send_away(resources, channel, payload)
        iid = member.partition(":")[2]
        return await self._stream_writer.to_process(
            resources, iid, target=GROUP_TARGET + group, payload=payload
        )


def foreign_member(channel: str) -> str:
    """Name a group member that is one channel of another process, or a normal channel."""
    return _CHANNEL + channel
