"""The words of a probe, however a node writes them (ND10)."""

import pytest

from scheduling.model import ids
from scheduling.model.probes import Probe


@pytest.mark.req("ND10")
@pytest.mark.parametrize(
    ("language", "words", "text"),
    [
        ("en", ("go", "forward"), "Go FORWARD, 10 metres."),
        ("en", ("ten meters",), "go forward: ten... Meters"),
        ("de", ("straße",), "Die STRASSE!"),
        ("fr", ("l'hôpital",), "Où est L'HÔPITAL, Madame ?"),
        ("zh", ("医院", "最近"), "最近的医院在哪里。"),
        ("ja", ("東京 駅",), "東京駅まで。"),
        ("hi", ("नमस्ते",), "नमस्ते, दुनिया"),
    ],
)
def test_words_are_heard_however_they_are_written(
    language: str, words: tuple[str, ...], text: str
) -> None:
    assert Probe(language=language, words=words, audio=b"", sample_rate=16_000).is_heard_in(text)


@pytest.mark.req("ND10")
@pytest.mark.parametrize(
    ("language", "words", "text"),
    [
        ("en", ("go", "forward"), ""),
        ("en", ("go", "forward"), "go"),
        ("en", ("go",), "gopher"),
        ("zh", ("医院",), "医生"),
    ],
)
def test_other_words_are_not_those_of_the_probe(
    language: str, words: tuple[str, ...], text: str
) -> None:
    probe = Probe(language=language, words=words, audio=b"", sample_rate=16_000)
    assert not probe.is_heard_in(text)


@pytest.mark.req("ND10")
def test_a_probe_is_told_from_a_speaker_by_the_id_of_its_session_alone() -> None:
    probed = ids.new_probe_session_id()

    assert ids.is_session_id(probed)
    assert ids.is_probe(probed)
    assert ids.find_session_id(ids.new_job_id(probed)) == probed
    assert not any(ids.is_probe(ids.new_session_id()) for _ in range(20_000))
