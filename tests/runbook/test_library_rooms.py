"""Rooms as programs of the library have them: speak, read, come and go, and come back (RM, RE4)."""

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from lingua_node import (
    CaptionMissed,
    CaptionShown,
    Listener,
    Reconnecting,
    Room,
    RoomMembers,
    RoomRefused,
    SessionOpened,
    Speaker,
    SpeakerRefused,
)
from lingua_node.console import save_wav

from tests.instances.servers import MORTAL, Cluster, kill
from tests.peers.frames import draw_languages
from tests.peers.node import WorkingNode
from tests.redis_under_test import OwnRedis
from tests.server.launcher import Instance
from tests.waiting import eventually

pytestmark = pytest.mark.req("RE4", "RM1", "RM6")

_README = Path(__file__).parents[2] / "packages/lingua-node/README.md"
_WORDS = b"\1\0" * 16_000


@pytest.fixture(params=["daphne", "uvicorn"])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, redis_server: OwnRedis, prefix: str
) -> Iterator[Instance]:
    kind = Cluster(
        directory=tmp_path, redis_url=redis_server.url, prefix=prefix, server_name=request.param
    )
    yield kind.start()
    kind.end()


@contextlib.asynccontextmanager
async def working(instance: Instance, *pairs: tuple[str, str]) -> AsyncIterator[None]:
    """Let nodes come that answer whatever is said, each from one language to another."""
    async with contextlib.AsyncExitStack() as stack:
        for pair in pairs:
            opened = WorkingNode.connect(instance.url("/ws/node"))
            node = await stack.enter_async_context(opened)
            node.works = True
            await node.register(pair)
        yield


async def read(captions: AsyncIterator[CaptionShown]) -> CaptionShown:
    """Return the next caption that is final."""
    async with asyncio.timeout(60):
        while not (caption := await anext(captions)).is_final:
            pass
        return caption


async def listening(*rooms: Room) -> None:
    """Wait until the captions of rooms are listened to."""
    await eventually(
        lambda: all(one._listeners and one._listeners[0]._line.is_open for one in rooms)
    )


async def test_who_reads_captions_is_told_what_nobody_could_translate(server: Instance) -> None:
    pair = draw_languages()
    url = server.url("/ws/session")
    ann = Speaker(url, src_lang=pair[0], tgt_lang=pair[1])
    eva = Speaker(url, src_lang=pair[1], tgt_lang=pair[0])
    async with ann, eva, asyncio.timeout(60):
        room = await ann.create_room(name="Ann", lang=pair[0])
        seat = await eva.join_room(room.code, name="Eva", lang=pair[1])
        missed = seat.events(CaptionMissed)
        reading = asyncio.create_task(anext(seat.captions()))
        await listening(seat)

        await room.say(_WORDS)

        assert (await anext(missed)).reason == "no_available_node"
        assert not reading.done()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def test_the_readmes_room_ends_in_a_translated_caption(
    server: Instance, tmp_path: Path
) -> None:
    programs = re.findall(r"^```python\n(.*?)^```$", _README.read_text(), re.MULTILINE | re.DOTALL)
    [program] = [each for each in programs if "create_room" in each]
    url = "ws://127.0.0.1:5010/ws/session"
    assert url in program
    (tmp_path / "talk.py").write_text(program.replace(url, server.url("/ws/session")))

    async with working(server, ("en", "es"), ("es", "en")):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "talk.py"), cwd=tmp_path, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            said = (await process.communicate())[0].decode()

    assert process.returncode == 0
    assert re.fullmatch(r"\['Ann: by node-\w+, attempt 1'\]\n", said), said


async def test_each_reads_all_in_its_own_language_and_in_another_from_now_on(
    server: Instance,
) -> None:
    (en, es), (fr, _) = draw_languages(), draw_languages()
    url = server.url("/ws/session")
    async with (
        working(server, (en, es), (es, en), (en, fr)),
        Speaker(url, src_lang=en, tgt_lang=es) as ann,
        Speaker(url, src_lang=es, tgt_lang=en) as eva,
    ):
        room = await ann.create_room(name="Ann", lang=en)
        changes = room.events(RoomMembers)
        seat = await eva.join_room(room.code, name="Eva", lang=es)
        async with asyncio.timeout(60):
            members = [one async for one in _until(changes, "Eva")][-1].members
        assert [one.display_name for one in members] == ["Ann", "Eva"]
        assert (room.is_own, seat.is_own, seat.lang, ann.room) == (True, False, es, room)
        with pytest.raises(SpeakerRefused, match="IN_ROOM"):
            await ann.say(_WORDS)

        at_ann, at_eva = room.captions(), seat.captions()
        firsts = [asyncio.create_task(read(each)) for each in (at_eva, at_ann)]
        await listening(room, seat)
        await room.say(_WORDS)
        told, own = await asyncio.gather(*firsts)
        assert (told.speaker_name, told.lang, own.lang) == ("Ann", es, en)
        assert own.text == own.source_text, "one's own words are not translated"
        await seat.set_language(fr)
        await eventually(lambda: fr in {one.preferred_lang for one in room.members})
        await room.say(_WORDS)
        assert (await read(at_eva)).lang == fr

        await seat.leave()
        assert (seat.has_left, eva.room) == (True, None)
        with pytest.raises(StopAsyncIteration):
            await anext(at_eva)
        await eventually(lambda: len(room.members) == 1, "it is there still")


