"""What goes wrong on a live server for each alert: the table, and how each fault is caused."""

import asyncio
import dataclasses
import http.server
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from tests.alerts.scene import Samples, Scene
from tests.history.conftest import History
from tests.manage import issue_api_token
from tests.peers.frames import draw_languages
from tests.peers.http import ask
from tests.sessions_app.recorded import speech_as_pcm16
from tests.waiting import eventually

_HOUR_MS = 3_600_000
_SOME = 20
_MANY = 1_100
_MISSED_BY_THE_DEAF = 5
# Longer than the alert bears.
_LATE_S = 5.5
_QUIET_BYTES = 64_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """How to cause it; the settings it needs; `growing` gauges go on growing with time.

    `seen_after_s` is how long after it begins the alert must stand: its own `for`, and the window
    of its rates.
    """

    cause: Callable[[Scene], Awaitable[None]]
    seen_after_s: int
    settings: dict[str, str] = dataclasses.field(default_factory=dict)
    growing: str = ""
    needs_hub: bool = False


async def redis_stops(scene: Scene) -> None:
    """Redis is gone."""
    scene.own_redis.stop()
    await scene.until("scheduler_degrade_mode", lambda value: value == 1)


async def instance_dies(scene: Scene) -> None:
    """The process is killed."""
    scene.lingua.instance.process.kill()
    await asyncio.to_thread(scene.lingua.instance.process.wait)


async def node_is_overfull(scene: Scene) -> None:
    """Somebody wrote more leases into a node than it offers."""
    _fill(scene, leases=5)
    await scene.say()
    await scene.until("scheduler_overcommit_total", lambda value: value > 0)


async def node_is_full_unknown_to_us(scene: Scene) -> None:
    """A node has no slot although nobody told us: what we know of it is old."""
    _fill(scene, leases=2)
    await scene.say()
    await scene.until('scheduler_reserve_attempt_total{result="fail"', lambda value: value > 0)


async def node_does_not_accept(scene: Scene) -> None:
    """A node takes jobs and says nothing."""
    await scene.say()
    await scene.node.job()
    await scene.until('scheduler_ack_timeout_total{stage="ack"', lambda value: value > 0)


async def speaker_waits_for_text(scene: Scene) -> None:
    """A node takes its time with what somebody said."""
    for chunk in (speech_as_pcm16(), bytes(_QUIET_BYTES)):
        await scene.speaker.chunk(chunk)
    job = await scene.node.job()
    await scene.node.ack(job)
    late_at = time.time() + _LATE_S
    await eventually(lambda: time.time() >= late_at)
    await scene.node.finish(job)
    await scene.until('scheduler_speech_end_to_text_seconds_count{mode="parcel"', bool)


async def node_accepts_late(scene: Scene) -> None:
    """A node accepts when its reservation is over, and nobody looked in the meantime."""
    await scene.say()
    job = await scene.node.job()
    key = scene.key(f"{{node:{scene.node.node_id}}}:resv")
    await eventually(
        lambda: all(end <= time.time() * 1000 for _, end in _leases(scene, key)),
        "the reservation does not end",
        within_s=30,
    )
    await scene.node.ack(job)
    await scene.until("scheduler_reservation_expired_total", lambda value: value > 0)
    await scene.node.finish(job)


async def redis_is_slow(scene: Scene) -> None:
    """Redis answers a tenth of a second late."""
    for _ in range(3):
        scene.lingua.redis.execute_command("CLIENT", "PAUSE", "150", "ALL")
        await scene.work(1)


async def timers_are_late(scene: Scene) -> None:
    """The loop over timers is held up for seconds; a job that waits is looked at late."""
    await _fill_slots(scene)
    # Right after the first was looked at, the loop begins to be held up anew.
    await scene.say()
    await scene.until("scheduler_timer_lag_seconds", bool)
    await scene.say()
    await scene.until("scheduler_timer_lag_seconds", lambda value: value > 2)


async def node_leaves(scene: Scene) -> None:
    """A node is switched off."""
    await scene.node.close()
    await scene.until('scheduler_nodes_total{status="offline"', lambda value: value > 0)


async def a_pool_is_held_back(scene: Scene) -> None:
    """Of three nodes the only one of its pool is in quarantine."""
    for _ in range(2):
        await scene.join(draw_languages())
    await _quarantine(scene, scene.node.node_id)
    await scene.until("scheduler_pools_held_back", lambda value: value > 0)


async def half_the_nodes_are_held_back(scene: Scene) -> None:
    """Of two nodes of a pool one is in quarantine."""
    other = await scene.join(scene.languages)
    await _quarantine(scene, other.node_id)
    await scene.until('scheduler_node_standings{state="quarantine"', lambda value: value == 1)
    await scene.until("scheduler_pools_held_back", lambda value: value == 0)


async def pools_are_full(scene: Scene) -> None:
    """Speakers ask for more than the nodes of their pool have slots."""
    before = await scene.value("scheduler_phase3_pool_selected_total")
    await _fill_slots(scene)
    for _ in range(_SOME):
        await scene.say()
    await scene.until("scheduler_phase3_pool_selected_total", lambda value: value >= before + _SOME)


