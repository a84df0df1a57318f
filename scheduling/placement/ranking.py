"""Choose where a job should go: sample, filter, rank; values in, values out (part E)."""

import collections
import enum
import functools
import operator
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from scheduling.model.jobs import Need
from scheduling.model.languages import AUTO
from scheduling.model.limits import PlacementRules
from scheduling.model.nodes import Node, NodeDescription, NodeStatus
from scheduling.model.speeds import name_services
from scheduling.model.standing import Fault, NodeState
from scheduling.placement.candidate_view import AbleNodes, CandidateView
from scheduling.placement.paces import classify_paces
from scheduling.placement.timeliness import InTime

T = TypeVar("T")

_HEARTBEATS_COUNT_ALIKE_MS = 15_000
# To go through so many free nodes costs less than a tenth of a millisecond.
_FEW_FREE = 500
_by_score = operator.itemgetter(0)


class Reason(enum.StrEnum):
    """Why a node was passed over (E.6); the first that applies, in this order."""

    EXCLUDED = "excluded"
    OFFLINE = "offline"
    STATUS_NOT_READY = "status_not_ready"
    HEARTBEAT_STALE = "heartbeat_stale"
    NOT_IN_PUBLIC_POOL = "not_in_public_pool"
    GPU_UNAVAILABLE = "gpu_unavailable"
    MODEL_NOT_AVAILABLE = "model_not_available"
    SERVICE_UNAVAILABLE = "service_unavailable"
    LANG_PAIR_UNSUPPORTED = "lang_pair_unsupported"
    TTS_LANG_UNSUPPORTED = "tts_lang_unsupported"
    ASR_LANG_UNSUPPORTED = "asr_lang_unsupported"
    SRC_AUTO_NO_CANDIDATE = "src_auto_no_candidate"
    SEMANTIC_UNSUPPORTED = "semantic_unsupported"
    QUARANTINED = "quarantined"
    UNPROVEN = "unproven"
    ON_PROBATION = "on_probation"
    CAPACITY_EXCEEDED = "capacity_exceeded"
    RESOURCE_THRESHOLD_EXCEEDED = "resource_threshold_exceeded"
    TOO_SLOW = "too_slow_for_deadline"
    RESERVED_FOR_OTHERS = "reserved_for_others"


HELD_BACK = frozenset({Reason.QUARANTINED, Reason.UNPROVEN, Reason.ON_PROBATION})
"""Reasons that count while a node in good standing could serve, now or later."""


class NodeVerdict(msgspec.Struct, frozen=True, array_like=True):
    """Why a node can never serve the job, and all that it lacks for that."""

    node_id: str
    load: int
    reason: str
    lacks: tuple[str, ...]


class Choice(msgspec.Struct, frozen=True):
    """Nodes worth asking for a slot, best first, and how many were passed over for what.

    `looked_at` names every node that was sampled, the load it was seen with, and why it was
    passed over, ``""`` when it was not. `pool_id` is the pool the nodes are from; `known` says of
    each of `pools` how well its members were known. `affinity` is ``hit`` or why the node of the
    turn was not taken, ``""`` where there is none; `spread` says that a node was left out for it.
    `unable` are some nodes that could never serve the job, where there was nobody to look at.
    `forced` says that the nodes are in no good standing, and no other could serve it.
    """

    nodes: tuple[Node, ...]
    passed_over: Mapping[Reason, int]
    looked_at: tuple[tuple[str, int, str], ...] = ()
    pool_id: str = ""
    pools: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    fallback: bool = False
    refused: str = ""
    affinity: str = ""
    spread: bool = False
    unable: tuple[NodeVerdict, ...] = ()
    forced: bool = False

    @property
    def examples(self) -> Mapping[Reason, str]:
        """Return one node for each reason."""
        return {Reason(reason): node_id for node_id, _, reason in self.looked_at if reason}

    @property
    def best_reason(self) -> str:
        """Return the commonest reason, ``no_nodes`` when nobody was looked at."""
        if not self.passed_over:
            return "no_nodes"
        return max(self.passed_over, key=lambda reason: self.passed_over[reason])

    @property
    def told_reason(self) -> str:
        """Return the same for people: of nodes that never can, why the first of them cannot."""
        return self.unable[0].reason if self.unable else self.best_reason


