"""Placement: a fair sample, the right reasons, the less loaded node first."""

import collections
import dataclasses
import random
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.model.jobs import Need
from scheduling.model.languages import LanguageOffer, Nmt
from scheduling.model.limits import PlacementRules
from scheduling.model.nodes import Node, NodeDescription, NodeStatus, Usage
from scheduling.placement.candidate_view import AbleNodes, CandidateView
from scheduling.placement.ranking import (
    Choice,
    Reason,
    choose,
    list_lacks,
    sample,
    why_never,
    why_not_now,
)

NOW_MS = 1_000_000
RULES = PlacementRules()
SERVES_ALL = NodeDescription(
    version="1.0",
    platform="linux",
    accepts_public_jobs=True,
    has_gpu=True,
    languages=LanguageOffer(
        asr=frozenset({"en"}),
        tts=frozenset({"es"}),
        semantic=frozenset({"en", "es"}),
        nmt=(Nmt(rule="any_to_any", languages=frozenset({"en", "es"})),),
    ),
    services=(),
    ready_types=frozenset({"asr", "nmt", "tts", "semantic"}),
    acknowledges=True,
    resumes=True,
)
NEED = Need(src="en", tgt="es", types=("asr", "nmt", "tts", "semantic"), pairs=(("en", "es"),))
# Chance of a false alarm: one in a million, by the normal approximation of χ² with 199 degrees.
CHI2_199_BOUND = 305.0


def make_node(node_id: str, **other: object) -> Node:
    fields = {
        "instance_id": "i1",
        "conn_epoch": 1,
        "status": NodeStatus.READY,
        "max_jobs": 4,
        "description": SERVES_ALL,
        "usage": Usage(),
        "heartbeat_at_ms": NOW_MS,
    }
    return Node(node_id=node_id, **fields | other)


def choose_among(
    nodes: list[Node], *, seed: int = 0, loads: Mapping[str, int] | None = None, **other: object
) -> Choice:
    able = AbleNodes(
        [CandidateView(node, load=(loads or {}).get(node.node_id, 0)) for node in nodes]
    )
    options = {
        "need": NEED,
        "now_ms": NOW_MS,
        "rules": RULES,
        "rng": random.Random(seed),
    }
    return choose(able, **options | other)


@pytest.mark.req("L1", "X1")
@pytest.mark.parametrize("size", [20, 150])
def test_each_node_is_equally_likely_in_a_sample(size: int) -> None:
    nodes = [f"n{number}" for number in range(200)]
    rng = random.Random(11)
    rounds = 1_000
    seen: collections.Counter[str] = collections.Counter()

    for _ in range(rounds):
        sampled = sample(nodes, size=size, rng=rng)
        assert len(set(sampled)) == len(sampled) == size
        seen.update(sampled)

    expected = rounds * size / len(nodes)
    chi2 = sum((seen[node] - expected) ** 2 / expected for node in nodes)
    assert chi2 / (1 - size / len(nodes)) < CHI2_199_BOUND


@pytest.mark.req("L1")
@given(count=st.integers(0, 60), size=st.integers(1, 30), seed=st.integers())
def test_a_sample_is_all_there_is_or_the_size_wanted(count: int, size: int, seed: int) -> None:
    nodes = [f"n{number}" for number in range(count)]

    sampled = sample(nodes, size=size, rng=random.Random(seed))

    assert len(sampled) == min(count, size)
    assert set(sampled) <= set(nodes)
    assert len(set(sampled)) == len(sampled)


@pytest.mark.req("L2")
def test_the_less_loaded_of_two_wins() -> None:
    nodes = [make_node("idle"), make_node("busy")]

    first = [
        choose_among(nodes, loads={"busy": 1}, seed=seed).nodes[0].node_id for seed in range(200)
    ]

    assert first.count("idle") >= 190


@pytest.mark.req("L2")
def test_nodes_alike_win_equally_often() -> None:
    nodes = [make_node(f"n{number}") for number in range(4)]

    first = collections.Counter(
        choose_among(nodes, seed=seed).nodes[0].node_id for seed in range(1_000)
    )

    assert min(first.values()) > 190


@pytest.mark.req("L2")
def test_of_nodes_alike_those_connected_here_go_first_in_most_choices() -> None:
    nodes = [make_node(f"{place}{n}", instance_id=place) for place in ("i1", "i2") for n in (1, 2)]
    rules = dataclasses.replace(RULES, near_instance_id="i2", near_share=0.8)

    first = collections.Counter(
        choose_among(nodes, rules=rules, seed=seed).nodes[0].node_id for seed in range(1_000)
    )

    assert min(first["i21"], first["i22"]) > 390
    assert min(first["i11"], first["i12"]) > 20


