"""Groups: Redis knows which processes are in a group, each process knows which of its channels."""

import asyncio
from collections.abc import Iterable

from channels_streams.clock import now_ms
from channels_streams.connection import Connections
from channels_streams.process import Process
from channels_streams.scripts import load_script

_JOIN = load_script("join_group")
_LIST = load_script("list_group")
_AT_ONCE = 16


class Groups:
    """Memberships of one process' channels; what Redis forgets is told again from here."""

    def __init__(self, *, process: Process) -> None:
        self._me = process.entity
        self._keys = process.keys
        self._ttl_ms = process.options.group_expiry_s * 1000
        # group -> channel -> when its membership ends, by our clock
        self._members: dict[str, dict[str, float]] = {}
        # group -> until when Redis surely lists this process
        self._listed: dict[str, float] = {}

    def list_channels(self, group: str) -> list[str]:
        """List this process' channels in the group whose membership has not ended."""
        now = now_ms()
        return [c for c, ends_at in self._members.get(group, {}).items() if ends_at > now]

    async def add(self, group: str, channel: str, *, connections: Connections) -> None:
        """Add a channel of this process; Redis is asked only if it may not know the process."""
        ends_at = now_ms() + self._ttl_ms
        self._members.setdefault(group, {})[channel] = ends_at
        if self._listed.get(group, 0.0) - now_ms() < self._ttl_ms / 2:
            await self.reconcile(group, connections=connections)

    async def discard(self, group: str, channel: str, *, connections: Connections) -> None:
        """Take a channel of this process out; the last one takes the process out."""
        members = self._members.get(group)
        if members is None or members.pop(channel, None) is None or members:
            return
        await self.reconcile(group, connections=connections)

    def note(self, group: str, channel: str, *, joins: bool) -> None:
        """Let a channel of this process join or leave; Redis is told by the next `reconcile`."""
        if joins:
            self._members.setdefault(group, {})[channel] = now_ms() + self._ttl_ms
        else:
            self._members.get(group, {}).pop(channel, None)

    async def add_member(self, group: str, member: str, *, connections: Connections) -> None:
        """List a member in Redis: a process, or a channel that is not of this process."""
        await connections.run(
            _JOIN, keys=[self._keys.group(group)], args=[member, int(self._ttl_ms)]
        )

    async def discard_member(self, group: str, member: str, *, connections: Connections) -> None:
        """Take a member out of the list in Redis."""
        await connections.command("ZREM", self._keys.group(group), member)

    async def list_all(self, group: str, *, connections: Connections) -> list[str]:
        """List the members as Redis knows them: "process:<iid>" or "channel:<name>"."""
        _, *members = await connections.run(_LIST, keys=[self._keys.group(group)])
        return [member.decode() for member in members]

    async def assert_all(self, *, connections: Connections) -> None:
        """Tell Redis every group this process is in, as after a restart without data."""
        await self._assert(list(self._members), connections=connections)

    async def assert_some(self, *, count: int, connections: Connections) -> None:
        """Tell Redis the next `count` groups: a master may have lost its data unnoticed."""
        groups = list(self._members)[:count]
        for group in groups:
            # To the end of the order, so that the next call continues behind them.
            if (members := self._members.pop(group, None)) is not None:
                self._members[group] = members
        await self._assert(groups, connections=connections)

    def clear(self) -> None:
        """Forget every membership."""
        self._members.clear()
        self._listed.clear()

    async def leave_all(self, *, connections: Connections) -> None:
        """Take this process out of every group."""
        groups = list(self._members)
        self.clear()
        await self._each(groups, connections=connections)

    async def _assert(self, groups: Iterable[str], *, connections: Connections) -> None:
        for group in groups:
            self._listed.pop(group, None)
        await self._each(groups, connections=connections)

    async def _each(self, groups: Iterable[str], *, connections: Connections) -> None:
        todo = iter(list(groups))

        async def work() -> None:
            for group in todo:
                await self.reconcile(group, connections=connections)

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))

    async def reconcile(self, group: str, *, connections: Connections) -> None:
        """Make Redis agree with what is true here now.

        An add and a discard of the same group may overlap; whoever ends last looks again, so
        the list ends up as the memberships say.
        """
        while True:
            wanted = bool(self._members.get(group))
            started_ms = now_ms()
            if wanted:
                await self.add_member(group, self._me, connections=connections)
                self._listed[group] = started_ms + self._ttl_ms
            else:
                self._members.pop(group, None)
                self._listed.pop(group, None)
                await self.discard_member(group, self._me, connections=connections)
            if wanted == bool(self._members.get(group)):
                return