def list_lacks(description: NodeDescription, need: Need, *, require_gpu: bool) -> tuple[str, ...]:
    """Return everything that keeps a node from ever serving `need`, as its owner reads it."""
    lacks = [kind for kind in need.types if kind not in description.ready_types]
    languages = description.languages
    for src, tgt in need.pairs:
        offers = {
            "asr": (languages.hears(src), f"asr for {src}"),
            "nmt": (languages.translates(src=src, tgt=tgt), f"nmt from {src} to {tgt}"),
            "tts": (languages.speaks(tgt), f"tts for {tgt}"),
            "semantic": (
                languages.repairs(src) and languages.repairs(tgt),
                f"semantic for {src} and {tgt}",
            ),
        }
        lacks += [
            name
            for kind, (has_it, name) in offers.items()
            if kind in need.types and kind not in lacks and not has_it
        ]
    if require_gpu and not description.has_gpu:
        lacks.append("a GPU")
    if not _admits(description, need):
        lacks.append("accept_public_jobs")
    return tuple(dict.fromkeys(lacks))


def why_never(description: NodeDescription, need: Need, *, require_gpu: bool) -> Reason | None:
    """Return why a node that declared `description` can never serve `need`, or None if it can."""
    if not _admits(description, need):
        return Reason.NOT_IN_PUBLIC_POOL
    if require_gpu and not description.has_gpu:
        return Reason.GPU_UNAVAILABLE
    if not description.ready_types.issuperset(need.types):
        return Reason.MODEL_NOT_AVAILABLE
    for src, tgt in need.pairs:
        reason = _why_not_pair(description, need, src, tgt)
        if reason:
            return reason
    return None


def _admits(description: NodeDescription, need: Need) -> bool:
    """Say whether a node is public, or private to whoever asks (ND11)."""
    return (
        description.accepts_public_jobs
        or not need.public
        or (description.tenant_id != "" and description.tenant_id == need.owner_tenant_id)
    )


def _why_not_pair(description: NodeDescription, need: Need, src: str, tgt: str) -> Reason | None:
    languages = description.languages
    if "nmt" in need.types and not languages.translates(src=src, tgt=tgt):
        return Reason.LANG_PAIR_UNSUPPORTED
    if "tts" in need.types and not languages.speaks(tgt):
        return Reason.TTS_LANG_UNSUPPORTED
    if "asr" in need.types and not languages.hears(src):
        return Reason.SRC_AUTO_NO_CANDIDATE if src == AUTO else Reason.ASR_LANG_UNSUPPORTED
    if "semantic" in need.types and not (languages.repairs(src) and languages.repairs(tgt)):
        return Reason.SEMANTIC_UNSUPPORTED
    return None


def why_not_now(candidate: CandidateView, *, now_ms: int, rules: PlacementRules) -> Reason | None:
    """Return why a node that could serve the job cannot take it at this moment, or None."""
    oldest_ms = now_ms - rules.heartbeat_timeout_ms
    return _why_not_now(candidate, oldest_ms, rules.resource_threshold_percent, now_ms)


def could_serve(
    able: AbleNodes, *, exclude: Collection[str], now_ms: int, rules: PlacementRules
) -> bool:
    """Say whether a node in good standing could serve, now or once it has a slot."""
    oldest_ms = now_ms - rules.heartbeat_timeout_ms
    return any(
        candidate.is_open
        and candidate.heartbeat_at_ms >= oldest_ms
        and candidate.node_id not in exclude
        and (candidate.is_plain or _why_held_back(candidate, now_ms) is None)
        for candidate in able.views
    )


