"""A Redis Cluster whose masters a test kills or stops, and what its instances make of it."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from channels_streams.names import find_owner

from lingua.settings.embedded_redis import EmbeddedRedis
from scheduling.store.keys import pick_shard
from scheduling.store.timers import name_job
from scripts.redis_cluster import EmbeddedCluster
from tests.instances.servers import Cluster
from tests.instances.test_redis_faults import DOWN, REFUSED_WITHIN_S, Scene
from tests.peers.frames import Frame, draw_languages
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.server.launcher import Instance

TIMER_SHARDS = 16
# Of three masters, one has the presence of each, and one the index of both.
ONE, TWO = "a", "two"
_DEADLINE_S = 60.0


class LostMasters(Scene):
    """A scene on a cluster: every slot of the node may be taken while a master is lost."""

    masters: EmbeddedCluster
    # The node's, then the speaker's.
    instances: tuple[Instance, Instance]

    def find_master(self, tag: str) -> EmbeddedRedis:
        """Return the master that owned an entity when the cluster was made."""
        return self.masters.find_owner(self.cluster.key(f"{{{tag}}}:"))

    @property
    def of_session(self) -> EmbeddedRedis:
        return self.find_master(f"session:{self.speaker.session_id}")

    @property
    def of_node(self) -> EmbeddedRedis:
        return self.find_master(f"node:{self.node.node_id}")

    @property
    def of_inbox(self) -> EmbeddedRedis:
        """Return the master of the stream that the speaker's instance reads."""
        presence = self.cluster.read_hash(f"{{instance:{TWO}}}:presence")
        record = json.loads(presence["record"])
        return self.find_master(f"process:{find_owner(record['channel'])}")

    def of_timer(self, job: Frame) -> EmbeddedRedis:
        """Return the master of the shard that holds a job's timer."""
        entity = name_job(self.speaker.session_id, job["job_id"])
        return self.find_master(f"t:{pick_shard(entity, TIMER_SHARDS)}")

    async def accept(self) -> Frame:
        """Say an utterance that the node takes and does not answer yet; return its job."""
        self.index += 1
        await self.speaker.say(self.index)
        job = await self.node.job(utterance_index=self.index)
        await self.node.acknowledge(job)
        await self.speaker.next("ui_event", event="NODE_ACCEPTED", utterance_index=self.index)
        return job

    async def is_refused_at_once(self) -> None:
        """Ask until refused for want of Redis, then see that it takes no time.

        Utterances accepted before keep their place: only the marker of the refused one waits.
        """
        quickest = _DEADLINE_S
        async with asyncio.timeout(_DEADLINE_S):
            while quickest > REFUSED_WITHIN_S:
                self.index += 1
                begun = time.monotonic()
                await self.speaker.say(self.index)
                await self.speaker.next(self._tells_what_became_of(self.index))
                if self.speaker.told("ui_event", error_code=DOWN, utterance_index=self.index):
                    quickest = min(quickest, time.monotonic() - begun)

    def _tells_what_became_of(self, index: int) -> Callable[[Frame], bool]:
        kinds = {"ERROR", "NODE_ACCEPTED"}
        return lambda frame: frame.get("utterance_index") == index and frame.get("event") in kinds

    async def all_ended(self) -> list[Frame]:
        """Wait until each utterance has its end; see that none has two, nor the node too many."""
        async with asyncio.timeout(_DEADLINE_S):
            for index in range(1, self.index + 1):
                await self.answer(index)
        ends = self.speaker.told("translation_result") + self.speaker.told("missing_result")
        assert sorted(end["utterance_index"] for end in ends) == list(range(1, self.index + 1))
        assert self.node.most_held <= self.node.slots
        return ends


@asynccontextmanager
async def open_scene(
    cluster: Cluster, masters: EmbeddedCluster, **variables: str
) -> AsyncIterator[LostMasters]:
    """A node on one instance, a speaker on another, for whom all works; their sockets stay."""
    async with open_peers(cluster, masters, start_two(cluster, **variables)) as scene:
        yield scene


def start_two(cluster: Cluster, **variables: str) -> tuple[Instance, Instance]:
    shards = {"LINGUA_TIMER_SHARDS": str(TIMER_SHARDS)}
    one, two = (
        cluster.start(LINGUA_INSTANCE_ID=name, **(shards | variables)) for name in (ONE, TWO)
    )
    return one, two


@asynccontextmanager
async def open_peers(
    cluster: Cluster, masters: EmbeddedCluster, instances: tuple[Instance, Instance]
) -> AsyncIterator[LostMasters]:
    """A node on the one, a speaker on the other."""
    pair = draw_languages()
    async with (
        WorkingNode.connect(instances[0].url("/ws/node")) as node,
        Speaker.connect(instances[1].url("/ws/session")) as speaker,
    ):
        await node.register(pair)
        await speaker.init(pair, resume_token="")
        scene = LostMasters(node, speaker, cluster)
        scene.masters, scene.instances = masters, instances
        node.works = True
        await scene.await_whole()
        yield scene
        assert node.close_code is None
        assert speaker.close_code is None


@asynccontextmanager
async def join_elsewhere(scene: LostMasters, *, than: EmbeddedRedis) -> AsyncIterator[LostMasters]:
    """Let a second speaker join, at the node's instance, whose session is at another master."""
    while True:
        async with Speaker.connect(scene.instances[0].url("/ws/session")) as speaker:
            await speaker.init(scene.speaker.languages)
            other = LostMasters(scene.node, speaker, scene.cluster)
            other.masters, other.instances = scene.masters, scene.instances
            if other.of_session is not than:
                yield other
                return


def stop(master: EmbeddedRedis) -> None:
    """Let a master sleep: its connections stay, nothing is answered."""
    os.kill(master.pid, signal.SIGSTOP)


def wake(master: EmbeddedRedis) -> None:
    os.kill(master.pid, signal.SIGCONT)
