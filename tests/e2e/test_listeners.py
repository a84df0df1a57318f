"""Who listens in a room without speaking: by socket and by server-sent events, on both servers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.e2e.test_rooms import MANY
from tests.peers.frames import utterance_frame
from tests.peers.listener import EventReader, ListeningPeer
from tests.peers.node import FakeNode
from tests.peers.speaker import Speaker
from tests.waiting import eventually

pytestmark = pytest.mark.req("RM6")

LISTEN = "/ws/listen"


@pytest.fixture(scope="module")
def shared_lingua(e2e_redis, tmp_path_factory, server_name):
    servers = Servers(directory=tmp_path_factory.mktemp(server_name), redis_url=e2e_redis.url)
    try:
        # Each test opens a room of its own, and all come from one address.
        lingua = servers.start(server_name, **MANY)
        yield lingua
        lingua.stop()
    finally:
        servers.end()


class Host(Speaker):
    """A speaker who has a room."""

    room_code = ""

    @classmethod
    @contextlib.asynccontextmanager
    async def host(cls, lingua: Lingua, languages: tuple[str, str]) -> AsyncIterator["Host"]:
        async with cls.open(lingua.url("/ws/session"), languages) as host:
            await host.send({"type": "room_create", "client_ts": 1, "display_name": "Ana"})
            host.room_code = (await host.next("room_create_ack"))["room_code"]
            yield host


@contextlib.asynccontextmanager
async def nodes_of(lingua: Lingua, languages: tuple[str, str]) -> AsyncIterator[FakeNode]:
    async with FakeNode.open(lingua.url("/ws/node"), languages) as node:
        yield node


async def say(host: Host, node: FakeNode, index: int, text: str) -> None:
    """Say something, and let the node translate it."""
    await host.say(index)
    job = await node.job()
    await node.ack(job)
    await node.finish(job, text_translated=text)


def count(lingua: Lingua, pattern: str) -> int:
    """Return how many seats there are."""
    seats: Any = lingua.dump(pattern).get(pattern, {})
    return len(seats)


def path(host: Host, lang: str, **query: str) -> str:
    more = "".join(f"&{name}={value}" for name, value in query.items())
    return f"/rooms/{host.room_code}/captions?lang={lang}{more}"


async def test_a_listener_reads_what_is_said_in_its_language(
    lingua: Lingua, languages: tuple[str, str]
) -> None:
    async with (
        nodes_of(lingua, languages) as node,
        Host.host(lingua, languages) as host,
        ListeningPeer.open(lingua.url(LISTEN), host.room_code, languages[1]) as listener,
    ):
        await say(host, node, 0, "hola")

        caption = await listener.caption()
        assert (caption["text"], caption["lang"]) == ("hola", languages[1])
        assert (caption["speaker_name"], caption["speaker_id"]) == ("Ana", host.session_id)
        assert caption["is_final"] is True
        assert caption["caption_id"]


async def test_who_speaks_the_language_reads_it_without_a_job(
    lingua: Lingua, languages: tuple[str, str]
) -> None:
    async with (
        nodes_of(lingua, languages) as node,
        Host.host(lingua, languages) as host,
        ListeningPeer.open(lingua.url(LISTEN), host.room_code, languages[0]) as same,
        ListeningPeer.open(lingua.url(LISTEN), host.room_code, languages[1]) as other,
    ):
        await say(host, node, 0, "hola")

        assert (await other.caption())["text"] == "hola"
        assert (await same.caption())["text"] == "heard 0"
        assert len(node.told("job_assign")) == 1


async def test_events_are_a_stream_that_a_browser_reads_at_once(
    lingua: Lingua, languages: tuple[str, str]
) -> None:
    async with (
        nodes_of(lingua, languages) as node,
        Host.host(lingua, languages) as host,
        EventReader.open(lingua.instance.address, path(host, languages[1])) as events,
    ):
        _, listening = await events.next("listening")
        await say(host, node, 0, "hola\n\nevent: error")
        event_id, caption = await events.next("caption")

        assert events.status == 200
        assert events.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert events.headers["cache-control"] == "no-store"
        assert events.headers["x-accel-buffering"] == "no"
        assert listening["room_code"] == host.room_code
        assert caption["text"] == "hola\n\nevent: error"
        assert event_id == caption["caption_id"]


async def test_a_reconnect_goes_on_after_the_last_event(
    lingua: Lingua, languages: tuple[str, str]
) -> None:
    address = lingua.instance.address
    async with (
        nodes_of(lingua, languages) as node,
        Host.host(lingua, languages) as host,
        ListeningPeer.open(lingua.url(LISTEN), host.room_code, languages[1]) as other,
    ):
        where = path(host, languages[1])
        async with EventReader.open(address, where) as events:
            await events.next("listening")
            await say(host, node, 0, "one")
            last, _ = await events.next("caption")
        await say(host, node, 1, "two")
        await other.caption(text="two")

        async with EventReader.open(address, where, headers={"Last-Event-ID": last}) as events:
            assert (await events.next("caption"))[1]["text"] == "two"


async def test_who_joins_late_reads_the_last_minutes(
    lingua: Lingua, languages: tuple[str, str]
) -> None:
    async with (
        nodes_of(lingua, languages) as node,
        Host.host(lingua, languages) as host,
        ListeningPeer.open(lingua.url(LISTEN), host.room_code, languages[1]) as first,
    ):
        await say(host, node, 0, "one")
        await first.caption()

        async with ListeningPeer.open(lingua.url(LISTEN), host.room_code, languages[1]) as late:
            assert (await late.caption())["text"] == "one"
            await say(host, node, 1, "two")
            assert (await late.caption())["text"] == "two"


async def test_a_listener_changes_its_language_while_it_listens(
    lingua: Lingua, languages: tuple[str, str]
) -> None:
    async with (
        nodes_of(lingua, languages) as node,
        Host.host(lingua, languages) as host,
        ListeningPeer.open(lingua.url(LISTEN), host.room_code, languages[0]) as listener,
    ):
        await listener.send({"type": "set_language", "lang": languages[1]})
        assert (await listener.next("listening"))["lang"] == languages[1]
        await say(host, node, 0, "hola")

        assert (await listener.caption())["text"] == "hola"


async def test_a_language_that_nobody_serves_is_told_to_its_listeners(
    lingua: Lingua, languages: tuple[str, str]
) -> None:
    async with (
        nodes_of(lingua, languages) as node,
        Host.host(lingua, languages) as host,
        ListeningPeer.open(lingua.url(LISTEN), host.room_code, "gv") as manx,
        ListeningPeer.open(lingua.url(LISTEN), host.room_code, languages[1]) as served,
    ):
        await say(host, node, 0, "hola")

        missing = await manx.next("caption_missing")
        assert missing["lang"] == "gv"
        assert missing["reason"]
        assert (await served.caption())["text"] == "hola"
        assert not served.told("caption_missing")


@pytest.mark.parametrize(
    "frame",
    [
        {
            "type": "audio_chunk",
            "session_id": "s-1",
            "seq": 0,
            "is_final": False,
            "payload": "AAAA",
        },
        {"type": "session_init", "src_lang": "en"},
        {"type": "room_create", "client_ts": 1},
        utterance_frame("s-1", 0, ("en", "es")),
        b"\x00" * 3_200,
    ],
    ids=["chunk", "session", "room", "utterance", "bytes"],
)
async def test_a_listener_who_speaks_is_told_and_stays(
    lingua: Lingua, languages: tuple[str, str], frame: Any
) -> None:
    async with (
        Host.host(lingua, languages) as host,
        ListeningPeer.open(lingua.url(LISTEN), host.room_code, languages[1]) as listener,
    ):
        await listener.send(frame)
        assert (await listener.next("error"))["code"] == "LISTEN_ONLY"

        await listener.send({"type": "set_language", "lang": languages[0]})
        assert (await listener.next("listening"))["lang"] == languages[0]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"type": "listen", "room_code": "000000", "lang": "es"}, "ROOM_NOT_FOUND"),
        ({"type": "listen", "room_code": "no room", "lang": "es"}, "ROOM_NOT_FOUND"),
        ({"type": "listen", "room_code": "x" * 10_000, "lang": "es"}, "INVALID_MESSAGE"),
        ({"type": "listen", "lang": "es"}, "INVALID_MESSAGE"),
        ({"type": "listen", "room_code": "000000"}, "INVALID_MESSAGE"),
        ({"type": "listen", "room_code": "000000", "lang": "klingon-language"}, "INVALID_MESSAGE"),
        ({"type": "listen", "room_code": "000000", "lang": "auto"}, "INVALID_MESSAGE"),
        ({"type": "listen", "room_code": 7, "lang": "es"}, "INVALID_MESSAGE"),
        ({"type": "set_language", "lang": "es"}, "NOT_LISTENING"),
        ({"type": "listen to me"}, "INVALID_MESSAGE"),
        ("nothing", "INVALID_MESSAGE"),
        ("[" * 5_000, "INVALID_MESSAGE"),
    ],
)
async def test_what_cannot_be_done_has_a_code_and_the_socket_stays(
    lingua: Lingua, frame: Any, code: str
) -> None:
    async with ListeningPeer.connect(lingua.url(LISTEN)) as listener:
        await listener.send(frame)
        assert (await listener.next("error"))["code"] == code

        await listener.send({"type": "set_language", "lang": "es"})
        assert (await listener.next("error"))["code"] == "NOT_LISTENING"


@pytest.mark.parametrize(
    ("where", "method", "status", "error"),
    [
        ("/rooms/000000/captions?lang=es", "GET", 404, "ROOM_NOT_FOUND"),
        ("/rooms/000000/captions", "GET", 400, "INVALID_MESSAGE"),
        ("/rooms/000000/captions?lang=auto", "GET", 400, "INVALID_MESSAGE"),
        ("/rooms/000000/captions?lang=%00", "GET", 400, "INVALID_MESSAGE"),
        ("/rooms/000000/captions?" + "&".join("abcdefghijklmnopqrstuvwxyz"), "GET", 400, ""),
        ("/rooms/000000/captions?lang=es", "POST", 405, "METHOD_NOT_ALLOWED"),
        ("/rooms/000000", "GET", 404, "NOT_FOUND"),
        ("/rooms/", "GET", 404, "NOT_FOUND"),
        ("/rooms/000000/captions/more?lang=es", "GET", 404, "NOT_FOUND"),
    ],
)
async def test_a_stream_that_cannot_be_is_refused_with_a_status(
    lingua: Lingua, where: str, method: str, status: int, error: str
) -> None:
    headers = {"Content-Length": "0"} if method == "POST" else {}
    async with EventReader.open(
        lingua.instance.address, where, headers=headers, method=method
    ) as events:
        assert events.status == status
        assert error.encode() in await asyncio.wait_for(events._reader.read(65_536), 10)


async def test_the_seat_of_who_hung_up_is_free(lingua: Lingua, languages: tuple[str, str]) -> None:
    async with Host.host(lingua, languages) as host:
        pattern = f"{{room:{host.room_code}}}:listeners"
        async with EventReader.open(lingua.instance.address, path(host, languages[1])) as events:
            await events.next("listening")
            listener = ListeningPeer.open(lingua.url(LISTEN), host.room_code, languages[1])
            async with listener as peer:
                assert count(lingua, pattern) == 2
                peer.drop()
                await eventually(lambda: count(lingua, pattern) == 1)

        await eventually(lambda: count(lingua, pattern) == 0)


async def test_the_end_of_a_room_is_told_and_ends_the_stream(
    lingua: Lingua, languages: tuple[str, str]
) -> None:
    async with (
        Host.host(lingua, languages) as host,
        ListeningPeer.open(lingua.url(LISTEN), host.room_code, languages[1]) as listener,
        EventReader.open(lingua.instance.address, path(host, languages[1])) as events,
    ):
        await events.next("listening")

        await host.send({"type": "room_end", "room_code": host.room_code})

        await host.next("room_expired")
        await listener.next("room_expired")
        await events.next("room_expired")
        assert await events.rest() == b""
        assert lingua.dump(f"{{room:{host.room_code}}}*") == {}


@pytest.mark.req("RM7")
async def test_only_who_opened_a_room_ends_it(lingua: Lingua, languages: tuple[str, str]) -> None:
    async with (
        Host.host(lingua, languages) as host,
        Speaker.open(lingua.url("/ws/session"), languages) as guest,
        Speaker.open(lingua.url("/ws/session"), languages) as stranger,
    ):
        await guest.send({"type": "room_join", "room_code": host.room_code})
        await guest.next("room_members")

        for who, code in ((guest, "NOT_HOST"), (stranger, "ROOM_NOT_FOUND")):
            await who.send({"type": "room_end", "room_code": host.room_code})
            assert (await who.next("room_error"))["code"] == code
        await guest.send({"type": "room_leave", "room_code": host.room_code})
        assert not host.told("room_expired")


@pytest.mark.req("RM7")
async def test_a_member_chooses_another_language(
    lingua: Lingua, languages: tuple[str, str]
) -> None:
    pattern = "room_members"
    async with (
        Host.host(lingua, languages) as host,
        Speaker.open(lingua.url("/ws/session"), languages) as guest,
    ):
        await guest.send({"type": "room_join", "room_code": host.room_code})
        await guest.next(pattern)

        await guest.send(
            {"type": "room_language", "room_code": host.room_code, "preferred_lang": "gv"}
        )

        members = (await guest.next(pattern))["members"]
        assert members[1]["preferred_lang"] == "gv"
        await guest.send(
            {"type": "room_language", "room_code": host.room_code, "preferred_lang": "auto"}
        )
        assert (await guest.next("error"))["code"] == "INVALID_MESSAGE"


@pytest.mark.req("RM3")
async def test_the_last_of_a_language_who_is_back_in_a_moment_missed_nothing(
    lingua: Lingua, languages: tuple[str, str]
) -> None:
    async with nodes_of(lingua, languages) as node, Host.host(lingua, languages) as host:
        async with ListeningPeer.open(lingua.url(LISTEN), host.room_code, languages[1]) as first:
            await say(host, node, 0, "before")
            last = await first.caption()
        await host.check_alive()
        await say(host, node, 1, "meanwhile")
        async with ListeningPeer.connect(lingua.url(LISTEN)) as again:
            await again.listen(host.room_code, languages[1], after=last["caption_id"])
            assert (await again.caption())["text"] == "meanwhile"
        # Nobody comes back for good: then nobody is asked for it.
        await eventually(lambda: count(lingua, f"{{room:{host.room_code}}}:listeners") == 0)


async def test_who_reads_events_too_slowly_loses_the_oldest_is_told_and_goes_on(
    servers: Servers, server_name: str, languages: tuple[str, str]
) -> None:
    # What waits is few captions; how long nothing is read depends on the machine.
    settings = {"LINGUA_LISTENER_MAX_WAITING": "4", "LINGUA_STALL_TIMEOUT_S": "600"}
    lingua = servers.start(server_name, **MANY, **settings)
    said, long = 60, "x" * 100_000
    async with (
        nodes_of(lingua, languages) as node,
        Host.host(lingua, languages) as host,
        ListeningPeer.open(lingua.url(LISTEN), host.room_code, languages[1]) as other,
        EventReader.open(lingua.instance.address, path(host, languages[1])) as slow,
    ):
        await slow.next("listening")
        for index in range(said):
            await say(host, node, index, f"{index} {long}")
            assert (await other.caption())["utterance_index"] == index

        read, left_out = [], 0
        while not read or read[-1] != said - 1:
            kind, told = await slow.next_any()
            if kind == "caption":
                read.append(told["utterance_index"])
            else:
                assert kind == "behind"
                left_out += told["captions"]
        await say(host, node, said, "on time")
        assert (await slow.next("caption"))[1]["text"] == "on time"

    assert left_out
    assert len(read) + left_out == said
    assert read == sorted(read)
    lingua.stop()
