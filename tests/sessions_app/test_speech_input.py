"""What a speaker says becomes requests, without a dispatcher, a socket or a server."""

import msgspec

from scheduling.model.metrics import Metrics
from sessions_app import messages
from sessions_app.cuts import SegmentationSettings
from sessions_app.requests import Profile
from sessions_app.speech_input import SpeechInput
from sessions_app.spoken_context import SpokenContext

SESSION = "s-1A2B3C4D"
PROFILE = Profile(src_lang="zh", tgt_lang="en", trace_id="trace-1", tenant_id="tenant-1")
HALF_A_SECOND = b"\1\0" * 8_000


def make_input(metrics: Metrics | None = None, **profile: object) -> SpeechInput:
    return SpeechInput(
        session_id=SESSION,
        profile=msgspec.structs.replace(PROFILE, **profile),
        context=SpokenContext(glossary=(), keeps_said=False),
        segmentation=SegmentationSettings(),
        metrics=metrics or Metrics(),
    )


def make_utterance(index: int) -> messages.Utterance:
    return messages.Utterance(
        session_id=SESSION,
        utterance_index=index,
        manual_cut=True,
        src_lang="zh",
        tgt_lang="en",
        audio="UklGRg==",
        audio_format="pcm16",
        sample_rate=16_000,
    )


def list_indexes(utterances) -> list[int]:
    return [requests[0].assignment.utterance_index for requests in utterances]


def test_an_utterance_is_asked_for_once_it_is_closed_and_not_before() -> None:
    speech = make_input()

    assert speech.hear(audio=HALF_A_SECOND, is_final=False) == []
    assert speech.next_wakeup_at_ms is not None

    [requests] = speech.close()
    [request] = requests
    assert (request.tenant_id, request.assignment.session_id) == ("tenant-1", SESSION)
    assert speech.next_wakeup_at_ms is None
    assert speech.close() == []


def test_an_utterance_is_asked_for_in_every_language_of_its_session() -> None:
    speech = make_input(tgt_langs=("en", "es"))

    requests = speech.take_utterance(make_utterance(0))

    assert [request.assignment.tgt_lang for request in requests] == ["en", "es"]
    assert len({request.assignment.job_id for request in requests}) == 2


def test_a_cut_is_numbered_after_the_utterance_its_client_numbered() -> None:
    speech = make_input()

    speech.take_utterance(make_utterance(7))
    speech.hear(audio=HALF_A_SECOND, is_final=False)

    assert list_indexes(speech.close()) == [8]


def test_a_session_that_moved_goes_on_with_the_numbers_of_its_older_socket() -> None:
    speech = make_input()

    speech.go_on_from(5)
    speech.hear(audio=HALF_A_SECOND, is_final=False)

    assert list_indexes(speech.close()) == [5]