async def _until(changes: AsyncIterator[RoomMembers], name: str) -> AsyncIterator[RoomMembers]:
    async for change in changes:
        yield change
        if name in {one.display_name for one in change.members}:
            return


async def test_a_room_ends_for_all_and_what_cannot_be_is_refused_by_name(
    server: Instance,
) -> None:
    pair = draw_languages()
    url, heard_at = server.url("/ws/session"), server.url("/ws/listen")
    async with (
        Speaker(url, src_lang=pair[0], tgt_lang=pair[1]) as ann,
        Speaker(url, src_lang=pair[0], tgt_lang=pair[1]) as eva,
    ):
        room = await ann.create_room()
        wrong = f"{(int(room.code) + 1) % 10**6:06}"
        for refused in (eva.join_room(wrong), _listen(heard_at, wrong)):
            with pytest.raises(SpeakerRefused, match="ROOM_NOT_FOUND"):
                await refused
        seat = await eva.join_room(room.code)
        refusals = seat.events(RoomRefused)
        await seat.end()
        async with asyncio.timeout(60):
            assert (await anext(refusals)).code == "NOT_HOST"
        async with Listener(heard_at, room=room.code, lang=pair[1]) as listener:
            heard, at_eva, at_ann = listener.captions(), seat.captions(), room.captions()
            ends = [asyncio.create_task(read(each)) for each in (heard, at_eva, at_ann)]
            changes = seat.events(RoomMembers)
            await listening(room, seat)
            await room.end()
            async with asyncio.timeout(60):
                outcomes = await asyncio.gather(*ends, return_exceptions=True)
        assert [type(one) for one in outcomes[:2]] == [SpeakerRefused, SpeakerRefused]
        assert "ROOM_EXPIRED" in str(outcomes[0])
        assert not isinstance(outcomes[2], SpeakerRefused), "it wanted that itself"
        with pytest.raises(SpeakerRefused, match="ROOM_EXPIRED"):
            async with asyncio.timeout(60):
                await anext(changes)
        with pytest.raises(SpeakerRefused, match="ROOM_LEFT"):
            await room.say(_WORDS)


async def _listen(url: str, code: str) -> None:
    async with Listener(url, room=code, lang="en"):
        pass


class Way:
    """A way to an instance that may be cut, and lead to another one from then on."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.address = ""
        self._writers: set[asyncio.StreamWriter] = set()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Way"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            self.cut()

    def url(self, path: str) -> str:
        return f"ws://{self.address}{path}"

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there = await asyncio.open_connection(*self.target.split(":"))
            self._writers |= {writer, there[1]}
            await asyncio.gather(_pass(reader, there[1]), _pass(there[0], writer))
        writer.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65_536):
            writer.write(piece)
    writer.close()


@pytest.mark.parametrize("is_killed", [False, True], ids=["cut", "killed"])
async def test_seats_and_listeners_come_back_and_miss_nothing(
    cluster: Cluster,
    is_killed: bool,  # noqa: FBT001 - one case of two
) -> None:
    one, two = cluster.start(**MORTAL), cluster.start(**MORTAL)
    pair = draw_languages()
    async with (
        Way(one.address).open() as way,
        working(two, pair),
        Speaker(way.url("/ws/session"), src_lang=pair[0], tgt_lang=pair[1]) as ann,
        Speaker(two.url("/ws/session"), src_lang=pair[0], tgt_lang=pair[1]) as eva,
    ):
        room = await ann.create_room(name="Ann", lang=pair[0])
        seat = await eva.join_room(room.code, name="Eva", lang=pair[1])
        session_id = ann.session_id
        lost, opened = ann.events(Reconnecting), ann.events(SessionOpened)
        async with Listener(way.url("/ws/listen"), room=room.code, lang=pair[1]) as listener:
            captions, at_eva = listener.captions(), seat.captions()
            await room.say(_WORDS)
            first, _ = await read(captions), await read(at_eva)
            way.target = two.address
            if is_killed:
                kill(one)
            way.cut()
            async with asyncio.timeout(60):
                assert (await anext(lost)).attempt == 1
                # It is kept meanwhile, and said once the session is back.
                await room.say(_WORDS)
                assert (await anext(opened)).resumed
            second, seen = await read(captions), await read(at_eva)
        assert ann.session_id == session_id
        assert (second.text, second.caption_id != first.caption_id) == (seen.text, True)
        assert [one.display_name for one in seat.members] == ["Ann", "Eva"]
        assert _is_in(room)


def _is_in(room: Room) -> bool:
    return not room.has_left


async def test_recordings_are_spoken_in_a_room_from_the_command_line(
    cluster: Cluster, tmp_path: Path
) -> None:
    server, pair = cluster.start(), draw_languages()
    save_wav(str(tmp_path / "clip.wav"), _WORDS)
    words = ("--url", server.url("/ws/session"), "--src", pair[0], "--tgt", pair[1])

    async def speak(*more: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lingua_node", "speak", "clip.wav", *words, *more),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            said = (await process.communicate())[0].decode()
        assert process.returncode == 0, said
        return said

    async with (
        working(server, pair),
        Speaker(server.url("/ws/session"), src_lang=pair[0], tgt_lang=pair[1]) as host,
    ):
        created = await speak("--create-room", "--name", "Ann", "--speakers", "2")
        room = await host.create_room(name="Host")
        joined = await speak("--room", room.code, "--name", "Ann", "--lang", pair[1])

    assert re.match(r"room \d{6}\nAnn  heard 0\n", created), created
    assert re.match(r"Ann  heard 0  →  by node-\w+, attempt 1\n", joined), joined
