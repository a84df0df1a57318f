"""The language somebody listens in, and those before: what was said then is still heard."""

from scheduling.model import clock
from scheduling.model.languages import normalize
from scheduling.model.rooms import Caption

# Utterances are over by then; so many changes are remembered.
_FORMER_MS, _MOST_FORMERS = 120_000, 4


class LanguageChoice:
    """Says which captions of a room somebody is shown: of each utterance those of one language."""

    __slots__ = ("_formers", "lang")

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self._formers: list[tuple[str, int]] = []

    @property
    def was_changed(self) -> bool:
        """Say whether something may be under way in a language of a moment ago."""
        since_ms = clock.now_ms() - _FORMER_MS
        self._formers = [former for former in self._formers if former[1] >= since_ms]
        return bool(self._formers)

    def choose(self, lang: str) -> None:
        """Listen in another language from now on."""
        if lang != self.lang:
            self._formers = [(self.lang, clock.now_ms()), *self._formers][:_MOST_FORMERS]
            self.lang = lang

    def hears(self, caption: Caption) -> bool:
        """Say whether a caption is for it: in its language, else in the last one that has it."""
        lang = normalize(caption.lang)
        if lang == self.lang:
            return True
        if not self._formers or self.lang in caption.langs or not self.was_changed:
            return False
        asked = (former for former, _ in self._formers if former in caption.langs)
        return next(asked, "") == lang
