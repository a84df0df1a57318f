"""The parts of one instance that make it one of many, built and started together."""

import dataclasses
import os
import socket
from collections.abc import Sequence

from lingua.composition.configuration import NetworkConfiguration
from lingua.composition.inbox_meter import InboxMeter
from lingua.composition.layer_figures import Layer
from lingua.composition.services import Services
from lingua.composition.stores import Infrastructure
from lingua.composition.transport import LayerTransport, open_transport
from lingua.serving.supervisor import Loop
from lingua.settings.version import VERSION
from scheduling.fleet.fleet_watch import FleetWatch
from scheduling.fleet.reconciler import Reconciler
from scheduling.fleet.state_recovery import StateRecovery
from scheduling.model import clock, errors, ids, instance_messages
from scheduling.model.instance_messages import PeerCame, PeerLeft
from scheduling.model.instances import InstanceRecord
from scheduling.network.fleet_broadcast import FleetBroadcast
from scheduling.network.inbox import InstanceInbox
from scheduling.network.load_broadcast import LoadBroadcast
from scheduling.network.peers import Peers
from scheduling.network.redelivery import Redelivery
from scheduling.network.remote_delivery import RemoteDelivery
from scheduling.network.remote_rooms import RemoteRooms
from scheduling.store.instances import InstanceStore
from scheduling.store.node_index import NodeIndexStore


@dataclasses.dataclass(kw_only=True)
class Network:
    """What joins this instance to the others, and lets it leave."""

    transport: LayerTransport
    peers: Peers
    loops: Sequence[Loop]
    fleet_watch: FleetWatch
    instances: InstanceStore
    redelivery: Redelivery
    must_be_alone: bool

    async def start(self) -> None:
        """Be seen, and know all nodes, before the first socket.

        :raises InstanceIdTaken: another process lives under this id
        :raises NotAlone: an instance that must be alone is not, or we are not beside one
        :raises PayloadKeysDiffer: we and another instance cannot read what the other seals
        :raises DependencyDown: Redis did not answer
        """
        await self.peers.join(is_gone=_has_ended)
        if not self.peers.is_alone and (
            self.must_be_alone or any(peer.is_exclusive for peer in self.peers.list_others())
        ):
            await self.peers.leave()
            raise errors.NotAlone
        others = self.peers.list_others()
        if not all(self.peers.record.understands(other) for other in others):
            await self.peers.leave()
            raise errors.PayloadKeysDiffer
        await self.transport.broadcast(instance_messages.encode(PeerCame(record=self.peers.record)))
        await self.fleet_watch.run_once()

    async def leave(self) -> None:
        """Tell the others that we end, so that they stop writing to us and our id is free."""
        try:
            left = PeerLeft(instance_id=self.peers.record.instance_id)
            await self.peers.leave()
            await self.transport.broadcast(instance_messages.encode(left))
            await self.transport.close()
        except errors.DependencyDown:
            return


async def open_network(
    layer: Layer,
    infrastructure: Infrastructure,
    services: Services,
    configuration: NetworkConfiguration,
    *,
    trouble: tuple[type[Exception], ...],
) -> Network:
    """Open this process's inbox and build what connects its sockets to other instances.

    `trouble` are the exceptions by which the layer says that it cannot reach its Redis.

    :raises DependencyDown: the channel layer cannot reach its Redis
    """
    instances = build_instances(infrastructure, configuration)
    redelivery = build_redelivery(services, instances=instances)
    transport = await open_transport(
        layer,
        instance_id=infrastructure.instance_id,
        trouble=trouble,
        find_channel=redelivery.find_channel,
    )
    record = InstanceRecord(
        instance_id=infrastructure.instance_id,
        boot_id=ids.new_token(),
        channel=transport.channel,
        hostname=socket.gethostname(),
        pid=os.getpid(),
        version=VERSION,
        started_at_ms=clock.now_ms(),
        is_exclusive=configuration.must_be_alone,
        payload_keys=infrastructure.seal.names if infrastructure.seal else (),
    )
    return _build_network(
        record,
        infrastructure,
        services,
        configuration,
        transport=transport,
        instances=instances,
        redelivery=redelivery,
    )


