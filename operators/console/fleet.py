"""What operators ask and do about nodes and pools; coroutines belong on the event loop."""

import asyncio
import dataclasses
import functools
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import msgspec

from operators.console.cluster import describe_node, describe_speed, describe_standing
from operators.console.job_timeline import describe_decision, describe_looked_at
from scheduling.fleet.node_control import NodeControl
from scheduling.jobs.explaining import Explainer
from scheduling.jobs.standings import Standings
from scheduling.model.jobs import Need, phase2_state
from scheduling.model.nodes import Node
from scheduling.model.speeds import MedianSpeed, find_medians, name_services
from scheduling.model.standing import NodeState
from scheduling.placement.pool_config import PoolConfig
from scheduling.placement.pools import LANGUAGE_KINDS, Pool
from scheduling.placement.ranking import Choice, Reason
from scheduling.placement.snapshot import Fleet
from scheduling.pools.follower import PoolFollower
from scheduling.pools.leader import Leader

Json = dict[str, Any]
_REBUILT_S = 2.0
_plain = msgspec.to_builtins


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlacementQuery:
    """A dry run: where would a job with this need go?"""

    need: Need
    routing_key: str = "default"
    tenant_id: str = ""
    session_id: str = ""
    exclude: tuple[str, ...] = ()
    preferred_node_id: str = ""


