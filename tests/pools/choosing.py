"""A chooser over nodes, pools and memories that a test sets, without Redis."""

import dataclasses
import random
from typing import Any

import msgspec

from scheduling.model import clock
from scheduling.model.jobs import Assignment, Need, Pipeline, quote_base64
from scheduling.model.limits import PlacementRules
from scheduling.model.nodes import NodeStatus
from scheduling.placement.candidates import Members, PoolTable
from scheduling.placement.chooser import Chooser
from scheduling.placement.pool_config import PoolConfig, PoolRules, TenantRule
from scheduling.placement.pool_matching import PoolMatcher
from scheduling.placement.pools import Pool, PoolKind
from scheduling.placement.ranking import Choice
from scheduling.placement.session_memory import SessionMemory
from scheduling.placement.snapshot import Fleet
from scheduling.placement.wait_queue import PlacementRequest
from tests.pools.declared import CORE, describe, make_need, make_node

AN_HOUR_MS = 3_600_000
NEED = make_need()
TWO = {"a": {"n-1", "n-2"}, "b": {"n-3"}}
ACME = (TenantRule(tenant_id="acme", pool_id="a"),)


def two_pools(*, tenants: tuple[TenantRule, ...] = (), **rules: Any) -> PoolConfig:
    """Pools ``a`` and ``b``, that somebody configured."""
    return PoolConfig(
        pools=tuple(
            Pool(pool_id=name, kind=PoolKind.CAPABILITY, required=CORE) for name in ("a", "b")
        ),
        tenants=tenants,
        rules=PoolRules(**{"auto_language": False} | rules),
    )


@dataclasses.dataclass
class Scene:
    """Nodes, pools and what is remembered, with the chooser over them; four slots a node."""

    fleet: Fleet = dataclasses.field(default_factory=lambda: Fleet(require_gpu=False))
    memory: SessionMemory = dataclasses.field(default_factory=SessionMemory)
    rules: PlacementRules = dataclasses.field(default_factory=PlacementRules)
    seed: int = 1

    @property
    def chooser(self) -> Chooser:
        return Chooser(
            fleet=self.fleet,
            rules=self.rules,
            memory=self.memory,
            rng=random.Random(self.seed),
        )

    def put(self, *node_ids: str, load: int = 0, languages: str = "de en zh", **other: Any) -> None:
        for node_id in node_ids:
            fields = {"heartbeat_at_ms": clock.now_ms()} | other
            self.fleet.learn(make_node(node_id, describe(languages), **fields))
            self.fleet.loads.learn(node_id, load)

    def use(self, config: PoolConfig, *, fresh_ms: int = AN_HOUR_MS, **members: Any) -> None:
        known = {
            pool_id: Members(
                node_ids=frozenset(node_ids),
                version=1,
                fresh_until_ms=clock.now_ms() + fresh_ms,
            )
            for pool_id, node_ids in members.items()
        }
        self.fleet.put_pools(PoolTable(version=1, matcher=PoolMatcher(config), members=known))

    def choose(self, **asked: Any) -> Choice:
        request = ask(**asked)
        need = self.chooser.bind(request.need, preferred_node_id=request.preferred_node_id)
        return self.chooser.choose(msgspec.structs.replace(request, need=need))


def ask(*, need: Need = NEED, turn_id: str | None = None, part: bool = False, **other: Any) -> Any:
    """Return a job of session ``s-1`` on its way; `part` says that its turn goes on."""
    assignment = Assignment(
        job_id="job-1",
        attempt_id=1,
        session_id="s-1",
        utterance_index=0,
        src_lang=need.src,
        tgt_lang=need.tgt,
        audio=quote_base64(""),
        audio_format="pcm16",
        sample_rate=16_000,
        trace_id="",
        pipeline=Pipeline(),
        enable_streaming_asr=True,
        partial_update_interval_ms=1_000,
        turn_id=turn_id,
        is_max_duration_triggered=part,
    )
    return PlacementRequest(assignment=assignment, need=need, **other)


def list_ids(choice: Choice) -> list[str]:
    return [node.node_id for node in choice.nodes]


def add_incapable(scene: Scene, **rules: Any) -> None:
    scene.put("n-4", languages="fr en")
    scene.put("n-5", load=4)
    scene.put("n-6", status=NodeStatus.DRAINING)
    scene.use(two_pools(tenants=ACME, **rules), a={"n-1", "n-2", "n-4", "n-5", "n-6"}, b=TWO["b"])


def set_scene() -> Scene:
    """Return three nodes in two pools: n-1 and n-2 in a, n-3 in b."""
    scene = Scene()
    scene.put("n-1", "n-2", "n-3")
    scene.use(two_pools(), **TWO)
    return scene