def _build_network(
    record: InstanceRecord,
    infrastructure: Infrastructure,
    services: Services,
    configuration: NetworkConfiguration,
    *,
    transport: LayerTransport,
    instances: InstanceStore,
    redelivery: Redelivery,
) -> Network:
    stores = services.stores
    presence_ms, refresh_s = configuration.presence_ms, configuration.refresh_s
    index = NodeIndexStore(infrastructure.connection, keys=infrastructure.keys)
    fleet_watch = FleetWatch(
        index=index,
        fleet=services.fleet,
        delivery=services.delivery,
        departure=services.departure,
        interval_s=refresh_s,
        forget_ms=services.configuration.nodes.forget_ms,
    )
    state_recovery = StateRecovery(
        delivery=services.delivery,
        registry=services.registry,
        job_recovery=services.job_recovery,
    )

    async def restore() -> None:
        await transport.join_again()
        await state_recovery.run_once()

    async def retire(instance_id: str) -> None:
        services.rooms.upkeep.retire_instance(instance_id)
        await fleet_watch.retire_instance_nodes(instance_id)

    peers = Peers(
        record=record,
        store=instances,
        interval_s=min(refresh_s, configuration.presence_interval_s, presence_ms / 3000),
        metrics=infrastructure.metrics,
        on_lost=restore,
        on_dead=retire,
    )
    remote_delivery = RemoteDelivery(
        peers=peers,
        transport=transport,
        fleet=services.fleet,
        nodes=stores.nodes,
        sessions=services.sessions,
    )
    # The way to other instances goes by the peers, and what is done for a peer that died ends in
    # deliveries: this circle is closed here, and nowhere else.
    services.delivery.connect(remote_delivery)
    services.rooms.broadcast.connect(RemoteRooms(transport=transport))
    return Network(
        transport=transport,
        peers=peers,
        fleet_watch=fleet_watch,
        instances=instances,
        redelivery=redelivery,
        must_be_alone=record.is_exclusive,
        loops=[
            peers,
            _build_inbox(
                services, transport=transport, peers=peers, remote_delivery=remote_delivery
            ),
            FleetBroadcast(
                fleet=services.fleet, peers=peers, remote_delivery=remote_delivery, index=index
            ),
            LoadBroadcast(
                fleet=services.fleet,
                peers=peers,
                remote_delivery=remote_delivery,
                outlook=services.outlook,
            ),
            fleet_watch,
            services.unchanged_heartbeats,
            _build_reconciler(
                infrastructure, services, interval_s=configuration.reconcile_interval_s
            ),
            InboxMeter(
                figures=transport.figures,
                metrics=infrastructure.metrics,
                interval_s=configuration.stats_interval_s,
            ),
        ],
    )


def build_instances(
    infrastructure: Infrastructure, configuration: NetworkConfiguration
) -> InstanceStore:
    """Build the store of who lives."""
    return InstanceStore(
        infrastructure.connection, keys=infrastructure.keys, presence_ms=configuration.presence_ms
    )


def build_redelivery(services: Services, *, instances: InstanceStore) -> Redelivery:
    """Build what finds whoever holds a connection now that a message did not reach."""
    return Redelivery(
        instances=instances,
        nodes=services.stores.nodes,
        sessions=services.sessions,
        jobs=services.stores.jobs,
    )


def _build_inbox(
    services: Services, *, transport: LayerTransport, peers: Peers, remote_delivery: RemoteDelivery
) -> InstanceInbox:
    return InstanceInbox(
        transport=transport,
        peers=peers,
        remote_delivery=remote_delivery,
        delivery=services.delivery,
        fleet=services.fleet,
        jobs=services.stores.jobs,
        retries=services.retries,
        lines=services.lines,
        notices=services.notices,
        rooms=services.rooms.broadcast,
        room_upkeep=services.rooms.upkeep,
        accepted=services.accepted,
    )


def _build_reconciler(
    infrastructure: Infrastructure, services: Services, *, interval_s: float
) -> Reconciler:
    return Reconciler(
        stores=services.stores,
        fleet=services.fleet,
        delivery=services.delivery,
        metrics=infrastructure.metrics,
        run_timeout_ms=services.configuration.jobs.run_timeout_ms,
        interval_s=interval_s,
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
