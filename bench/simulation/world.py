"""A simulated world: instances of the real core, nodes that work, speakers that speak.

Everything between an utterance and its outcome is the product's own code: dispatcher, chooser,
wait queue, tenants, reservation, attempts, retries, settlement, watchdog, stores. Simulated are
the network, Redis (`routes`), the nodes and the speakers. CPU of instances costs no time here.
"""

import asyncio
import contextlib
import random
from collections.abc import Mapping, Sequence

import msgspec

from bench.fixtures import build_infrastructure, name_session
from bench.simulation import workload
from bench.simulation.fleets import Policy, build_table, fill_fleet, write_node
from bench.simulation.routes import Executor, Masters, VirtualConnection, VirtualRoute
from bench.simulation.tally import Figures, Tally
from bench.simulation.virtual_time import START_MS
from bench.simulation.workload import Arrival, Machine, Setting
from lingua.composition.configuration import CoreConfiguration
from lingua.composition.services import build_services
from lingua.composition.stores import build_stores
from scheduling.jobs.late_jobs import Watched
from scheduling.model import errors
from scheduling.model.events import JobAssigned, JobCancelled, JobSettled, ToNode, ToSession
from scheduling.model.instances import SessionRow
from scheduling.model.limits import JobLimits, PlacementRules
from scheduling.model.nodes import Node
from scheduling.model.outcomes import Refused, Result
from scheduling.model.speeds import measure_work
from scheduling.store.keys import Keys

_KEYS = Keys("simulated")
_LONGEST_DRAIN_S = 150.0
# An ordinary node does ten seconds of speech in one.
_FASTER_THAN_SPEECH = 10
_RESULT = Result(text_asr="a", text_translated="b")


class SimulatedNode:
    """A node's connection: it accepts what it gets, works as long as that takes, and answers."""

    resume_token = ""
    conn_epoch = 1

    def __init__(self, instance: "Instance", machine: Machine, *, failing: float) -> None:
        self._instance = instance
        self._machine = machine
        self._failing = failing
        self._held: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def node(self) -> Node:
        return self._machine.node

    def list_attempts(self) -> list[tuple[str, int]]:
        return list(self._held.items())

    def enqueue(self, event: ToNode) -> bool:
        """Take an event; the socket of a node that fell silent takes it too."""
        world = self._instance.world
        if isinstance(event, JobCancelled):
            self._held.pop(event.job_id, None)
        elif isinstance(event, JobAssigned):
            self._held[event.job_id] = event.attempt
            over = len(self._held) - self.node.max_jobs
            world.tally.note_assigned(
                event.job_id,
                self.node.node_id,
                at_ms=world.elapsed_ms,
                over=over,
                is_hedge=event.is_hedge,
            )
            self._watch(event)
            if world.elapsed_ms < self._machine.silent_from_ms:
                task = asyncio.get_running_loop().create_task(self._work(event))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        return True

    def _watch(self, event: JobAssigned) -> None:
        """Let a second node help; the frames have no audio, so how long it is is filled in."""
        ordinary_ms = self._instance.world.tally.find_arrival(event.job_id).service_ms
        self._instance.hedging.watch(
            Watched(
                event=msgspec.structs.replace(event, audio_ms=ordinary_ms * _FASTER_THAN_SPEECH),
                node_id=self.node.node_id,
                is_held=lambda: self._held.get(event.job_id) == event.attempt,
                note_hedged=lambda: None,
            )
        )

    async def _work(self, event: JobAssigned) -> None:
        instance, world, node_id = self._instance, self._instance.world, self.node.node_id
        await asyncio.sleep(world.network_s * 2)
        before = await instance.attempts.accept(
            session_id=event.session_id,
            job_id=event.job_id,
            attempt=event.attempt,
            node_id=node_id,
            kind=event.kind,
        )
        if before is None:
            self._forget(event)
            return
        given_ms = world.elapsed_ms
        ordinary_ms = world.tally.find_arrival(event.job_id).service_ms
        service_ms = ordinary_ms / self._machine.speed + world.draw_stall_ms(self._machine)
        await asyncio.sleep(service_ms / 1000)
        if world.elapsed_ms >= self._machine.silent_from_ms:
            return
        world.tally.note_worked(node_id, service_ms=service_ms, until_ms=world.elapsed_ms)
        await asyncio.sleep(world.network_s)
        if not self._forget(event):
            return
        if world.rng.random() < self._failing:
            await instance.retries.retry(
                session_id=event.session_id,
                job_id=event.job_id,
                attempt=event.attempt,
                node_id=node_id,
                reason="PROCESSING_ERROR",
                refused=Refused(code="PROCESSING_ERROR", message="The node failed."),
                reported=True,
            )
            return
        await instance.settlement.settle(
            session_id=event.session_id,
            job_id=event.job_id,
            attempt=event.attempt,
            node_id=node_id,
            outcome=_RESULT,
            utterance_index=event.utterance_index,
            trace_id=event.trace_id,
            work=measure_work(
                event.services,
                took_ms=world.elapsed_ms - given_ms,
                audio_ms=round(ordinary_ms) * _FASTER_THAN_SPEECH,
            ),
        )

    def _forget(self, event: JobAssigned) -> bool:
        """Say whether the node still had the attempt, and has it no more."""
        if self._held.get(event.job_id) != event.attempt:
            return False
        del self._held[event.job_id]
        return True


