"""The parts of one instance that make it one of many, built and started together."""

import dataclasses
import os
import socket
from collections.abc import Sequence

from lingua import settings
from lingua.composition.inbox_meter import InboxMeter
from lingua.composition.services import Core, Ground
from lingua.composition.transport import LayerCarrier
from lingua.serving.supervisor import Loop
from operators.live.exchange import LiveExchange
from scheduling.fleet.fleet_watch import FleetWatch
from scheduling.fleet.reconciler import Reconciler
from scheduling.fleet.state_recovery import Restoring
from scheduling.model import clock, errors, ids, instance_messages
from scheduling.model.instance_messages import PeerCame, PeerLeft
from scheduling.model.instances import InstanceRecord
from scheduling.network.fleet_broadcast import Herald
from scheduling.network.inbox import Inbox
from scheduling.network.load_broadcast import LoadNews
from scheduling.network.peers import Peers
from scheduling.network.redelivery import Readdressing
from scheduling.network.remote_delivery import PostOffice
from scheduling.store.instances import InstanceStore
from scheduling.store.node_index import NodeIndexStore


@dataclasses.dataclass(kw_only=True)
class Network:
    """What joins this instance to the others, and lets it leave."""

    carrier: LayerCarrier
    peers: Peers
    loops: Sequence[Loop]
    fleet_watch: FleetWatch
    restoring: Restoring
    exchange: LiveExchange
    instances: InstanceStore
    readdressing: Readdressing
    must_be_alone: bool

    async def start(self) -> None:
        """Be seen, and know all nodes, before the first socket.

        :raises InstanceIdTaken: another process lives under this id
        :raises NotAlone: an instance that must be alone is not, or we are not beside one
        :raises DependencyDown: Redis did not answer
        """
        await self.peers.join(is_gone=_has_ended)
        if not self.peers.is_alone and (
            self.must_be_alone or any(peer.is_exclusive for peer in self.peers.list_others())
        ):
            await self.peers.leave()
            raise errors.NotAlone
        self.peers.on_lost = self._restore
        self.peers.on_dead = self.fleet_watch.bury
        await self.carrier.broadcast(instance_messages.encode(PeerCame(record=self.peers.record)))
        await self.fleet_watch.run_once()

    async def leave(self) -> None:
        """Say farewell: others stop writing to us, our id is free."""
        try:
            farewell = PeerLeft(instance_id=self.peers.record.instance_id)
            await self.peers.leave()
            await self.carrier.broadcast(instance_messages.encode(farewell))
            await self.carrier.close()
        except errors.DependencyDown:
            return

    async def _restore(self) -> None:
        await self.carrier.join_again()
        await self.restoring.run_once()


async def open_network(
    carrier: LayerCarrier, *, instance_id: str, version: str, must_be_alone: bool
) -> InstanceRecord:
    """Open this process's inbox and return what others will know of it.

    :raises DependencyDown: the channel layer cannot reach its Redis
    """
    return InstanceRecord(
        instance_id=instance_id,
        boot_id=ids.new_token(),
        channel=await carrier.open(),
        hostname=socket.gethostname(),
        pid=os.getpid(),
        version=version,
        started_at_ms=clock.now_ms(),
        is_exclusive=must_be_alone,
    )


def build_network(
    record: InstanceRecord, ground: Ground, core: Core, *, carrier: LayerCarrier
) -> Network:
    """Build the parts and connect them to what serves this process's own sockets."""
    stores = core.stores
    presence_ms = round(settings.LINGUA_PRESENCE_TTL_S * 1000)
    refresh_s = settings.LINGUA_SNAPSHOT_REFRESH_MS / 1000
    instances = InstanceStore(ground.connection, keys=ground.keys, presence_ms=presence_ms)
    peers = Peers(
        record=record,
        store=instances,
        interval_s=min(refresh_s, settings.LINGUA_PRESENCE_INTERVAL_S, presence_ms / 3000),
        journal=ground.journal,
    )
    post = PostOffice(
        peers=peers, carrier=carrier, fleet=core.fleet, nodes=stores.nodes, sessions=core.sessions
    )
    core.delivery.connect(post)
    readdressing = Readdressing(
        instances=instances, nodes=stores.nodes, sessions=core.sessions, jobs=stores.jobs
    )
    carrier.readdress(readdressing.find_channel)
    index = NodeIndexStore(ground.connection, keys=ground.keys)
    fleet_watch = FleetWatch(
        index=index,
        stores=stores,
        fleet=core.fleet,
        delivery=core.delivery,
        interval_s=refresh_s,
        forget_ms=core.node_limits.forget_ms,
        grace_ms=core.node_limits.grace_ms,
    )
    return Network(
        carrier=carrier,
        peers=peers,
        fleet_watch=fleet_watch,
        restoring=Restoring(delivery=core.delivery, registry=core.registry),
        exchange=carrier.open_exchange(record.instance_id),
        instances=instances,
        readdressing=readdressing,
        must_be_alone=record.is_exclusive,
        loops=[
            peers,
            _build_inbox(core, carrier=carrier, peers=peers, post=post),
            Herald(fleet=core.fleet, peers=peers, post=post, index=index),
            LoadNews(fleet=core.fleet, peers=peers, post=post),
            fleet_watch,
            _build_reconciler(ground, core),
            InboxMeter(
                carrier=carrier, journal=ground.journal, interval_s=settings.LINGUA_STATS_INTERVAL_S
            ),
        ],
    )


def _build_inbox(core: Core, *, carrier: LayerCarrier, peers: Peers, post: PostOffice) -> Inbox:
    return Inbox(
        carrier=carrier,
        peers=peers,
        post=post,
        delivery=core.delivery,
        fleet=core.fleet,
        jobs=core.stores.jobs,
        recovery=core.recovery,
    )


def _build_reconciler(ground: Ground, core: Core) -> Reconciler:
    return Reconciler(
        stores=core.stores,
        fleet=core.fleet,
        delivery=core.delivery,
        journal=ground.journal,
        run_timeout_ms=core.job_limits.run_timeout_ms,
        interval_s=settings.LINGUA_RECONCILE_INTERVAL_S,
    )


def _has_ended(record: InstanceRecord) -> bool:
    """Say whether another holder of our id is surely gone: it ran on this host, and ended."""
    if record.hostname != socket.gethostname():
        return False
    if record.pid == os.getpid():
        return True
    try:
        os.kill(record.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
