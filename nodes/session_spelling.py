"""What a node calls the sessions of who speaks to several languages at once (J18, 0174)."""

import re

# Assignments begin so; ids and tags are checked where they come in: none has a quote in it.
_BEGINNING = re.compile(r'"session_id":"([^"\\]*)".{1,120}?"tgt_lang":"([^"\\]*)"', re.DOTALL)
_BEGINNING_CHARS = 500
_MOST_REMEMBERED = 1_024


class SessionSpelling:
    """One node's names for sessions.

    A node that knows an utterance by its session and its number refuses a second language of one,
    and a number below the last. So each further language of a session is one of its own there. Its
    first keeps the name that it has everywhere.
    """

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def rename(self, frame: str) -> str:
        """Return an assignment as this node is to have it; nearly always the very one that came."""
        begins = _BEGINNING.search(frame, 0, _BEGINNING_CHARS)
        if begins is None:
            return frame
        session_id, lang = begins.groups()
        first = self._first.setdefault(session_id, lang)
        if len(self._first) > _MOST_REMEMBERED:
            del self._first[next(iter(self._first))]
        if lang == first:
            return frame
        return f"{frame[: begins.end(1)]}.{lang}{frame[begins.end(1) :]}"
