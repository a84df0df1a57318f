"""Words that people read and that no catalogue can have: those that are not marked."""

import re

# Names, the same in every language.
_NAMES = frozenset(
    {
        *("Lingua", "OpenAPI", "CPU", "GPU", "SRT", "VTT", "SHA", "English", "Esc", "Prometheus"),
        *("metrics", "Go", "forward", "ten", "meters", "Eight", "of", "spades"),  # a clip's words
    }
)
_TRANSLATED = re.compile(
    r"\{% block bodyclass %\}.*?\{% endblock %\}|"
    r"\{% blocktranslate.*?%\}.*?\{% endblocktranslate %\}|\{%.*?%\}|\{\{.*?\}\}|<!--.*?-->",
    re.DOTALL,
)
_READ_ATTRIBUTE = re.compile(r'\b(?:aria-label|alt|title|placeholder|data-empty)="([^"]*)"')
_TAG = re.compile(r"<[^>]*>")
_WORD = re.compile(r"[A-Za-z][a-z]+|[A-Z]{3,}")
_ENTITY = re.compile(r"&\w+;")
_MARKED = re.compile(r'\bt\("(?:[^"\\]|\\.)*"')
_COMMENT = re.compile(r"^\s*//.*$|(?<=[;{,])\s*// .*$", re.MULTILINE)
_TEXT = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')
# A sentence, or words around something that is filled in.
_SENTENCE = re.compile(r"^[A-Z(][a-z]+.* .*[a-z]|^[A-Z][a-z ]+[.?…]$")
_FILLED = re.compile(r"\$\{[^}]*\}")
_LOOSE = re.compile(r"(?:^|[\s(:])[a-z]{2,} [a-z]{2,}")
_CODE_LIKE = re.compile(r"[#=<>/\[\]]|--|\.[a-z]|prefers-|thead")
_PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}|%%|<[^>]*>|<code>")


def list_placeholders(text: str) -> list[str]:
    """Return what a sentence is filled with, and its tags, in no order."""
    return sorted(_PLACEHOLDER.findall(text))


def find_bare_in_templates(text: str) -> list[str]:
    """Return the words of a template that stand there as they are."""
    bare = _TRANSLATED.sub(" ", text)
    read = [*_READ_ATTRIBUTE.findall(bare), _ENTITY.sub(" ", _TAG.sub(" ", bare))]
    return [word for part in read for word in _WORD.findall(part) if word not in _NAMES]


def find_bare_in_scripts(text: str) -> list[str]:
    """Return the sentences of a script that are not marked to be translated."""
    bare = _MARKED.sub("t(", _COMMENT.sub("", text))
    found = []
    for plain, template in _TEXT.findall(bare):
        said = plain or _FILLED.sub("…", template)
        is_sentence = _SENTENCE.search(said) or (template and _LOOSE.search(said))
        if is_sentence and not _CODE_LIKE.search(said):
            found.append(said)
    return found