async def nobody_serves_a_pair(scene: Scene) -> None:
    """A speaker asks, once, for languages that no node serves."""
    src, tgt = draw_languages()
    await scene.speaker.say(scene.said, src_lang=src, tgt_lang=tgt)
    scene.said += 1
    await scene.until("scheduler_dispatch_refused_total", bool)


async def redis_refuses_a_command(scene: Scene) -> None:
    """Somebody took a right away from our user of Redis."""
    scene.lingua.redis.execute_command("ACL", "SETUSER", "default", "-hvals")
    for _ in range(_SOME):
        await asyncio.to_thread(_ask_for_sessions, scene.lingua.instance.address)
    scene.lingua.redis.execute_command("ACL", "SETUSER", "default", "+hvals")


async def nobody_leads(scene: Scene) -> None:
    """The leadership is held by who does not live."""
    scene.lingua.redis.hset(
        scene.key("{poolcfg}:leader"),
        mapping={"instance_id": "gone", "until_ms": int(time.time() * 1000) + _HOUR_MS},
    )
    await scene.until("scheduler_leader_state", lambda value: value == 0)


async def an_instance_does_not_follow(scene: Scene) -> None:
    """The pool configuration changed; the hint was lost on the way to one of two instances."""
    deaf = scene.servers.start(
        "uvicorn", LINGUA_KEY_PREFIX=scene.lingua.prefix, LINGUA_POOL_CHECK_MS="600000"
    )
    scene.others.append(deaf)
    # An instance that has just started looks once more: it is deaf when it missed several changes.
    hearing, not_hearing = (
        f'scheduler_pool_config_version{{instance="{instance}"}}' for instance in "ab"
    )

    async def heard_of(version: int) -> Samples:
        return await eventually(
            scene.scrape, fits=lambda samples: samples[hearing] >= version, within_s=30
        )

    missed = 0
    async with asyncio.timeout(30):
        while missed < _MISSED_BY_THE_DEAF:
            version = scene.lingua.redis.hincrby(scene.key("{poolcfg}:doc"), "version", 1)
            samples = await heard_of(version)
            missed = missed + 1 if samples[not_hearing] < version else 0


async def statistics_are_not_made(scene: Scene) -> None:
    """The statistics loop is held up."""
    await scene.until("scheduler_dashboard_snapshot_age_seconds", lambda value: value > 10)


async def the_database_is_away(scene: Scene) -> None:
    """The database goes away while jobs end."""
    History(scene.lingua.instance.notes_file.parent / "var").take_away()
    await scene.work(1)
    await scene.until("scheduler_history_down", lambda value: value == 1)


async def the_hub_stops(scene: Scene) -> None:
    """The model hub answered once and is gone; time goes on."""
    name = "scheduler_service_catalog_last_success_age_seconds"
    await scene.until(name, lambda value: value > 1)


async def an_inbox_is_read_and_not_finished(scene: Scene) -> None:
    """Somebody reads what is sent to the instance and finishes nothing."""
    _read_unfinished(scene, messages=_MANY)
    await scene.until("scheduler_phase2_inbox_pending", lambda value: value >= _MANY)


async def an_envelope_is_never_finished(scene: Scene) -> None:
    """One message is read and never finished; time goes on."""
    _read_unfinished(scene, messages=1)
    name = "scheduler_inbox_oldest_pending_seconds"
    await scene.until(name, lambda value: value > 0)
    seen = await scene.value(name)
    await scene.until(name, lambda value: value > seen)


async def an_envelope_makes_no_sense(scene: Scene) -> None:
    """Somebody who is not of us writes into an inbox."""
    scene.lingua.redis.xadd(_inbox(scene), {"garbage": "x"})
    await scene.until("scheduler_phase2_dlq_moved_total", lambda value: value > 0)