@pytest.mark.req("L2")
@pytest.mark.parametrize(
    ("load", "far"),
    [
        (1, {"usage": Usage(gpu=90.0), "heartbeat_at_ms": NOW_MS - 20_000}),
        (0, {"usage": Usage(gpu=10.0), "heartbeat_at_ms": NOW_MS - 20_000}),
        (0, {"usage": Usage(gpu=50.0), "heartbeat_at_ms": NOW_MS}),
    ],
)
def test_a_better_node_elsewhere_goes_before_one_connected_here(
    load: int, far: dict[str, object]
) -> None:
    usage = Usage(gpu=50.0)
    near = make_node("near", instance_id="i2", usage=usage, heartbeat_at_ms=NOW_MS - 20_000)
    nodes = [make_node("far", **far), near]
    rules = dataclasses.replace(
        RULES, near_instance_id="i2", near_share=1.0, resource_threshold_percent=95.0
    )

    choices = [
        choose_among(nodes, loads={"near": load}, rules=rules, seed=seed) for seed in range(50)
    ]

    assert {choice.nodes[0].node_id for choice in choices} == {"far"}


@pytest.mark.req("L2")
@given(loads=st.lists(st.integers(0, 6), min_size=1, max_size=20), seed=st.integers())
def test_nodes_come_by_load_and_those_that_are_full_not_at_all(loads: list[int], seed: int) -> None:
    nodes = [make_node(f"n{number}") for number in range(len(loads))]
    by_id = {f"n{number}": load for number, load in enumerate(loads)}

    choice = choose_among(nodes, loads=by_id, seed=seed)

    order = [by_id[node.node_id] for node in choice.nodes]
    assert order == sorted(load for load in loads if load < 4)
    full = len(loads) - len(order)
    assert choice.passed_over == ({Reason.CAPACITY_EXCEEDED: full} if full else {})


@pytest.mark.req("L2")
@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"usage": Usage(gpu=10.0)}, {"usage": Usage(gpu=50.0)}),
        ({}, {"heartbeat_at_ms": NOW_MS - 20_000}),
        ({"usage": Usage(gpu=0.0), "heartbeat_at_ms": NOW_MS - 20_000}, {"usage": Usage(gpu=50.0)}),
    ],
)
def test_equal_loads_go_by_gpu_then_by_heartbeat(
    better: dict[str, object], worse: dict[str, object]
) -> None:
    nodes = [make_node("worse", **worse), make_node("better", **better)]

    first = {choose_among(nodes, seed=seed).nodes[0].node_id for seed in range(50)}

    assert first == {"better"}


@pytest.mark.req("L2", "P6")
def test_an_unknown_source_prefers_who_hears_more() -> None:
    languages = msgspec.structs.replace(SERVES_ALL.languages, asr=frozenset({"en", "de", "zh"}))
    wide = msgspec.structs.replace(SERVES_ALL, languages=languages)
    need = msgspec.structs.replace(NEED, src="auto", pairs=(("auto", "es"),))
    nodes = [make_node("narrow"), make_node("wide", description=wide)]

    first = {choose_among(nodes, need=need, seed=seed).nodes[0].node_id for seed in range(50)}

    assert first == {"wide"}


@pytest.mark.req("L6")
@given(
    excluded=st.sets(st.integers(0, 9), max_size=9), count=st.integers(1, 10), seed=st.integers()
)
def test_an_excluded_node_is_never_chosen(excluded: set[int], count: int, seed: int) -> None:
    nodes = [make_node(f"n{number}") for number in range(count)]
    names = {f"n{number}" for number in excluded}

    choice = choose_among(nodes, exclude=names, seed=seed)

    assert {node.node_id for node in choice.nodes} == {node.node_id for node in nodes} - names
    assert choice.passed_over.get(Reason.EXCLUDED, 0) == len(
        names & {node.node_id for node in nodes}
    )


