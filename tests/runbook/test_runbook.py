"""The runbook is true: its commands run against real instances, its alerts are all of them."""

import asyncio
import os
import re
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.alerts.rules import list_rules
from tests.history.conftest import History
from tests.history.test_job_history import await_history
from tests.instances.servers import Cluster
from tests.manage import clear_environment
from tests.peers.frames import draw_languages
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.redis_under_test import OwnRedis, describe
from tests.server.launcher import Instance
from tests.waiting import eventually

_ROOT = Path(__file__).parents[2]
_RUNBOOK = (_ROOT / "docs" / "runbook.md").read_text()
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_DEADLINE_S = 900


def anchor(heading: str) -> str:
    """Return a heading's anchor, as pages that show Markdown make it."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


_ANCHORS = {anchor(heading) for heading in _HEADING.findall(_RUNBOOK)}


@pytest.mark.req("O9", "O10")
def test_every_alert_leads_to_its_own_part_of_the_runbook() -> None:
    led = {rule["alert"]: rule["annotations"].get("runbook_url") for rule in list_rules()}

    assert led == {name: f"docs/runbook.md#{name.lower()}" for name in led}
    assert {name.lower() for name in led} <= _ANCHORS


def test_the_runbook_has_no_broken_link_to_itself() -> None:
    assert set(re.findall(r"\]\(#([^)]+)\)", _RUNBOOK)) <= _ANCHORS


async def _is_seen(instance: Instance, *names: str) -> None:
    """Wait until the cluster view of an instance names everything."""

    def shows_all() -> bool:
        url = f"http://{instance.address}/api/v1/cluster"
        with urllib.request.urlopen(url, timeout=60) as answer:
            told = answer.read().decode()
        return all(name in told for name in names)

    await eventually(
        lambda: asyncio.to_thread(shows_all), f"the view does not name {names}", within_s=60
    )


async def _run_every_block(told: Path, **variables: str) -> int | None:
    """Run the runbook's commands, one after the other, in one shell; return its exit code."""
    script = "\n".join(
        f"echo '--- block {number}'\n{block}"
        for number, block in enumerate(_BLOCK.findall(_RUNBOOK), start=1)
    )
    with told.open("w") as output:
        shell = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", script),
            cwd=_ROOT,
            env=clear_environment(
                PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}", **variables
            ),
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(_DEADLINE_S):
                return await shell.wait()
        except TimeoutError:
            shell.kill()
            return await shell.wait()


@pytest.mark.req("O10", "X13")
async def test_every_command_of_the_runbook_runs(
    cluster: Cluster, own_redis: OwnRedis, tmp_path: Path
) -> None:
    switches = {
        "LINGUA_STATS_INTERVAL_S": "0.2",
        "LINGUA_MAX_RETRY": "0",
        # The node of this test sends one heartbeat.
        "LINGUA_HEARTBEAT_TIMEOUT_S": "900",
    }
    one = cluster.start(LINGUA_INSTANCE_ID="one", **switches)
    # The second is the canary of the runbook: other switches, the same Redis.
    canary = {"LINGUA_SESSION_AFFINITY": "on", "LINGUA_POOLS_MODE": "single"}
    other = cluster.start(LINGUA_INSTANCE_ID="other", **switches, **canary)
    languages = draw_languages()
    async with (
        FakeNode.open(one.url("/ws/node"), languages) as node,
        Speaker.open(one.url("/ws/session"), languages) as speaker,
    ):
        await speaker.say(0)
        job = await node.job()
        await node.fail(job, "ASR_FAILED")
        await speaker.next("error")
        history = History(tmp_path / "var")
        await await_history(history, {job["job_id"]})
        await _is_seen(one, node.node_id, '"one"', '"other"')
        code = await _run_every_block(
            tmp_path / "told",
            HOME=str(tmp_path),
            LINGUA_VAR_DIR=str(tmp_path / "var"),
            **describe(own_redis.url),
            LINGUA_KEY_PREFIX="i",
            LINGUA_PORT=one.address.rpartition(":")[2],
            LINGUA_URL=f"http://{one.address}",
            OTHER_URL=f"http://{other.address}",
            OTHER_ID="other",
            NODE_ID=node.node_id,
            JOB_ID=job["job_id"],
        )

    told = (tmp_path / "told").read_text()
    assert code == 0, told[-4_000:]
    assert "ASR_FAILED" in told
    assert other.wait() == 0
    for done in ('"action":"drain"', '"action":"resume"', "is revoked", "placed at"):
        assert done in told, done


@pytest.mark.req("X10", "G7")
@pytest.mark.parametrize(
    "switch",
    [
        {"LINGUA_SESSION_AFFINITY": "on"},
        {"LINGUA_POOLS_READ_MEMBERS": "off"},
        {"LINGUA_POOLS_MODE": "single"},
        {"LINGUA_POOLS_ENABLED": "off"},
        {"LINGUA_HISTORY_DAYS": "0"},
    ],
    ids=lambda switch: next(iter(switch)),
)
async def test_a_canary_with_a_switch_shares_the_work_and_goes_again(
    switch: dict[str, str], cluster: Cluster
) -> None:
    # How long a drain is spread over says nothing of who shares the work.
    old, canary = cluster.start(), cluster.start(LINGUA_DRAIN_TIMEOUT_S="2", **switch)
    languages = draw_languages()

    async def serve(node: FakeNode, speaker: Speaker, index: int) -> None:
        await speaker.say(index)
        job = await node.job()
        await node.ack(job)
        await node.finish(job)
        await speaker.next("translation_result", utterance_index=index)

    async with FakeNode.open(old.url("/ws/node"), languages) as node:
        async with (
            Speaker.open(canary.url("/ws/session"), languages) as on_canary,
            Speaker.open(old.url("/ws/session"), languages) as on_old,
        ):
            await serve(node, on_canary, 0)
            await serve(node, on_old, 0)
            canary.terminate()
            await on_canary.closed()
            await serve(node, on_old, 1)
        assert await asyncio.to_thread(canary.wait) == 0
        assert "Traceback" not in canary.errors


@pytest.mark.req("X10")
def test_the_canarys_share_is_one_in_twenty() -> None:
    nginx = (_ROOT / "deploy" / "nginx" / "canary.conf").read_text()
    haproxy = (_ROOT / "deploy" / "haproxy" / "canary.cfg").read_text()
    shares = []
    for text in (nginx, haproxy):
        weights = [int(weight) for weight in re.findall(r"weight[ =](\d+)", text)]
        server_weights = weights[-3:]
        shares.append(min(server_weights) / sum(server_weights))

    assert shares == [0.05, 0.05]