def _why_held_back(candidate: CandidateView, now_ms: int) -> Reason | None:
    """Return why a node that is not plain gets no job now: the same as `why_held_back.lua`."""
    standing = candidate.node.standing
    if standing.state_at(now_ms) is NodeState.GOOD:
        return None
    if standing.state is NodeState.QUARANTINE and not standing.is_on_trial(now_ms):
        return Reason.QUARANTINED
    if standing.left == 0 and standing.state is NodeState.PROBATION:
        return Reason.UNPROVEN
    return Reason.ON_PROBATION if candidate.load > 0 else None


def _why_not_now(
    candidate: CandidateView, oldest_ms: int, most_percent: float, now_ms: int
) -> Reason | None:
    """Answer `why_not_now`: twenty times a job, so by position and with the sums done before."""
    if not candidate.is_open:
        offline = candidate.node.status is NodeStatus.OFFLINE
        return Reason.OFFLINE if offline else Reason.STATUS_NOT_READY
    if candidate.heartbeat_at_ms < oldest_ms:
        return Reason.HEARTBEAT_STALE
    if not candidate.is_plain and (reason := _why_held_back(candidate, now_ms)):
        return reason
    if candidate.load >= candidate.max_jobs:
        return Reason.CAPACITY_EXCEEDED
    if candidate.peak_percent > most_percent:
        return Reason.RESOURCE_THRESHOLD_EXCEEDED
    return None


def sample(candidates: Sequence[T], *, size: int, rng: random.Random) -> list[T]:
    """Return `size` candidates in random order, each equally likely; all if fewer (L1)."""
    count = len(candidates)
    if count < 2 * size:
        return rng.sample(candidates, min(size, count))
    draw = rng.random
    chosen = dict.fromkeys([int(draw() * count) for _ in range(size)])
    while len(chosen) < size:
        chosen[int(draw() * count)] = None
    return [candidates[position] for position in chosen]


def choose(
    able: AbleNodes,
    *,
    free: Collection[str] = (),
    exclude: Collection[str] = (),
    need: Need,
    now_ms: int,
    rules: PlacementRules,
    rng: random.Random,
    in_time: InTime | None = None,
) -> Choice:
    """Return the sampled nodes that can take the job now, least effective load first.

    `able` are nodes that could serve `need`; for each one to `exclude` one more is drawn. When the
    sample holds nobody, the few of them known to have a slot (`free`) are looked at instead, so
    that a fleet nearly full is not taken for a full one. Nodes whose standing holds them back serve
    where no other could, the best of them first. Who is not `in_time` does not get it.
    """
    sampled = sample(able.views, size=rules.sample_size + len(exclude), rng=rng)
    looked_at: list[tuple[str, int, str]] = []
    rank = functools.partial(
        _rank,
        looked_at=looked_at,
        exclude=exclude,
        need=need,
        now_ms=now_ms,
        rules=rules,
        rng=rng,
        in_time=in_time,
    )
    ranked = rank(sampled)
    # Who is too slow has a slot free: where many have, they are no better than those drawn.
    are_few = len(free) <= _FEW_FREE or all(reason != Reason.TOO_SLOW for *_, reason in looked_at)
    if not ranked and len(able.views) > len(sampled) and are_few:
        seen, by_id = {candidate.node_id for candidate in sampled}, able.by_id
        unseen = [by_id[one] for one in free if one in by_id and one not in seen]
        ranked = rank(sample(unseen, size=rules.sample_size, rng=rng))
    forced = (
        not ranked
        and any(reason in HELD_BACK for _, _, reason in looked_at)
        and not could_serve(able, exclude=exclude, now_ms=now_ms, rules=rules)
    )
    if forced:
        looked_at.clear()
        ranked = rank(sampled, forced=True)
    return Choice(
        nodes=ranked,
        passed_over=count_reasons(looked_at),
        looked_at=tuple(looked_at),
        forced=forced,
    )