class FleetService:
    """Shows the fleet and its pools as this instance has them, and takes operators' commands."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        explainer: Explainer,
        node_control: NodeControl,
        standings: Standings,
        leader: Leader,
        follower: PoolFollower,
        sample_size: int,
    ) -> None:
        self._fleet = fleet
        self._explainer = explainer
        self._leader = leader
        self._follower = follower
        self._sample_size = sample_size
        self._commands: dict[str, Callable[[str], Awaitable[bool]]] = {
            "drain": node_control.drain,
            "cordon": lambda node_id: node_control.drain(node_id, lasting=True),
            "resume": node_control.resume,
            "disconnect": node_control.disconnect,
            "quarantine": standings.quarantine,
            "absolve": standings.absolve,
            **{
                command: functools.partial(node_control.order, command=command)
                for command in ("shutdown", "reload_config")
            },
        }

    def hears(self, language: str) -> bool:
        """Say whether a connected node understands a language."""
        nodes = self._fleet.snapshot.nodes.values()
        return any(node.description.languages.hears(language) for node in nodes)

    @property
    def places_by_language(self) -> bool:
        """Say whether jobs go by pools of languages, so that capability pools take none."""
        rules = self._fleet.snapshot.pools.matcher.config.rules
        return rules.two_level and rules.auto_language

    async def list_nodes(self) -> list[Json]:
        """Return every node, by id; those that are offline until they are forgotten."""
        known = sorted(self._fleet.list_known(), key=lambda node: node.node_id)
        medians = self._find_medians()
        return [self._describe(node, medians) for node in known]

    async def find_node(self, node_id: str) -> Json | None:
        """Return one node with the pools it belongs into, None where it is not known here."""
        node = self._fleet.find_known(node_id)
        if node is None:
            return None
        languages = _plain(node.description.languages)
        pools = sorted(self._explainer.check_membership(node))
        described = self._describe(node, self._find_medians())
        return {**described, "language_capabilities": languages, "pools": pools}

    async def command(self, node_id: str, *, action: str) -> bool:
        """Do one of `COMMANDS` of `node_commands`; False where the node is not known."""
        return await self._commands[action](node_id)

    async def list_coverage(self) -> list[Json]:
        """Return each language pair with ready nodes and free slots, worst first."""
        return [msgspec.structs.asdict(row) for row in self._explainer.list_coverage()]

    async def list_pools(self) -> Json:
        """Return the configuration in force and its pools (P14)."""
        table = self._fleet.snapshot.pools
        return {
            "config": self._describe_config(table.matcher.config),
            "version": table.version,
            "pools": [_plain(view) for view in self._explainer.list_pools()],
        }

    async def find_pool(self, pool_id: str) -> Json | None:
        """Return one pool with the ids of all its members, None where there is none."""
        table = self._fleet.snapshot.pools
        for view in self._explainer.list_pools():
            if view.pool_id == pool_id:
                members = table.members.get(pool_id)
                return {**_plain(view), "node_ids": sorted(members.node_ids if members else ())}
        return None

    async def rebuild(self) -> int | None:
        """Publish the configuration anew (P16); return its version, None while it is under way.

        Where another instance leads, that one is asked, and does it soon.
        """
        before = self._fleet.snapshot.pools.matcher.config.rebuilds
        if await self._leader.rebuild(renew=True):
            await self._follower.follow()
        else:
            await self._leader.ask_rebuild()
        try:
            async with asyncio.timeout(_REBUILT_S):
                table = await self._follower.wait_for(
                    lambda table: table.matcher.config.rebuilds > before
                )
        except TimeoutError:
            return None
        return table.version

    async def simulate(self, query: PlacementQuery) -> Json:
        """Return where a job would go; nothing changes (P15)."""
        choice = self._explainer.simulate(
            need=query.need,
            tenant_id=query.tenant_id,
            session_id=query.session_id,
            exclude=query.exclude,
            preferred_node_id=query.preferred_node_id,
        )
        return {
            "routing_key": query.routing_key,
            "required": list(query.need.types),
            "selected_node_id": choice.nodes[0].node_id if choice.nodes else None,
            "refused": choice.refused or None,
            "debug": self._describe_search(choice),
            "breakdown": _count_reasons(choice),
            "looked_at": describe_looked_at(
                choice.looked_at or [(one.node_id, one.load, one.reason) for one in choice.unable],
                {one.node_id: one.lacks for one in choice.unable},
            ),
        }

    async def why(self, job_id: str) -> Json | None:
        """Return every decision about a job that is still kept, None where it is not known."""
        explanation = await self._explainer.why(job_id)
        if explanation is None:
            return None
        job = explanation.job
        seen = {looked[0] for decision in explanation.decisions for looked in decision.looked_at}
        return {
            "job_id": job.job_id,
            "state": job.state,
            "phase2_state": phase2_state(job.state),
            "node_id": job.node_id or None,
            "reason": job.reason or None,
            "attempt": job.attempt,
            "tenant_id": job.tenant_id,
            "need": _plain(job.need),
            "decisions": [describe_decision(decision) for decision in explanation.decisions],
            "standings": self._list_standings(seen),
            "speeds": self._list_speeds(seen, job.need),
        }

    async def why_not(self, *, job_id: str, node_id: str) -> Json | None:
        """Return why a node does not have a job, None where the job is not known."""
        verdict = await self._explainer.why_not(node_id=node_id, job_id=job_id)
        if verdict is None:
            return None
        return {
            "job_id": job_id,
            "node_id": node_id,
            "now": verdict.now or None,
            "then": [reason or None for reason in verdict.then],
            "answers": verdict.answers,
            "pools": verdict.pools,
            "standings": self._list_standings({node_id}),
            "speeds": self._list_speeds({node_id}, verdict.need),
        }

    def _list_standings(self, node_ids: Collection[str]) -> list[Json]:
        """Return what speaks against those of these nodes that are in no good standing now."""
        known = [self._fleet.find_known(node_id) for node_id in sorted(node_ids)]
        rows = [(node.node_id, describe_standing(node.standing)) for node in known if node]
        return [
            {"node_id": node_id, **row} for node_id, row in rows if row["state"] != NodeState.GOOD
        ]

    def _list_speeds(self, node_ids: Collection[str], need: Need) -> list[Json]:
        """Return how fast these nodes are with the job's services, the fastest first."""
        services, medians = name_services(need.types), self._find_medians()
        known = [self._fleet.find_known(node_id) for node_id in sorted(node_ids)]
        speeds = [
            (node.node_id, speed)
            for node in known
            if node
            for speed in node.speeds
            if speed.services == services
        ]
        speeds.sort(key=lambda row: row[1].rate_ms)
        return [{"node_id": node_id, **describe_speed(speed, medians)} for node_id, speed in speeds]

    def _find_medians(self) -> Mapping[str, MedianSpeed]:
        """Return the medians of the nodes that are connected."""
        return find_medians(node.speeds for node in self._fleet.snapshot.nodes.values())

    def _describe(self, node: Node, medians: Mapping[str, MedianSpeed]) -> Json:
        offer = node.description.languages
        return {
            **describe_node(node, self._fleet.loads.find(node.node_id), medians),
            "draining": node.draining,
            "held": node.held.value,
            "languages": sorted(offer.asr | offer.tts),
        }

    def _describe_search(self, choice: Choice) -> Json:
        return {
            "pool_count": len(self._fleet.snapshot.pools.matcher.pools),
            "preferred_pool": choice.pools[0] if choice.pools else None,
            "selected_pool": (choice.pool_id or None) if choice.nodes else None,
            "fallback_used": choice.fallback,
            "attempts": [
                [pool_id, *_say_attempt(choice, pool_id=pool_id)] for pool_id in choice.pools
            ],
        }

    def _describe_config(self, config: PoolConfig) -> Json:
        rules = config.rules
        return {
            "enabled": rules.enabled,
            "mode": rules.mode,
            "pool_count": rules.pool_count,
            "hash_seed": rules.hash_seed,
            "fallback_scan_all_pools": rules.fallback_scan_all,
            "pools": [_describe_pool(pool) for pool in config.pools],
            "tenant_overrides": [
                {"tenant_id": tenant.tenant_id, "pool_id": tenant.pool_id}
                for tenant in config.tenants
                if tenant.pool_id
            ],
            "pool_match_scope": rules.match_scope,
            "pool_match_mode": rules.match_mode,
            "strict_pool_eligibility": rules.strict_eligibility,
            "auto_generate_language_pools": rules.auto_language,
            "auto_pool_config": {
                "min_nodes_per_pool": rules.min_nodes_per_pool,
                "max_pools": rules.max_pools,
                "pool_naming": rules.naming,
                "require_semantic": rules.require_semantic,
                "enable_mixed_pools": rules.enable_mixed,
            },
            "random_sample_size": self._sample_size,
            "enable_session_affinity": rules.session_affinity,
        }


def _describe_pool(pool: Pool) -> Json:
    described: Json = {"pool_id": pool.pool_id, "name": pool.shown_name}
    if pool.required:
        described["required_services"] = list(pool.required)
    if pool.languages:
        languages = list(pool.languages)
        known = {"asr_languages": languages, "tts_languages": languages}
        if pool.kind in LANGUAGE_KINDS and "semantic" in pool.required:
            known["semantic_languages"] = languages
        described["language_requirements"] = known
    return described


def _say_attempt(choice: Choice, *, pool_id: str) -> tuple[str, int]:
    """Return why a pool did not serve, ``ok`` where it did, and how many nodes could."""
    if choice.nodes and pool_id == choice.pool_id:
        return "ok", len(choice.nodes)
    return "no_nodes" if choice.nodes else choice.best_reason, 0


def _count_reasons(choice: Choice) -> Json:
    counted: Mapping[Reason, int] = choice.passed_over
    rows = {reason.value: counted.get(reason, 0) for reason in Reason}
    return {"total_nodes": len(choice.looked_at), **rows}
