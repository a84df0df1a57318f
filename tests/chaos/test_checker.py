"""The checker finds what was planted: every promise broken once, in a few events."""

import pytest

from tests.chaos.checker import Spans, check
from tests.chaos.records import Lease, NodeDid, NodeEvent, Records, SpeakerDid, SpeakerEvent
from tests.chaos.scene import list_tracebacks

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


@pytest.mark.req("X6")
def test_what_was_raised_is_found_in_a_log():
    log = "INFO fine\nTraceback (most recent call last):\n  File x\nValueError: no\nINFO fine\n"

    assert list_tracebacks(log) == ["ValueError: no (File x)"]
