"""Two instances, a node and a speaker on each kind of Redis (RE7): `make test-redis-kinds`."""

import os
from pathlib import Path

import pytest

from tests.instances.servers import QUICK
from tests.manage import run
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.peers.speaker import Speaker
from tests.redis_kinds.servers import IN_URL, SECRET, start
from tests.server.launcher import Launcher

# The suite tries one; the target all that this machine can have.
ALL = [
    *((kind, "valkey") for kind in ("user", "password", "socket", "cluster")),
    *((kind, "redis-6.2") for kind in ("user", "password", "socket", "cluster")),
    *((kind, "redis-debian") for kind in ("user", "password", "socket", "tls", "cluster")),
]
KINDS = ALL if os.environ.get("REDIS_KINDS") == "all" else ALL[:1]


@pytest.mark.standalone("starts each kind itself")
@pytest.mark.req("RE7")
@pytest.mark.parametrize(("kind", "maker"), KINDS)
async def test_an_utterance_is_translated_over_two_instances_on(
    kind: str, maker: str, tmp_path: Path
):
    launcher = Launcher(directory=tmp_path)
    pair = draw_languages()
    with start(kind, maker, tmp_path) as address:
        try:
            variables = QUICK | address.variables | {"LINGUA_VAR_DIR": str(tmp_path / "var")}
            one, two = (launcher.start("--server", "uvicorn", **variables) for _ in range(2))
            async with (
                WorkingNode.connect(one.url("/ws/node")) as node,
                Speaker.connect(two.url("/ws/session")) as speaker,
            ):
                node.works = True
                await node.register(pair)
                await speaker.init(pair)
                await speaker.say(0)
                result = await speaker.result(0)
                assert node.node_id in result["text_translated"], address.version
            told = run("doctor", **variables)
            assert "NOPERM" not in told.stdout, told.stdout
            assert address.version in told.stdout
            written = f"{one.errors}{two.errors}{told.stdout}{told.stderr}"
            assert SECRET not in written
            assert IN_URL not in written
            assert "Traceback" not in written
        finally:
            launcher.end()
