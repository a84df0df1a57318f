"""The chat of Channels' tutorial over two servers: what projects do with a layer."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from streams_testing.chat_servers import ChatServer
from streams_testing.redis_server import RedisServer

pytestmark = [
    pytest.mark.req("RE1"),
    pytest.mark.standalone("the chat's settings name one Redis"),
]


@pytest.fixture(params=[("daphne", "uvicorn"), ("runserver", "daphne")], ids="+".join)
async def servers(
    request: pytest.FixtureRequest, redis_server: RedisServer, prefix: str, tmp_path: Path
) -> AsyncIterator[list[ChatServer]]:
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                ChatServer(
                    kind, redis_url=redis_server.url, prefix=prefix, log=tmp_path / f"{kind}.log"
                ).running()
            )
            for kind in request.param
        ]


async def test_the_tutorials_chat_works_over_two_servers(
    servers, redis_server: RedisServer, prefix: str, tmp_path: Path
):
    one, two = servers
    ann, bob = await one.join("lobby"), await two.join("lobby")
    elsewhere = await two.join("attic")
    for speaker, words in ((ann, "hello"), (bob, "hi there")):
        await speaker.say(words)
        for hearer in (ann, bob):
            assert await hearer.hear() == {"message": words}

    # A sync view of either server, with a rendered template's string.
    await one.ask("say", "lobby", "from a view")
    assert [await each.hear() for each in (ann, bob)] == [{"message": "from a view"}] * 2

    # A forked child of a server, to a channel of this server and of the other.
    await one.ask("fork", ann.channel)
    assert await ann.hear() == {"message": "from a child"}
    await one.ask("fork", bob.channel)
    assert await bob.hear() == {"message": "from a child"}

    # A worker, asked by one server, answers to a socket of the other.
    worker = ChatServer(
        "runworker", redis_url=redis_server.url, prefix=prefix, log=tmp_path / "worker.log"
    )
    with worker.running(listens=False):
        for number in range(3):
            await one.ask("ask", str(number), bob.channel)
            assert await bob.hear() == {"message": f"made {number}"}

    # A kick by the server that does not hold the socket: what is said next is not heard there.
    await one.ask("kick", "lobby", bob.channel)
    await bob.say("can anybody hear me?")
    assert await ann.hear() == {"message": "can anybody hear me?"}
    await one.ask("fork", bob.channel)
    assert await bob.hear() == {"message": "from a child"}

    await elsewhere.say("alone")
    assert await elsewhere.hear() == {"message": "alone"}
    for each in (ann, bob, elsewhere):
        await each.leave()
    # Nothing that any of them wrote is a traceback.
    assert "Traceback" not in _read_logs(tmp_path)


def _read_logs(folder: Path) -> str:
    return "".join(log.read_text() for log in folder.glob("*.log"))
