"""A small semantic repair of recognized text: repeated words, casing, final punctuation."""

import re


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_QUESTION_WORDS = {
    "en": _words(
        "who what when where why how which whose do does did is are was were can could will would"
        " shall should have has may"
    ),
    "es": _words("quién qué cuándo dónde cómo cuál cuánto"),
}
_ALONE = re.compile(r"\bi(?='|\b)")
# Words that are said twice on purpose; anything else said twice in a row is a stutter.
_DOUBLES = _words(
    "very really no yes bye so had that go ha one two three four five six seven eight nine zero"
    " oh ten hundred muy sí que uno dos tres cuatro cinco seis siete ocho nueve cero diez"
)


def repair(text: str, *, language: str) -> str:
    """Return the text as a sentence; empty text stays empty."""
    words = _without_stutter(text.split())
    if not words:
        return ""
    sentence = " ".join(words)
    if language == "en":
        sentence = _ALONE.sub("I", sentence)
    sentence = sentence[0].upper() + sentence[1:]
    if sentence[-1] in ".!?…":
        return sentence
    if words[0].lower() in _QUESTION_WORDS.get(language, frozenset()):
        return f"¿{sentence}?" if language == "es" else f"{sentence}?"
    return f"{sentence}."


def _without_stutter(words: list[str]) -> list[str]:
    kept: list[str] = []
    for word in words:
        if kept and kept[-1].lower() == word.lower() and word.lower() not in _DOUBLES:
            continue
        kept.append(word)
    return kept
