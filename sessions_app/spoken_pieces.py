"""What was said of utterances, kept for the nodes that hear them; one process keeps so much."""


class StreamShare:
    """How much one process keeps of what is being said."""

    __slots__ = ("_most_bytes", "held_bytes")

    def __init__(self, *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.held_bytes = 0

    @property
    def is_full(self) -> bool:
        """Say whether an utterance that begins now is to go whole."""
        return self.held_bytes >= self._most_bytes


class SpokenPieces:
    """One utterance as base64, piece by piece, kept once however many nodes hear it.

    Whoever may still send it `hold`s it; when the last lets go, it is freed.
    """

    __slots__ = ("_holders", "_room", "pieces")

    def __init__(self, room: StreamShare) -> None:
        self._room = room
        self._holders = 0
        self.pieces: list[str] = []

    def add(self, piece: str) -> None:
        """Keep what was said next, where anybody still sends it."""
        if self._holders:
            self.pieces.append(piece)
            self._room.held_bytes += len(piece)

    def hold(self) -> None:
        """Keep it for one more."""
        self._holders += 1

    def let_go(self) -> None:
        """One who held it needs it no more."""
        self._holders -= 1
        if not self._holders:
            self._room.held_bytes -= sum(map(len, self.pieces))
            self.pieces = []
