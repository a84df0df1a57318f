"""The checker finds what was planted: every promise broken once, in a few events."""

import pytest

from tests.chaos.checker import Spans, check
from tests.chaos.records import Lease, NodeDid, NodeEvent, Records, SpeakerDid, SpeakerEvent
from tests.chaos.scene import list_tracebacks
from tests.chaos.words import Grown, Said, Sentence, Words, make_word, read_words

SPANS = Spans(ack_s=3, run_s=6, told_late_s=2)
SESSION = "s-1"


def speaker_saw(*told: tuple[SpeakerDid, int, int, str]) -> Records:
    """Return one speaker's records: what it did, on which socket, of which utterance."""
    return Records(
        speakers=[
            SpeakerEvent(
                at_s=at_s,
                speaker=0,
                socket=socket,
                session_id=SESSION,
                did=did,
                index=index,
                text=text,
            )
            for at_s, (did, socket, index, text) in enumerate(told)
        ]
    )


def nodes_saw(*told: tuple[float, int, NodeDid, str, int], slots: int = 1) -> Records:
    """Return the records of nodes 0 and 1: when, who, what, which job and attempt."""
    return Records(
        slots={0: slots, 1: slots},
        nodes=[
            NodeEvent(at_s=at_s, node=node, did=did, job_id=job_id, attempt=attempt)
            for at_s, node, did, job_id, attempt in told
        ],
    )


def list_broken(records: Records) -> set[str]:
    return {violation.promise for violation in check(records, spans=SPANS)}


SAID = (SpeakerDid.SAID, 1, 0, "")
ANSWERED = (SpeakerDid.ANSWERED, 1, 0, "hola")
REFUSED = (SpeakerDid.REFUSED, 1, 0, "job_timeout")


@pytest.mark.req("X6")
@pytest.mark.parametrize(
    "told",
    [
        [SAID],
        [SAID, ANSWERED, ANSWERED],
        [SAID, REFUSED, REFUSED],
        [SAID, ANSWERED, REFUSED],
        [SAID, ANSWERED, (SpeakerDid.ANSWERED, 2, 0, "another")],
        [SAID, REFUSED, (SpeakerDid.ANSWERED, 2, 0, "hola")],
        [SAID, ANSWERED, *[(SpeakerDid.ANSWERED, 2, 0, "hola")] * 2],
        [ANSWERED],
    ],
    ids=[
        "not at all",
        "answered twice",
        "refused twice",
        "answered and refused",
        "answered in two ways",
        "refused, then answered",
        "caught up with twice",
        "answered unasked",
    ],
)
def test_an_utterance_that_is_not_answered_once_is_found(
    told: list[tuple[SpeakerDid, int, int, str]],
):
    assert list_broken(speaker_saw(*told)) == {"answered once"}


@pytest.mark.req("X6")
@pytest.mark.parametrize(
    "told",
    [
        [SAID, ANSWERED],
        [SAID, REFUSED],
        [SAID, ANSWERED, (SpeakerDid.ANSWERED, 2, 0, "hola")],
        [SAID, (SpeakerDid.SAID, 2, 0, ""), *[(SpeakerDid.ANSWERED, 2, 0, "hola")] * 2],
        [SAID, (SpeakerDid.LEFT, 1, -1, "")],
    ],
    ids=["answered", "refused", "told again", "told again and repeated", "its speaker left"],
)
def test_what_was_promised_is_not_held_against_anybody(
    told: list[tuple[SpeakerDid, int, int, str]],
):
    assert not list_broken(speaker_saw(*told))


@pytest.mark.req("X6", "R1")
def test_an_oversold_node_is_found():
    records = nodes_saw(
        (0, 0, NodeDid.ASSIGNED, "a", 1),
        (1, 0, NodeDid.ASSIGNED, "b", 1),
        (9, 0, NodeDid.ANSWERED, "a", 1),
        (10, 0, NodeDid.ANSWERED, "b", 1),
    )

    assert list_broken(records) == {"slots"}


@pytest.mark.req("X6", "R1")
def test_a_node_that_stays_oversold_is_found():
    records = nodes_saw((0, 0, NodeDid.ASSIGNED, "a", 1), (1, 0, NodeDid.ASSIGNED, "b", 1))

    assert list_broken(records) == {"slots"}


@pytest.mark.req("X6", "R1")
def test_a_slot_too_many_that_is_taken_back_in_time_is_none():
    records = nodes_saw(
        (0, 0, NodeDid.ASSIGNED, "a", 1),
        (1, 0, NodeDid.ASSIGNED, "b", 1),
        (2, 0, NodeDid.CANCELLED, "a", 1),
    )

    assert not list_broken(records)


@pytest.mark.req("X6", "R1")
def test_leases_above_the_slots_are_found():
    records = Records(oversold_leases=[Lease(at_s=0, node=0, held=2, offered=1)])

    assert list_broken(records) == {"leases"}


@pytest.mark.req("X6", "J10")
@pytest.mark.parametrize(
    "second",
    [(5.0, 1, NodeDid.ASSIGNED, "a", 2), (0.5, 1, NodeDid.ASSIGNED, "a", 1)],
    ids=["a healthy run", "one attempt"],
)
def test_a_job_at_two_nodes_at_once_is_found(second: tuple[float, int, NodeDid, str, int]):
    records = nodes_saw(
        (0, 0, NodeDid.ASSIGNED, "a", 1),
        (0.1, 0, NodeDid.ACCEPTED, "a", 1),
        second,
        (9, 0, NodeDid.ANSWERED, "a", 1),
    )

    assert list_broken(records) == {"run once"}