class Speakers:
    """The connections of all sessions of one instance: outcomes are handed over at once."""

    languages: tuple[tuple[str, str], ...] = ()
    is_fenced = False
    is_idle = True

    def __init__(self, instance: "Instance") -> None:
        self._instance = instance

    def enqueue(self, event: ToSession) -> None:
        if not isinstance(event, JobSettled):
            return
        refused = isinstance(event.outcome, Refused)
        outcome = event.outcome.code if isinstance(event.outcome, Refused) else "answered"
        world = self._instance.world
        world.tally.note_ended(event.job_id, outcome, at_ms=world.elapsed_ms)
        if refused:
            self._instance.dispatcher.discard(event.job_id)
        self._instance.settlement.note_delivered(session_id=event.session_id, job_id=event.job_id)

    def describe(self, *, instance_id: str) -> SessionRow:
        """Nobody asks for lists of sessions here."""
        raise NotImplementedError

    def go_away(self) -> None:
        """Nobody leaves here."""

    async def restore(self) -> None:
        """Nothing is ever lost here."""


class SimulatedDelivery:
    """The way between instances: one hop of the network, then the connection there."""

    def __init__(self, world: "World") -> None:
        self._world = world

    async def to_node(self, node_id: str, event: ToNode, *, conn_epoch: int | None) -> bool:
        await asyncio.sleep(self._world.network_s * 2)
        owner = self._world.owners[node_id]
        return bool(owner.delivery.local.to_node(node_id, event, conn_epoch=conn_epoch))

    async def to_session(self, session_id: str, event: ToSession) -> bool:
        await asyncio.sleep(self._world.network_s * 2)
        return self._world.find_home(session_id).delivery.local.to_session(session_id, event)

    async def to_session_at(self, instance_id: str, session_id: str, event: ToSession) -> bool:
        return await self.to_session(session_id, event)


class Instance:
    """One instance's core, composed as the product composes it."""

    def __init__(self, world: "World", policy: Policy, *, number: int) -> None:
        self.world = world
        self.connection = VirtualConnection(VirtualRoute(world.masters, network_s=world.network_s))
        infrastructure = build_infrastructure(
            self.connection, keys=_KEYS, seed=f"{world.setting.seed} instance {number}"
        )
        configuration = CoreConfiguration(
            jobs=JobLimits(waiting_max=policy.waiting_max),
            placement=PlacementRules(
                sample_size=policy.sample_size, ranks_by_speed=policy.ranks_by_speed
            ),
            keep_history=False,
            hedge_share=policy.hedge_share,
        )
        self._timer_tick_s = configuration.timer_tick_s
        stores = build_stores(infrastructure, configuration)
        built = build_services(infrastructure, configuration, stores=stores)
        built.delivery.connect(SimulatedDelivery(world))
        self.fleet = built.fleet
        self.delivery = built.delivery
        self.tenants = built.tenants
        self.settlement = built.settlement
        self.dispatcher = built.dispatcher
        self.retries = built.retries
        self.hedging = built.hedging
        self.attempts = built.attempts
        self.watchdog = built.watchdog
        self.speakers = Speakers(self)
        self.news: dict[str, int] = {}
        self.fleet.listeners.load.append(self.news.__setitem__)

    async def watch(self) -> None:
        """Look at due timers, and at what tenants have under way, for ever."""
        while True:
            await asyncio.sleep(self._timer_tick_s)
            await self.watchdog.run_once()
            await self.tenants.run_once()

    async def speak(self, arrival: Arrival, number: int) -> None:
        """Ask for one utterance, as its session's socket would."""
        request = workload.state_request(arrival, number=number)
        tally, job_id = self.world.tally, request.assignment.job_id
        tally.note_asked(job_id, tally.fates[number])
        try:
            await self.dispatcher.dispatch(request)
        except errors.Refusal as refusal:
            tally.note_ended(job_id, refusal.code, at_ms=self.world.elapsed_ms)


