"""The fleet's snapshot: what the index finds equals asking every node, whatever came and went."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.model.jobs import Need
from scheduling.model.languages import LanguageOffer, Nmt
from scheduling.model.nodes import Node, NodeStatus
from scheduling.placement.ranking import why_never
from scheduling.placement.snapshot import Fleet
from tests.scheduling.test_placement import NEED, SERVES_ALL, make_node

Take = Callable[[Fleet, Node], None]

languages = st.frozensets(st.sampled_from(["en", "es", "de", "zh-cn"]), max_size=3)
offers = st.builds(
    LanguageOffer,
    asr=languages,
    tts=languages,
    semantic=languages,
    nmt=st.lists(
        st.builds(Nmt, rule=st.sampled_from(["any_to_any", "any_to_en"]), languages=languages),
        max_size=2,
    ).map(tuple),
)
descriptions = st.builds(
    lambda offer, types, has_gpu, public: msgspec.structs.replace(
        SERVES_ALL,
        languages=offer,
        ready_types=types,
        has_gpu=has_gpu,
        accepts_public_jobs=public,
    ),
    offers,
    st.frozensets(st.sampled_from(["asr", "nmt", "tts"])),
    st.booleans(),
    st.booleans(),
)
codes = st.sampled_from(["en", "es", "de", "zh"])
needs = st.builds(
    lambda src, tgt, types: Need(src=src, tgt=tgt, types=types, pairs=((src, tgt),)),
    codes | st.just("auto"),
    codes,
    st.lists(st.sampled_from(["asr", "nmt", "tts"]), max_size=3, unique=True).map(tuple),
)
changes = st.lists(
    st.tuples(st.sampled_from(["n1", "n2", "n3", "n4"]), st.none() | descriptions), max_size=20
)


@pytest.mark.req("V1")
@given(changes=changes, needs=st.lists(needs, min_size=1, max_size=4), require_gpu=st.booleans())
def test_the_index_equals_asking_every_node(changes, needs, require_gpu) -> None:
    fleet = Fleet(require_gpu=require_gpu)
    known: dict[str, Node] = {}
    for node_id, description in changes:
        if description is None:
            fleet.remove(node_id, conn_epoch=1)
            known.pop(node_id, None)
        else:
            known[node_id] = make_node(node_id, description=description)
            fleet.put(known[node_id])

        for need in needs:
            able = {
                node_id
                for node_id, node in known.items()
                if why_never(node.description, need, require_gpu=require_gpu) is None
            }
            found = fleet.snapshot.index.find(need)
            assert len(found) == len(set(found))
            assert set(found) == able

    assert dict(fleet.snapshot.nodes) == known


@pytest.mark.req("V2", "V8")
def test_a_snapshot_once_taken_does_not_change() -> None:
    fleet = Fleet(require_gpu=False)
    fleet.put(make_node("n1"))
    taken = fleet.snapshot

    fleet.put(make_node("n2"))
    fleet.remove("n1", conn_epoch=1)

    assert list(taken.nodes) == ["n1"]
    assert list(taken.index.find(NEED)) == ["n1"]


@pytest.mark.req("I-32", "N4")
@pytest.mark.parametrize("take", [Fleet.put, Fleet.learn], ids=["here", "told"])
def test_what_an_older_connection_says_is_ignored(take: Take) -> None:
    fleet = Fleet(require_gpu=False)
    newer = make_node("n1", conn_epoch=2)
    fleet.put(newer)

    take(fleet, make_node("n1", conn_epoch=1, max_jobs=9))
    fleet.remove("n1", conn_epoch=1)

    assert fleet.find("n1") == newer


@pytest.mark.req("I-32", "N12")
@pytest.mark.parametrize("worse", [NodeStatus.DRAINING, NodeStatus.DEGRADED])
def test_a_node_that_got_worse_is_not_remembered_as_ready(worse: NodeStatus) -> None:
    fleet = Fleet(require_gpu=False)
    fleet.put(make_node("n1"))

    fleet.learn(make_node("n1", status=worse))

    assert fleet.find("n1") == make_node("n1", status=worse)


def test_a_node_that_gains_a_slot_is_told_of() -> None:
    fleet = Fleet(require_gpu=False)
    told: list[str] = []
    fleet.listeners.free.append(told.append)
    fleet.put(make_node("n1", max_jobs=2))
    told.clear()

    fleet.loads.record("n1", 2)
    assert (told, dict(fleet.loads.free)) == ([], {})
    fleet.loads.record("n1", 1)
    assert (told, list(fleet.loads.free)) == (["n1"], ["n1"])
    fleet.loads.record("stranger", 0)
    assert told == ["n1"]
    fleet.remove("n1", conn_epoch=1)
    assert (fleet.loads.list_all(), dict(fleet.loads.free)) == ({}, {})
