"""One listener: in one room and one language at a time, and caught up before it hears on."""

from collections.abc import Sequence

from scheduling.model import ids
from scheduling.model.rooms import Caption
from sessions_app.language_choice import LanguageChoice
from sessions_app.listening.caption_queue import CaptionQueue
from sessions_app.listening.messages import Listening
from sessions_app.listening.shown_captions import ShownCaption

# Before the first caption of a room.
NO_CAPTION = (0, 0)
# Two numbers of 64 bits; nothing comes after the last.
_LONGEST_ID = 41
_LAST_NUMBER = 2**64 - 1
# What is said while a listener is told of the last minutes; beyond, the oldest are left out.
_MOST_HELD = 64


class Listener:
    """Takes captions for one queue; what is new waits until what was said before is told."""

    __slots__ = ("_held", "_last", "chosen", "listener_id", "queue", "room_code")

    def __init__(self, queue: CaptionQueue) -> None:
        self.queue = queue
        self.listener_id = ids.new_call_id()
        self.room_code = ""
        self.chosen = LanguageChoice("")
        self._held: list[ShownCaption] | None = None
        self._last = NO_CAPTION

    @property
    def lang(self) -> str:
        return self.chosen.lang

    def move(self, *, room_code: str, lang: str) -> None:
        """Be in a room and a language from now on; nothing is told before `catch_up`."""
        if room_code == self.room_code:
            self.chosen.choose(lang)
        else:
            self.chosen = LanguageChoice(lang)
        self.room_code = room_code
        self._held = []

    def catch_up(self, said: Sequence[Caption], *, after: str = "") -> None:
        """Tell that it listens, what was said before, and what came meanwhile."""
        held, self._held = self._held or [], None
        self._last = NO_CAPTION
        had = read_caption_id(after)
        self.queue.tell(Listening(room_code=self.room_code, lang=self.lang))
        for shown in [*map(ShownCaption, said), *held]:
            if not shown.caption.caption_id or read_caption_id(shown.caption.caption_id) > had:
                self.show(shown)

    def show(self, shown: ShownCaption) -> None:
        """Tell of a caption, once; one without an id may still change, and is told as it is."""
        if self._held is not None:
            self._held.append(shown)
            del self._held[:-_MOST_HELD]
            return
        if shown.caption.caption_id:
            number = read_caption_id(shown.caption.caption_id)
            if number <= self._last:
                return
            self._last = number
        self.queue.show(shown)


def read_caption_id(text: str) -> tuple[int, int]:
    """Return a caption's place in its room's stream; of what is none, the beginning."""
    ms, _, number = text.partition("-")
    is_one = ms.isascii() and ms.isdigit() and number.isascii() and number.isdigit()
    if not is_one or len(text) > _LONGEST_ID:
        return NO_CAPTION
    place = int(ms), int(number)
    return place if max(place) < _LAST_NUMBER else NO_CAPTION