@pytest.mark.req("L8")
@pytest.mark.parametrize("resource", ["cpu", "memory", "gpu"])
@pytest.mark.parametrize(("percent", "passes"), [(84.9, True), (85.0, True), (85.1, False)])
def test_usage_above_the_threshold_excludes_at_it_does_not(
    resource: str,
    percent: float,
    passes: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    node = make_node("n1", usage=msgspec.structs.replace(Usage(), **{resource: percent}))

    reason = why_not_now(CandidateView(node), now_ms=NOW_MS, rules=RULES)

    assert reason == (None if passes else Reason.RESOURCE_THRESHOLD_EXCEEDED)


@pytest.mark.req("L8")
@pytest.mark.parametrize(
    ("has_gpu", "gpu", "passes"),
    [(True, 12.0, True), (True, 85.1, False), (True, None, False), (False, None, False)],
)
def test_a_node_with_a_gpu_is_judged_by_that_and_any_other_by_the_rest(
    *, has_gpu: bool, gpu: float | None, passes: bool
) -> None:
    described = msgspec.structs.replace(SERVES_ALL, has_gpu=has_gpu)
    busy = Usage(cpu=99.0, memory=97.0, gpu=gpu, gpu_memory=96.0)
    view = CandidateView(make_node("n1", usage=busy, description=described))

    reason = why_not_now(view, now_ms=NOW_MS, rules=RULES)

    assert reason == (None if passes else Reason.RESOURCE_THRESHOLD_EXCEEDED)


@pytest.mark.req("ED4", "L2")
@pytest.mark.parametrize(
    ("pairs", "loads", "first"),
    [
        ((("en", "es"), ("es", "en")), {"newer": 3}, "newer"),
        ((("en", "es"), ("es", "en")), {"newer": 4}, "older"),
        ((("en", "es"),), {"newer": 3}, "older"),
    ],
    ids=["two ways", "two ways, the newer is full", "one way"],
)
def test_a_two_way_job_goes_to_a_node_that_finds_out_who_spoke_while_one_is_free(
    pairs: tuple[tuple[str, str], ...], loads: dict[str, int], first: str
) -> None:
    older = msgspec.structs.replace(SERVES_ALL, finds_language=False)
    nodes = [make_node("older", description=older), make_node("newer")]
    need = msgspec.structs.replace(NEED, pairs=pairs)

    assert choose_among(nodes, loads=loads, need=need).nodes[0].node_id == first


@pytest.mark.req("L2", "L17")
def test_a_fleet_nearly_full_is_not_taken_for_a_full_one() -> None:
    nodes = [make_node(f"n{number}") for number in range(1_000)]
    loads = {node.node_id: 4 for node in nodes[:-1]}

    choice = choose_among(nodes, loads=loads, free={"n999": None}, seed=3)

    assert [node.node_id for node in choice.nodes] == ["n999"]


@pytest.mark.req("L17")
def test_who_is_free_but_cannot_serve_is_not_looked_at() -> None:
    nodes = [make_node(f"n{number}") for number in range(100)]
    loads = {node.node_id: 4 for node in nodes}

    choice = choose_among(nodes, loads=loads, free={"stranger": None})

    assert choice.nodes == ()
    assert choice.passed_over == {Reason.CAPACITY_EXCEEDED: RULES.sample_size}


# Every fault a node may have, in the order of E.5.4: the first one it has gives the reason.
LASTING = [
    (Reason.NOT_IN_PUBLIC_POOL, {"accepts_public_jobs": False}),
    (Reason.GPU_UNAVAILABLE, {"has_gpu": False}),
    (Reason.MODEL_NOT_AVAILABLE, {"ready_types": frozenset({"asr"})}),
]
LANGUAGES = [
    (Reason.LANG_PAIR_UNSUPPORTED, {"nmt": (Nmt(rule="en_to_any", languages=frozenset({"de"})),)}),
    (Reason.TTS_LANG_UNSUPPORTED, {"tts": frozenset({"en"})}),
    (Reason.ASR_LANG_UNSUPPORTED, {"asr": frozenset({"es"})}),
    (Reason.SEMANTIC_UNSUPPORTED, {"semantic": frozenset({"en"})}),
]
PASSING = [
    (Reason.STATUS_NOT_READY, {"status": NodeStatus.DEGRADED}),
    (Reason.HEARTBEAT_STALE, {"heartbeat_at_ms": NOW_MS - RULES.heartbeat_timeout_ms - 1}),
    (Reason.CAPACITY_EXCEEDED, {"max_jobs": 0}),
    (Reason.RESOURCE_THRESHOLD_EXCEEDED, {"usage": Usage(cpu=99.0)}),
]


@pytest.mark.req("L9", "L17", "N17", "P18")
@pytest.mark.reason("not_in_public_pool", "gpu_unavailable", "model_not_available")
@pytest.mark.reason("lang_pair_unsupported", "tts_lang_unsupported", "asr_lang_unsupported")
@pytest.mark.reason("semantic_unsupported")
@pytest.mark.parametrize("first", range(len(LASTING) + len(LANGUAGES)))
def test_of_lasting_faults_the_first_gives_the_reason(first: int) -> None:
    faults = [*LASTING, *LANGUAGES][first:]
    own = [change for _, change in faults if change in [fault for _, fault in LASTING]]
    spoken = [change for _, change in faults if change not in own]
    description = SERVES_ALL
    for change in own:
        description = msgspec.structs.replace(description, **change)
    for change in spoken:
        languages = msgspec.structs.replace(description.languages, **change)
        description = msgspec.structs.replace(description, languages=languages)

    reason = why_never(description, NEED, require_gpu=True)

    assert reason is faults[0][0]


@pytest.mark.req("L17", "N5", "N6")
@pytest.mark.reason("status_not_ready", "heartbeat_stale", "capacity_exceeded")
@pytest.mark.reason("resource_threshold_exceeded")
@pytest.mark.parametrize("first", range(len(PASSING)))
def test_of_passing_faults_the_first_gives_the_reason(first: int) -> None:
    node = make_node("n1")
    for _, change in PASSING[first:]:
        node = msgspec.structs.replace(node, **change)

    assert why_not_now(CandidateView(node), now_ms=NOW_MS, rules=RULES) is PASSING[first][0]


@pytest.mark.req("L17", "N6")
@pytest.mark.parametrize(
    ("status", "draining", "reason"),
    [
        (NodeStatus.READY, False, None),
        (NodeStatus.READY, True, Reason.STATUS_NOT_READY),
        (NodeStatus.REGISTERING, False, Reason.STATUS_NOT_READY),
        (NodeStatus.OFFLINE, False, Reason.OFFLINE),
        (NodeStatus.OFFLINE, True, Reason.OFFLINE),
    ],
)
def test_only_a_ready_node_gets_jobs(
    status: NodeStatus,
    draining: bool,  # noqa: FBT001 - a column of the table above
    reason: Reason | None,
) -> None:
    node = make_node("n1", status=status, draining=draining)

    assert why_not_now(CandidateView(node), now_ms=NOW_MS, rules=RULES) == reason


@pytest.mark.req("L17", "N16")
@pytest.mark.reason("src_auto_no_candidate")
def test_an_unknown_source_nobody_hears_has_a_reason_of_its_own() -> None:
    languages = msgspec.structs.replace(SERVES_ALL.languages, asr=frozenset())
    need = Need(src="auto", tgt="es", types=("asr",), pairs=(("auto", "es"),))

    reason = why_never(
        msgspec.structs.replace(SERVES_ALL, languages=languages), need, require_gpu=False
    )

    assert reason is Reason.SRC_AUTO_NO_CANDIDATE


@pytest.mark.req("L17")
@pytest.mark.reason("excluded", "offline")
def test_a_node_that_left_and_an_excluded_one_are_counted() -> None:
    nodes = [make_node("n1"), make_node("n2", status=NodeStatus.OFFLINE)]

    choice = choose_among(nodes, exclude={"n1"})

    assert choice.nodes == ()
    assert choice.passed_over == {Reason.EXCLUDED: 1, Reason.OFFLINE: 1}


@pytest.mark.req("L17")
def test_nobody_looked_at_is_said_so() -> None:
    assert choose_among([]).best_reason == "no_nodes"


@pytest.mark.req("ED15")
@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({"ready_types": frozenset({"asr"})}, ("nmt", "tts")),
        ({"ready_types": frozenset()}, ("asr", "nmt", "tts")),
        ({"has_gpu": False}, ("a GPU",)),
        ({"accepts_public_jobs": False}, ("accept_public_jobs",)),
        ({"ready_types": frozenset({"nmt", "tts"}), "has_gpu": False}, ("asr", "a GPU")),
        ({}, ()),
    ],
)
def test_all_that_a_node_lacks_is_told(changes: dict[str, Any], lacks: tuple[str, ...]) -> None:
    need = Need(src="en", tgt="es", types=("asr", "nmt", "tts"), pairs=(("en", "es"),), public=True)
    description = msgspec.structs.replace(SERVES_ALL, **changes)

    assert list_lacks(description, need, require_gpu=True) == lacks


@pytest.mark.req("ED15")
def test_a_language_that_is_lacking_is_told_with_its_service() -> None:
    need = Need(src="fr", tgt="de", types=("asr", "nmt", "tts"), pairs=(("fr", "de"),))

    lacks = list_lacks(SERVES_ALL, need, require_gpu=False)

    assert lacks == ("asr for fr", "nmt from fr to de", "tts for de")


def test_both_directions_of_a_conversation_must_be_served() -> None:
    need = Need(src="en", tgt="es", types=("nmt", "tts"), pairs=(("en", "es"), ("es", "en")))

    assert why_never(SERVES_ALL, need, require_gpu=False) is Reason.TTS_LANG_UNSUPPORTED
