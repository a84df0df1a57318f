"""Probes: a clip, and the words that a node must hear in it (ND10)."""

import dataclasses
import unicodedata

import msgspec

from scheduling.model.languages import is_same

_WITHOUT_SPACES = ("zh", "ja", "th", "lo", "km", "my", "bo", "dz")


class Probe(msgspec.Struct, frozen=True):
    """What one language's nodes are tried with: speech as PCM, 16 bits, one channel."""

    language: str
    words: tuple[str, ...]
    audio: bytes
    sample_rate: int

    def is_heard_in(self, text: str) -> bool:
        """Say whether a text has all the words, however they are written.

        Words of languages that are written without spaces may stand anywhere in it.
        """
        heard = read_words(text)
        if any(is_same(self.language, one) for one in _WITHOUT_SPACES):
            together = "".join(heard)
            return all("".join(read_words(word)) in together for word in self.words)
        return all(set(read_words(word)) <= set(heard) for word in self.words)


def read_words(text: str) -> list[str]:
    """Return the words of a text without case and punctuation; combining marks stay."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    kept = (" " if unicodedata.category(one)[0] in "PZSC" else one for one in plain)
    return "".join(kept).split()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRules:
    """How often a node is probed, with 0 `interval_s` never; how long after a failure again."""

    interval_s: float = 300.0
    again_s: float = 1.0
