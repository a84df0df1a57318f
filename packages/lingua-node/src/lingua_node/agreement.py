"""What of a growing text can be relied on, and where it can be cut. Pure: no clock, no I/O.

A recognizer revises its last words each time it hears more. Words on which two guesses in a row
agree are committed, and stay so whatever comes after; the others are the tail.
"""

import itertools
import re

_EDGES = re.compile(r"^\W+|\W+$")
_ENDS_SENTENCE = (".", "?", "!", "…")
_ENDS_CLAUSE = (",", ";", ":")
_SHORTEST_CLAUSE = 4  # words before a comma: shorter ones are translated better with what follows
_LONGEST_CLAUSE = 16  # words: without any mark a clause ends here, so that listeners need not wait


class Agreement:
    """The words of one utterance, committed and not."""

    def __init__(self) -> None:
        self.committed: list[str] = []  # only grows
        self.tail: list[str] = []
        self._last: list[str] = []

    def revise(self, guess: str, *, sure: str = "") -> None:
        """Take the next guess at everything said so far; what of it is sure is its beginning.

        The last word of a guess is not committed: more sound may make it another one, and the
        mark behind it is the recognizer's guess that a sentence ends. What is sure, is at once.
        """
        words = guess.split()
        agreed = min(_count_same(self._last, words), len(words) - 1)
        agreed = max(agreed, len(sure.split()))
        done = len(self.committed)
        self.committed.extend(words[done:agreed])
        self.tail = words[len(self.committed) :]
        self._last = words

    def end(self, guess: str) -> None:
        """Take the last guess: nothing more is said, so all of it is committed."""
        self.committed.extend(guess.split()[len(self.committed) :])
        self.tail = []


def split_clauses(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the clauses that are complete, and the words of the one that is not."""
    clauses: list[str] = []
    rest: list[str] = []
    for word in words:
        rest.append(word)
        if _is_whole(rest):
            clauses.append(" ".join(rest))
            rest = []
    return clauses, rest


def _is_whole(words: list[str]) -> bool:
    last = words[-1]
    return (
        last.endswith(_ENDS_SENTENCE)
        or (last.endswith(_ENDS_CLAUSE) and len(words) >= _SHORTEST_CLAUSE)
        or len(words) >= _LONGEST_CLAUSE
    )


def _count_same(before: list[str], after: list[str]) -> int:
    """Count the words at the beginning that are the same but for case and marks."""
    pairs = zip(before, after, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: _bare(pair[0]) == _bare(pair[1]), pairs))


def _bare(word: str) -> str:
    return _EDGES.sub("", word).casefold()
