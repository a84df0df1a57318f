"""How a node spells languages: what it declared, and what it is told in its own words."""

import re
from collections.abc import Iterator

import msgspec

from nodes import messages
from nodes.job_frames import AssignJob, OpenJob
from scheduling.model.languages import AUTO, is_readable, is_same, normalize
from sockets.wire import encode_text

_decode = msgspec.json.Decoder(AssignJob | OpenJob).decode
_MOST_REMEMBERED = 1_024
_BOTH = 2
# Assignments begin so; tags are checked where they come in, so none has a quote in it.
_BEGINNING = re.compile(r'"src_lang":"([^"\\]*)","tgt_lang":"([^"\\]*)"')
_BEGINNING_CHARS = 400
# The two languages of a conversation stand behind the audio, with little behind them.
_PAIR = re.compile(r'"lang_a":"([^"\\]*)"(?:,"lang_b":"([^"\\]*)")?')
_END_CHARS = 8_192


class NodeSpelling:
    """One node's words for languages.

    A tag becomes the node's own, for a program that knows ``en`` need not know ``eng``. It is left
    as its speaker spelled it where the node has the same word for more: ``zh-CN`` where it has
    ``zh``.
    """

    def __init__(self, declared: messages.LanguageCapabilities | None) -> None:
        self.declared = declared
        tags = [tag for _, tag in list_tags(declared) if is_readable(tag)]
        self._tags = {normalize(tag): tag for tag in reversed(tags)}
        self._spelled: dict[str, str] = {}

    def spell(self, tag: str) -> str:
        """Return the word for a language that this node is told."""
        spelled = self._spelled.get(tag)
        if spelled is None:
            if len(self._spelled) >= _MOST_REMEMBERED:
                self._spelled.clear()
            spelled = self._spelled[tag] = self._choose(tag)
        return spelled

    def spell_frame(self, frame: str) -> str:
        """Return an assignment in this node's words; nearly always the very one that came."""
        said = _BEGINNING.search(frame, 0, _BEGINNING_CHARS)
        if said is None:
            return frame
        tags = [tag for tag in said.groups() if tag != AUTO]
        if len(tags) < _BOTH and (pair := _PAIR.search(frame, max(0, len(frame) - _END_CHARS))):
            tags += [tag for tag in pair.groups() if tag]
        if all(self.spell(tag) == tag for tag in tags):
            return frame
        job = _decode(frame)
        return encode_text(
            msgspec.structs.replace(
                job,
                src_lang=self.spell(job.src_lang),
                tgt_lang=self.spell(job.tgt_lang),
                lang_a=job.lang_a and self.spell(job.lang_a),
                lang_b=job.lang_b and self.spell(job.lang_b),
                auto_langs=job.auto_langs and tuple(map(self.spell, job.auto_langs)),
            )
        )

    def _choose(self, tag: str) -> str:
        key = normalize(tag)
        if key == AUTO:
            return tag
        exact = self._tags.get(key)
        if exact is not None:
            return exact
        same = [own for own in self._tags if is_same(own, key)]
        if any("-" not in own and _word(self._tags[own]) == _word(tag) for own in same):
            return tag
        return self._tags[same[0]] if same else tag


def list_tags(declared: messages.LanguageCapabilities | None) -> Iterator[tuple[str, str]]:
    """List every tag a node declares, with its field."""
    if declared is None:
        return
    for field in ("asr_languages", "tts_languages", "semantic_languages"):
        yield from ((field, tag) for tag in getattr(declared, field) or ())
    for model in declared.nmt_capabilities or ():
        yield from (("nmt_capabilities", tag) for tag in model.languages or ())
        for pair in (*(model.supported_pairs or ()), *(model.blocked_pairs or ())):
            yield from (("nmt_capabilities", tag) for tag in (pair.src, pair.tgt))
    for pair in declared.supported_language_pairs or ():
        yield from (("supported_language_pairs", tag) for tag in (pair.src, pair.tgt))


def list_unreadable(declared: messages.LanguageCapabilities | None) -> list[tuple[str, str]]:
    """List what a node declares that is no language tag, each once, with its field."""
    return list(dict.fromkeys(one for one in list_tags(declared) if not is_readable(one[1])))


def _word(tag: str) -> str:
    """Return a tag's word for its language, without script and region."""
    return re.split("[-_]", tag.strip().lower(), maxsplit=1)[0]


UNKNOWN_SPELLING = NodeSpelling(None)
"""Of a node whose words this process has not heard: it is told what its speakers say."""
