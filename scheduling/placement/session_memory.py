"""What placement remembers of a session: its pool, its last node, the node of its turn (C22)."""

import collections

import msgspec


class SessionNotes(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of it is preference: forgetting it costs nothing but the preference.

    `pool_id` is what served the pair `src`, `tgt` last. `turn_node_id` has the earlier parts of
    turn `turn_id`. Moments are in milliseconds since the epoch.
    """

    pool_id: str = ""
    src: str = ""
    tgt: str = ""
    last_node_id: str = ""
    last_at_ms: int = 0
    turn_id: str = ""
    turn_node_id: str = ""
    turn_until_ms: int = 0

    def pool_for(self, *, src: str, tgt: str) -> str:
        """Return the pool the pair was served from; another pair forgets it (L19)."""
        return self.pool_id if (self.src, self.tgt) == (src, tgt) else ""

    def turn_node(self, turn_id: str | None, *, now_ms: int) -> str:
        """Return the node that has the earlier parts of a turn, ``""`` where none has (L20)."""
        if not turn_id or turn_id != self.turn_id or self.turn_until_ms <= now_ms:
            return ""
        return self.turn_node_id

    def last_node(self, *, now_ms: int, window_ms: int) -> str:
        """Return the node used within the window, ``""`` where there is none (L7)."""
        return self.last_node_id if now_ms - self.last_at_ms <= window_ms else ""


_NOTHING = SessionNotes()


class SessionMemory:
    """The notes of the sessions this process placed jobs for, the longest unused dropped first."""

    def __init__(self, *, most: int = 20_000) -> None:
        self._most = most
        self._notes: collections.OrderedDict[str, SessionNotes] = collections.OrderedDict()

    def recall(self, session_id: str) -> SessionNotes:
        return self._notes.get(session_id, _NOTHING)

    def knows(self, session_id: str) -> bool:
        return session_id in self._notes

    def note(self, session_id: str, notes: SessionNotes) -> None:
        self._notes[session_id] = notes
        self._notes.move_to_end(session_id)
        if len(self._notes) > self._most:
            self._notes.popitem(last=False)
