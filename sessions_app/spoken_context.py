"""What was said before in a session, and which words matter in it (SP13)."""

import msgspec

from scheduling.model.jobs import Request

_MOST_CHARS = 800


class SpokenContext:
    """One session's; what it has goes along with every utterance from then on.

    What was said is kept, its last 800 characters, only where the session asks for that.
    """

    __slots__ = ("_keeps_said", "_last_index", "_said", "glossary")

    def __init__(self, *, glossary: tuple[str, ...], keeps_said: bool) -> None:
        self.glossary = glossary
        self._keeps_said = keeps_said
        self._said = ""
        self._last_index = -1

    def note_said(self, text: str, *, utterance_index: int) -> None:
        """Note what was recognised, in the order results leave; each utterance once."""
        if self._keeps_said and text and utterance_index != self._last_index:
            self._last_index = utterance_index
            self._said = f"{self._said} {text}".strip()[-_MOST_CHARS:]

    def add_to(self, request: Request) -> Request:
        """Return a request that takes along what its node may know."""
        if not (self.glossary or self._said):
            return request
        assignment = msgspec.structs.replace(
            request.assignment,
            context_text=self._said or None,
            glossary=self.glossary or None,
        )
        return msgspec.structs.replace(request, assignment=assignment)