FAULTS: dict[str, Fault] = {
    "SchedulerDependencyDown": Fault(cause=redis_stops, seen_after_s=80),
    "InstanceMissing": Fault(cause=instance_dies, seen_after_s=90),
    "OvercommitDetected": Fault(cause=node_is_overfull, seen_after_s=60),
    "ReserveSuccessRateLow": Fault(cause=node_is_full_unknown_to_us, seen_after_s=1_000),
    "AckTimeoutRateHigh": Fault(
        cause=node_does_not_accept, seen_after_s=650, settings={"LINGUA_ACK_TIMEOUT_MS": "200"}
    ),
    "ReservationExpiredRateHigh": Fault(
        cause=node_accepts_late,
        seen_after_s=1_000,
        settings={
            "LINGUA_RESERVATION_MS": "500",
            "LINGUA_ACK_TIMEOUT_MS": "400",
            "LINGUA_TIMER_TICK_MS": "60000",
        },
    ),
    "DispatchLatencyP99High": Fault(cause=redis_is_slow, seen_after_s=1_000),
    "SpeechAnsweredLate": Fault(
        cause=speaker_waits_for_text,
        seen_after_s=1_000,
        settings={"LINGUA_RUN_TIMEOUT_S": "60", "LINGUA_PENDING_TIMEOUT_S": "60"},
    ),
    "TimerLagHigh": Fault(
        cause=timers_are_late,
        seen_after_s=100,
        settings={
            "LINGUA_TIMER_TICK_MS": "5000",
            "LINGUA_PENDING_TIMEOUT_S": "0.5",
            "LINGUA_RUN_TIMEOUT_S": "60",
        },
    ),
    "NodesOffline": Fault(cause=node_leaves, seen_after_s=150),
    "PoolHeldBack": Fault(cause=a_pool_is_held_back, seen_after_s=90),
    "NodesHeldBack": Fault(cause=half_the_nodes_are_held_back, seen_after_s=350),
    "LinguaSchedulerPhase3PoolSelectionMissHigh": Fault(
        cause=pools_are_full,
        seen_after_s=1_000,
        # None of what waits or runs ends before it was counted.
        settings={"LINGUA_RUN_TIMEOUT_S": "60", "LINGUA_PENDING_TIMEOUT_S": "60"},
    ),
    "PairWithoutNode": Fault(cause=nobody_serves_a_pair, seen_after_s=200),
    "LinguaSchedulerPhase2RedisErrorsHigh": Fault(cause=redis_refuses_a_command, seen_after_s=650),
    "LinguaSchedulerPhase2InboxPendingHigh": Fault(
        cause=an_inbox_is_read_and_not_finished, seen_after_s=650
    ),
    "LinguaSchedulerPhase2DLQIncreasing": Fault(cause=an_envelope_makes_no_sense, seen_after_s=650),
    "InboxOldestPending": Fault(
        cause=an_envelope_is_never_finished,
        seen_after_s=150,
        growing="scheduler_inbox_oldest_pending_seconds",
    ),
    "NoPoolLeader": Fault(cause=nobody_leads, seen_after_s=120),
    "PoolConfigVersionDiverged": Fault(
        cause=an_instance_does_not_follow,
        seen_after_s=60,
        settings={"LINGUA_POOL_CHECK_MS": "100"},
    ),
    "StatsStale": Fault(
        cause=statistics_are_not_made,
        seen_after_s=90,
        settings={"LINGUA_STATS_INTERVAL_S": "120"},
    ),
    "HistoryNotWritten": Fault(cause=the_database_is_away, seen_after_s=350),
    "CatalogStale": Fault(
        cause=the_hub_stops,
        seen_after_s=3_700,
        growing="scheduler_service_catalog_last_success_age_seconds",
        needs_hub=True,
    ),
}


@contextmanager
def run_hub() -> Iterator[str]:
    """Serve one catalog of services, once; every later request fails."""
    answered = threading.Event()

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if answered.is_set():
                self.send_error(503)
                return
            answered.set()
            body = json.dumps([{"service_id": "asr-1"}]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _fill(scene: Scene, *, leases: int) -> None:
    """Write leases that nobody took through us into the node's record in Redis."""
    key = scene.key(f"{{node:{scene.node.node_id}}}:run")
    ends_at_ms = int(time.time() * 1000) + _HOUR_MS
    scene.lingua.redis.zadd(key, {f"foreign-{number}:1": ends_at_ms for number in range(leases)})


async def _quarantine(scene: Scene, node_id: str) -> None:
    """Do as an operator does on `/fleet`."""
    token = await asyncio.to_thread(
        issue_api_token, var=scene.lingua.instance.notes_file.parent / "var"
    )
    path = f"/api/v1/nodes/{node_id}/quarantine"
    assert (await ask(scene.lingua.instance.address, path, token=token)).status == 200


async def _fill_slots(scene: Scene) -> None:
    """Give the node, which has two slots, as many jobs that do not end.

    What its acceptance says of its load is known before more is asked.
    """
    name = "scheduler_job_start_seconds_count"
    for _ in range(2):
        started = await scene.value(name)
        await scene.say()
        await scene.node.ack(await scene.node.job())
        await scene.until(name, started.__lt__)


def _inbox(scene: Scene) -> str:
    """Return the key of the instance's inbox."""
    (key,) = scene.lingua.redis.scan_iter(f"{scene.lingua.prefix}:asgi:{{process:*}}:stream")
    return str(key)


def _read_unfinished(scene: Scene, *, messages: int) -> None:
    """Write messages and read them as another reader of the same inbox, before the instance can."""
    key = _inbox(scene)
    with scene.lingua.redis.pipeline(transaction=True) as together:
        for _ in range(messages):
            together.xadd(key, {"target": "nobody", "payload": "x"})
        together.xreadgroup("readers", "intruder", {key: ">"}, count=messages)
        together.execute()


def _leases(scene: Scene, key: str) -> list[tuple[str, float]]:
    held: list[tuple[str, float]] = scene.lingua.redis.zrange(key, 0, -1, withscores=True)
    return held


def _ask_for_sessions(address: str) -> None:
    try:
        urllib.request.urlopen(f"http://{address}/api/v1/sessions", timeout=10).close()
    except urllib.error.HTTPError as error:
        error.close()