class World:
    """Instances, nodes, speakers and the one Redis they share; made inside a virtual loop."""

    def __init__(self, setting: Setting, policy: Policy, executor: Executor) -> None:
        self.setting = setting
        self.network_s = setting.network_ms / 1000
        self.rng = random.Random(f"{setting.seed} nodes' failures")
        self._stalls = random.Random(f"{setting.seed} stalls")
        self.masters = Masters(executor, count=setting.masters, command_us=setting.command_us)
        self.owners: dict[str, Instance] = {}
        self.tally: Tally
        self._policy = policy
        self._machines = workload.draw_machines(setting)
        nodes = {machine.node.node_id: machine.node for machine in self._machines}
        table = build_table(nodes, policy)
        self._instances = [
            Instance(self, policy, number=number) for number in range(setting.instances)
        ]
        for instance in self._instances:
            fill_fleet(instance.fleet, nodes, table)
        self._connect(nodes)

    @property
    def elapsed_ms(self) -> float:
        return asyncio.get_running_loop().time() * 1000

    def draw_stall_ms(self, machine: Machine) -> float:
        """Return by how much longer a node takes for a job, this time."""
        is_stall = machine.stalls and self._stalls.random() < self.setting.stalls
        return self.setting.stall_ms if is_stall else 0.0

    def find_home(self, session_id: str) -> Instance:
        """Return the instance that holds a session's socket."""
        digits = session_id.removeprefix("s-")
        return self._instances[int(f"0x{digits}", 0) % len(self._instances)]

    async def live(self, arrivals: Sequence[Arrival]) -> Figures:
        """Let everybody speak, wait until every utterance has ended, and return the figures.

        :raises Differs: (where they are compared) the model and Redis said different things
        """
        self.tally = Tally(arrivals, seconds=self.setting.seconds)
        loops = [asyncio.ensure_future(instance.watch()) for instance in self._instances]
        if len(self._instances) > 1:
            loops += [asyncio.ensure_future(self._gossip())]
        speaking = asyncio.ensure_future(self._speak_to_the_end(arrivals))
        await asyncio.wait([speaking, self.masters.fault], return_when="FIRST_COMPLETED")
        if self.masters.fault.done():
            speaking.cancel()
            self.masters.fault.result()
        await speaking
        virtual_s = self.elapsed_ms / 1000
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        for instance in self._instances:
            await instance.connection.close()
        working = {
            machine.node.node_id: machine.node.max_jobs
            for machine in self._machines
            if machine.silent_from_ms > self.setting.seconds * 1000
        }
        return self.tally.describe(
            self._policy.name,
            slots=working,
            commands=self.masters.commands,
            master_busy_s=self.masters.busy_s,
            virtual_s=virtual_s,
        )

    async def _speak_to_the_end(self, arrivals: Sequence[Arrival]) -> None:
        await self._speak(arrivals)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_DRAIN_S):
                await self.tally.all_ended.wait()

    async def _speak(self, arrivals: Sequence[Arrival]) -> None:
        loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        for number, arrival in enumerate(arrivals):
            early_s = arrival.at_ms / 1000 - loop.time()
            if early_s > 0:
                await asyncio.sleep(early_s)
            home = self._instances[arrival.session % len(self._instances)]
            task = loop.create_task(home.speak(arrival, number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            await asyncio.wait(tasks)

    async def _gossip(self) -> None:
        """Tell every instance of the loads the others learned, as load broadcasts do."""
        while True:
            await asyncio.sleep(self.setting.gossip_ms / 1000)
            told = []
            for instance in self._instances:
                told.append(dict(instance.news))
                instance.news.clear()
            await asyncio.sleep(self.network_s * 2)
            for hearer in self._instances:
                for other, news in zip(self._instances, told, strict=True):
                    if other is not hearer:
                        for node_id, load in news.items():
                            hearer.fleet.loads.learn(node_id, load)

    def _connect(self, nodes: Mapping[str, Node]) -> None:
        """Open every socket, and write every node into Redis, as if all had registered."""
        setting = self.setting
        for machine in self._machines:
            owner = self._instances[machine.instance]
            node_id = machine.node.node_id
            self.owners[node_id] = owner
            owner.delivery.local.attach_node(
                node_id, SimulatedNode(owner, machine, failing=setting.failing)
            )
        for number in range(setting.sessions):
            home = self._instances[number % len(self._instances)]
            home.delivery.local.attach_session(name_session(number), home.speakers)
        records = [write_node(node, _KEYS) for node in nodes.values()]
        self.masters.executor.run(records, START_MS)