def count_reasons(looked_at: Iterable[tuple[str, int, str]]) -> Mapping[Reason, int]:
    """Return how many of the nodes that were looked at were passed over for what."""
    reasons = [Reason(reason) for _, _, reason in looked_at if reason]
    return collections.Counter(reasons) if reasons else {}


def _rank(
    sampled: Iterable[CandidateView],
    *,
    looked_at: list[tuple[str, int, str]],
    exclude: Collection[str],
    need: Need,
    now_ms: int,
    rules: PlacementRules,
    rng: random.Random,
    in_time: InTime | None,
    forced: bool = False,
) -> tuple[Node, ...]:
    """Filter and order; those alike stay in the order of the sample, which is random.

    A node whose last attempt failed comes last until it had a rest, and so does one that nobody
    may rely on where the job failed before. One that is new takes its share step by step. With
    `forced` no standing keeps a node from the job.

    Of the others the faster ones come first, of those alike the less loaded. Heartbeat ages and GPU
    usages that hardly differ count as equal; of nodes alike, those near come first in most choices.
    In a two-way conversation those that find out which language was spoken come before all others.
    """
    taken: list[CandidateView] = []
    auto, two_way, retries = need.src == AUTO, len(need.pairs) > 1, bool(exclude)
    oldest_ms, most_percent = now_ms - rules.heartbeat_timeout_ms, rules.resource_threshold_percent
    slow_ms = rules.slow_start_ms
    near = rules.near_instance_id if rng.random() < rules.near_share else ""
    for candidate in sampled:
        load = candidate.load
        if retries and candidate.node_id in exclude:
            reason: Reason | None = Reason.EXCLUDED
        else:
            reason = _why_not_now(candidate, oldest_ms, most_percent, now_ms)
            if forced and reason in HELD_BACK and load < candidate.max_jobs:
                reason = None
        if reason is None and in_time is not None and not in_time(candidate):
            reason = Reason.TOO_SLOW
        looked_at.append((candidate.node_id, load, reason or ""))
        if reason is None:
            taken.append(candidate)
    paces = classify_paces(
        taken, services=name_services(need.types), now_ms=now_ms, rules=rules, rng=rng
    )
    scored = [
        (
            (
                0 if candidate.is_plain else _how_shy(candidate, now_ms, retries=retries),
                two_way and not candidate.finds_language,
                (load := candidate.load) > 0
                and now_ms - candidate.ramps_from_ms < slow_ms
                and load >= _share(candidate, now_ms, slow_ms),
                pace,
                load,
                -candidate.hears if auto else 0,
                candidate.gpu_class,
                (now_ms - candidate.heartbeat_at_ms) // _HEARTBEATS_COUNT_ALIKE_MS,
                candidate.instance_id != near,
            ),
            candidate,
        )
        for candidate, pace in zip(taken, paces, strict=True)
    ]
    scored.sort(key=_by_score)
    return tuple([candidate.node for _, candidate in scored])


def _how_shy(candidate: CandidateView, now_ms: int, *, retries: bool) -> int:
    """Return how far behind the others a node comes that is not plain.

    Whoever had its rest, and has no job now, may show what it can as any other: not with a job that
    failed before.
    """
    standing = candidate.node.standing
    if standing.state is NodeState.QUARANTINE and not standing.is_on_trial(now_ms):
        return 3
    # Jobs prove nothing where a probe failed: rubbish looks like a result.
    is_proved_by_jobs = standing.reason != Fault.PROBE
    is_asked_for = (
        is_proved_by_jobs and standing.rest <= now_ms and candidate.load == 0 and not retries
    )
    return 0 if is_asked_for else 1 if standing.state_at(now_ms) is NodeState.GOOD else 2


def _share(candidate: CandidateView, now_ms: int, slow_ms: int) -> int:
    """Return how many jobs a node gets that is not long here, while others have room."""
    return max(1, candidate.max_jobs * (now_ms - candidate.ramps_from_ms) // slow_ms)
