"""Captions on their way to one listener: where it reads too slowly the oldest are left out."""

from sessions_app.listening.messages import Behind, ToListener
from sessions_app.listening.shown_captions import ShownCaption, write_event
from sockets.outbound import Outbound
from sockets.wire import ErrorFrame, encode_text

_NORMAL = 1000


def _wrote_caption() -> None:
    """Mark a queued frame as a caption."""


class _Gap:
    """Marks a queued frame as the word that captions are missing, and says how many."""

    __slots__ = ("captions",)

    def __init__(self, *, captions: int) -> None:
        self.captions = captions

    def __call__(self) -> None:
        """It was told."""


class CaptionQueue(Outbound):
    """An outbound that has room for every new caption, and says how many old ones that cost."""

    __slots__ = ()

    def show(self, shown: ShownCaption) -> None:
        """Queue a caption; the oldest that waits gives way where there is no room.

        A part of one is for who keeps up: the others get the whole of it.
        """
        if self._bytes and not shown.caption.is_final:
            return
        text = self.spell_caption(shown)
        while not self.enqueue(text, on_written=_wrote_caption):
            if self.closed or self._closing is not None or not self._leave_one_out():
                return

    def tell(self, message: ToListener | ErrorFrame) -> bool:
        """Queue a message as this listener takes it; False when it is gone or far behind."""
        return self.enqueue(self.spell(message))

    def spell(self, message: ToListener | ErrorFrame) -> str:
        """Return a message as this listener takes it."""
        return encode_text(message)

    def spell_caption(self, shown: ShownCaption) -> str:
        """Return a caption as this listener takes it."""
        return shown.frame

    def room_is_over(self) -> None:
        """Nothing more comes; whoever listens on a socket may choose another room."""

    def _leave_one_out(self) -> bool:
        """Leave the oldest caption out, with a word of it in its place; False where none waits."""
        waiting = (at for at, (_, mark) in enumerate(self._frames) if mark is _wrote_caption)
        place = next(waiting, None)
        if place is None:
            return False
        self._bytes -= len(self._frames[place][0])
        gap = _Gap(captions=1)
        before, known = self._frames[place - 1] if place else ("", None)
        if isinstance(known, _Gap):
            gap.captions += known.captions
            del self._frames[place]
            place -= 1
            self._bytes -= len(before)
        told = self.spell(Behind(captions=gap.captions))
        self._frames[place] = (told, gap)
        self._bytes += len(told)
        return True


class EventQueue(CaptionQueue):
    """The same for who listens by server-sent events."""

    __slots__ = ()

    def spell(self, message: ToListener | ErrorFrame) -> str:
        return write_event(message)

    def spell_caption(self, shown: ShownCaption) -> str:
        return shown.event

    def room_is_over(self) -> None:
        self.close(_NORMAL, "the room is over")