@pytest.mark.req("X6", "J10")
@pytest.mark.parametrize(
    "first",
    [
        [(1.0, 0, NodeDid.ACCEPTED, "a", 1), (2.0, 0, NodeDid.ANSWERED, "a", 1)],
        [(1.0, 0, NodeDid.ACCEPTED, "a", 1), (2.0, 0, NodeDid.LOST, "", 0)],
        [(1.0, 0, NodeDid.ACCEPTED, "a", 1), (9.0, 0, NodeDid.CANCELLED, "a", 1)],
        [],
    ],
    ids=["answered", "lost", "told a little later", "never accepted"],
)
def test_a_job_that_was_over_or_overdue_may_go_elsewhere(
    first: list[tuple[float, int, NodeDid, str, int]],
):
    records = nodes_saw((0, 0, NodeDid.ASSIGNED, "a", 1), *first, (8, 1, NodeDid.ASSIGNED, "a", 2))

    assert not list_broken(records)


WORDS: tuple[Said, ...] = tuple((7, number) for number in range(6))


def streams_saw(*heard: tuple[Said, ...] | None, is_broken: bool = False) -> Records:
    """Return the records of six words in one sentence: what was heard, utterance by utterance.

    An utterance of which nothing was heard was refused.
    """
    texts = [f"text {index}" for index in range(len(heard))]
    told = [
        (SpeakerDid.REFUSED, 1, index, "job_timeout")
        if run is None
        else (SpeakerDid.ANSWERED, 1, index, text)
        for index, (text, run) in enumerate(zip(texts, heard, strict=True))
    ]
    records = speaker_saw(*told)
    records.words = Words(
        sentences=[Sentence(SESSION, list(WORDS), is_broken=is_broken)],
        heard={text: run for text, run in zip(texts, heard, strict=True) if run is not None},
    )
    return records


@pytest.mark.req("X6", "SP7")
@pytest.mark.parametrize(
    ("heard", "is_broken"),
    [
        ([], False),
        ([WORDS[:5]], False),
        ([WORDS[1:]], True),
        ([WORDS[:2] + WORDS[3:]], True),
        ([WORDS[:2], WORDS[3:]], False),
        ([WORDS[:3], WORDS[2:]], False),
        ([WORDS[3:], WORDS[:3]], False),
        ([None, WORDS[:2], WORDS[3:]], False),
        ([()], True),
    ],
    ids=[
        "no outcome",
        "the end lost",
        "the beginning lost",
        "a word lost within",
        "a word lost between",
        "a word twice",
        "another order",
        "a refusal elsewhere",
        "other audio",
    ],
)
def test_a_word_that_was_lost_on_its_way_is_found(
    heard: list[tuple[Said, ...] | None], *, is_broken: bool
):
    assert list_broken(streams_saw(*heard, is_broken=is_broken)) == {"every word"}


@pytest.mark.req("X6", "SP7")
@pytest.mark.parametrize(
    ("heard", "is_broken"),
    [
        ([WORDS], False),
        ([WORDS[:2], WORDS[2:]], False),
        ([WORDS[:2], None, WORDS[4:]], False),
        ([None], False),
        ([WORDS[:2]], True),
        ([], True),
    ],
    ids=["whole", "in parts", "a part refused", "refused", "cut off", "cut off at once"],
)
def test_words_that_were_heard_refused_or_cut_off_are_none_lost(
    heard: list[tuple[Said, ...] | None], *, is_broken: bool
):
    assert not list_broken(streams_saw(*heard, is_broken=is_broken))


@pytest.mark.req("X6")
@pytest.mark.parametrize(("said_on", "broken"), [(1, {"answered once"}), (2, set())])
def test_an_index_is_used_again_after_a_refusal_only_for_what_was_said_later(
    said_on: int, broken: set[str]
):
    records = speaker_saw(
        (SpeakerDid.REFUSED, 1, 0, "scheduler_dependency_down"),
        (SpeakerDid.ANSWERED, 2, 0, "hola"),
    )
    before = Sentence(SESSION, [(7, 100)], is_broken=True)
    sockets = dict.fromkeys(WORDS, said_on)
    records.words = Words(
        sentences=[before, Sentence(SESSION, list(WORDS))], heard={"hola": WORDS}, sockets=sockets
    )

    assert list_broken(records) == broken


@pytest.mark.req("X6", "SP7")
def test_words_are_known_by_their_audio():
    audio = b"".join(make_word(7, number) for number in range(6))

    assert read_words(audio) == WORDS
    assert read_words(audio[:-1]) is None
    assert read_words(audio[:5_000] + b"x" + audio[5_001:]) is None


@pytest.mark.req("X6", "SP5")
@pytest.mark.parametrize(
    ("attempts", "broken"), [((1, 1), {"committed stays"}), ((1, 2), set())], ids=["same", "next"]
)
def test_committed_words_that_an_attempt_takes_back_are_found(
    attempts: tuple[int, int], broken: set[str]
):
    told = zip(attempts, ("ve de", "ve"), strict=True)
    grown = [
        Grown(session_id=SESSION, index=0, attempt=attempt, socket=1, committed=committed)
        for attempt, committed in told
    ]

    assert list_broken(Records(words=Words(grown=grown))) == broken


@pytest.mark.req("X6")
def test_what_was_raised_is_found_in_a_log():
    log = "INFO fine\nTraceback (most recent call last):\n  File x\nValueError: no\nINFO fine\n"

    assert list_tracebacks(log) == ["ValueError: no (File x)"]
