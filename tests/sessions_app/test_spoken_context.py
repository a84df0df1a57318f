"""What was said before in a session goes along with what is said next."""

import pytest

from sessions_app.requests import request_from_utterance
from sessions_app.spoken_context import SpokenContext
from tests.sessions_app.test_requests import PROFILE, utterance

pytestmark = pytest.mark.req("SP13")
ASKED = request_from_utterance(PROFILE, utterance())


def test_context_keeps_its_last_800_characters() -> None:
    context = SpokenContext(glossary=(), keeps_said=True)
    for index, letter in enumerate("ab"):
        context.note_said(letter * 500, utterance_index=index)

    assert context.add_to(ASKED).assignment.context_text == "a" * 299 + " " + "b" * 500


def test_an_utterance_in_several_languages_was_said_once() -> None:
    context = SpokenContext(glossary=(), keeps_said=True)
    context.note_said("one", utterance_index=0)
    context.note_said("one", utterance_index=0)

    assert context.add_to(ASKED).assignment.context_text == "one"


def test_a_request_is_as_it_was_where_nothing_is_to_be_known() -> None:
    context = SpokenContext(glossary=(), keeps_said=False)
    context.note_said("one", utterance_index=0)

    assert context.add_to(ASKED) is ASKED
