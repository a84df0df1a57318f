"""The way to everybody in a room: the group of the instances that somebody of it is at."""

from typing import Protocol

from scheduling.model import instance_messages
from scheduling.model.instance_messages import ForRoom
from scheduling.model.rooms import ToRoom


class GroupTransport(Protocol):
    """What brings envelopes to groups of inboxes: a channel layer."""

    async def enter_group(self, group: str) -> None:
        """Let this instance's inbox get what the group is sent."""

    async def leave_group(self, group: str) -> None:
        """Take this instance's inbox out of a group."""

    async def send_to_group(self, group: str, body: bytes) -> None:
        """Send to every inbox of a group."""


class RemoteRooms:
    """One group a room: each instance is told once, however many of the room are there."""

    def __init__(self, *, transport: GroupTransport) -> None:
        self._transport = transport

    async def enter_room(self, code: str) -> None:
        """Let this instance hear what a room is told."""
        await self._transport.enter_group(_name_group(code))

    async def leave_room(self, code: str) -> None:
        """Nobody of this instance is in the room any more."""
        await self._transport.leave_group(_name_group(code))

    async def to_room(self, code: str, event: ToRoom) -> None:
        """Tell every instance that somebody of the room is at, this one too."""
        body = instance_messages.encode(ForRoom(event=event))
        await self._transport.send_to_group(_name_group(code), body)


def _name_group(code: str) -> str:
    return f"lingua.room.{code}"
