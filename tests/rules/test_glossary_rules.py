"""Public classes use the words of the glossary, and a private word is seen."""

from pathlib import Path

import pytest

from tests.rules.glossary_rules import (
    EXEMPT_FOLDERS,
    classes_use_the_words_of_the_glossary,
    find_head_word,
    read_words,
)

ROOT = Path(__file__).parents[2]
_GLOSSARY = (
    "| Word | Meaning |\n|---|---|\n| wait queue | a line |\n| place, placement | choose |\n"
)
_REFUSAL = "class NobodyFree(Refusal): ..."


def _plant(root: Path, text: str, *, name: str = "nodes/planted.py") -> list[str]:
    for path, content in ((root / "docs/glossary.md", _GLOSSARY), (root / name, text)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return list(classes_use_the_words_of_the_glossary(root))


@pytest.mark.req("R7")
def test_every_public_class_uses_a_word_of_the_glossary() -> None:
    assert list(classes_use_the_words_of_the_glossary(ROOT)) == []


@pytest.mark.parametrize("text", ["class NodeHerald: ...", "class Letters(Struct): ..."])
def test_a_class_with_a_private_word_is_found(text: str, tmp_path: Path) -> None:
    (fault,) = _plant(tmp_path, text)

    assert fault.startswith("nodes/planted.py:1 ")
    assert "docs/glossary.md has no word" in fault


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("class WaitQueues: ...\nclass Placement: ...", "nodes/a.py"),
        ("class _Herald: ...", "nodes/a.py"),
        ("class JobSettled(Struct): ...", "nodes/a.py"),
        (_REFUSAL, "nodes/a.py"),
        ("class Herald(Message): ...", "nodes/messages.py"),
        ("class HeraldView(APIView): ...", "operators/api/heralds.py"),
    ],
    ids=["known", "private", "an event", "a refusal", "a message", "a view"],
)
def test_known_words_and_kinds_with_a_grammar_of_their_own_are_no_fault(
    text: str, name: str, tmp_path: Path
) -> None:
    assert _plant(tmp_path, text, name=name) == []


@pytest.mark.parametrize(
    ("class_name", "word"),
    [("PoolPolicies", "policy"), ("Switches", "switch"), ("EmbeddedRedis", "redis"), ("X", "x")],
)
def test_the_head_word_is_the_last_one_in_the_singular(class_name: str, word: str) -> None:
    assert find_head_word(class_name, {"policy", "switch", "redis"}) == word


def test_the_glossary_defines_no_word_twice() -> None:
    lines = (ROOT / "docs/glossary.md").read_text().splitlines()
    cells = [line.split("|")[1].strip() for line in lines if line.startswith("| ")]
    words = [word for cell in cells for word in cell.split(", ") if word != "Word"]

    assert sorted(word for word in set(words) if words.count(word) > 1) == []
    assert set(words) <= read_words(ROOT)


def test_folders_without_the_rule_exist() -> None:
    assert all((ROOT / folder).is_dir() for folder in EXEMPT_FOLDERS)
