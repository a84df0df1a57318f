"""Both servers: frames, close codes and memory of a single socket."""

import asyncio
import contextlib
import time

import pytest
import websockets
from websockets.asyncio.client import connect

from tests.server.launcher import Instance, StartInstance
from tests.waiting import eventually, keeps_to

_DEADLINE_S = 60
_SETTLED_WITHIN_S = 60
_MIB = 1024 * 1024
# Frames: "hi" of a client under a mask of zeros, and the first byte of a ping.
_MASKED_HI = b"\x81\x82\x00\x00\x00\x00hi"
_PING = 0x89


async def test_a_frame_of_8_mib_passes_and_a_longer_one_gets_1009(instance: Instance) -> None:
    async with connect(instance.url("/measure")) as socket:
        await socket.send("x" * (8 * _MIB))
        largest = await asyncio.wait_for(socket.recv(), _DEADLINE_S)
        await socket.send("x" * (8 * _MIB + 1))
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await asyncio.wait_for(socket.recv(), _DEADLINE_S)

    async with connect(instance.url("/measure")) as socket:
        await socket.send("still here")
        after = await asyncio.wait_for(socket.recv(), _DEADLINE_S)

    assert largest == str(8 * _MIB)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
    assert after == "10"
    instance.await_note("disconnect 1009")


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 1013, 3000, 4401, 4999])
async def test_an_application_closes_with_any_code_and_reason(
    shared_instance: Instance, code: int
) -> None:
    async with connect(shared_instance.url(f"/close?code={code}&reason=because")) as socket:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), _DEADLINE_S)

    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, "because")
    shared_instance.await_note(f"closed with {code}")


async def test_the_longest_reason_a_frame_can_hold_arrives_whole(shared_instance: Instance) -> None:
    async with connect(shared_instance.url(f"/close?code=4000&reason={'x' * 123}")) as socket:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), _DEADLINE_S)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.reason == "x" * 123


async def test_a_refused_handshake_is_403(shared_instance: Instance) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await connect(shared_instance.url("/refuse"))

    assert refused.value.response.status_code == 403


async def test_a_broken_application_ends_its_own_socket_at_once(shared_instance: Instance) -> None:
    await keeps_to(0.9, lambda: _closes(shared_instance, "/fail"))

    async with connect(shared_instance.url("/echo")) as socket:
        await socket.send("still here")
        assert await asyncio.wait_for(socket.recv(), _DEADLINE_S) == "still here"


async def test_an_application_that_returns_ends_its_socket(shared_instance: Instance) -> None:
    await keeps_to(0.9, lambda: _closes(shared_instance, "/return"))


async def _closes(instance: Instance, path: str) -> float:
    """Return how long a socket lived once it was open, in seconds."""
    async with connect(instance.url(path)) as socket:
        opened_at = time.monotonic()
        with pytest.raises(websockets.ConnectionClosed):
            await asyncio.wait_for(socket.recv(), _DEADLINE_S)
        return time.monotonic() - opened_at


async def test_text_that_is_no_utf8_gets_1007(shared_instance: Instance) -> None:
    async with connect(shared_instance.url("/echo")) as socket:
        await socket.send(b"\xff\xfe", text=True)
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await asyncio.wait_for(socket.recv(), _DEADLINE_S)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1007


async def test_empty_frames_are_frames(shared_instance: Instance) -> None:
    async with connect(shared_instance.url("/echo")) as socket:
        await socket.send("")
        await socket.send(b"")
        answers = [await asyncio.wait_for(socket.recv(), _DEADLINE_S) for _ in range(2)]

    assert answers == ["", b""]


@pytest.mark.req("I-50")
async def test_a_slow_reader_costs_no_memory(instance: Instance) -> None:
    """200 MB are pushed to a client that reads nothing: `send` waits."""
    before = instance.resident_mb()
    socket = await connect(instance.url("/push?frames=200&size=1000000"), max_queue=1)
    try:
        await _settled(instance)
        growth = instance.resident_mb() - before
        received = 0
        while received < 200:
            assert len(await asyncio.wait_for(socket.recv(), _DEADLINE_S)) == 1_000_000
            received += 1
        instance.await_note("pushed")
    finally:
        await socket.close()

    assert growth < 60


@pytest.mark.req("I-50")
async def test_a_flood_to_a_busy_application_costs_no_memory(instance: Instance) -> None:
    """200 MB are sent to an application that does not read: the socket is not read either."""
    before = instance.resident_mb()
    async with connect(instance.url("/busy")) as socket:
        await socket.recv()
        flood = asyncio.create_task(_flood(socket, frames=200, frame_bytes=1_000_000))
        await _settled(instance)
        growth = instance.resident_mb() - before
        held_back = not flood.done()
        instance.notes_file.with_name(instance.notes_file.name + ".go").touch()
        await asyncio.wait_for(flood, _DEADLINE_S)
        count = await asyncio.wait_for(socket.recv(), _DEADLINE_S)

    assert growth < 60
    assert held_back
    assert count == "200"


async def test_a_slow_reader_cannot_hold_up_the_stop(instance: Instance) -> None:
    """Its close frame waits behind what it does not read: the connection is cut instead."""
    socket = await connect(instance.url("/push?frames=200&size=1000000"), max_queue=1)
    await _settled(instance)

    instance.terminate()
    code = await asyncio.to_thread(instance.wait)
    socket.transport.abort()

    assert code == 0, instance.errors
    assert "pushed" not in instance.notes
    assert instance.notes[-1] == "stop"


async def test_a_peer_that_answers_no_ping_is_disconnected(
    start_instance: StartInstance, server_name: str
) -> None:
    instance = start_instance(
        "--server", server_name, LINGUA_PING_INTERVAL_S="1", LINGUA_PING_TIMEOUT_S="5"
    )
    async with connect(instance.url("/echo"), ping_interval=None) as alive:
        reader, writer = await _shake_hands(instance)
        # All it ever gets is a ping, and perhaps a close frame; it answers neither.
        with contextlib.suppress(ConnectionResetError):
            await asyncio.wait_for(reader.read(), _DEADLINE_S)
        await alive.send("still here")
        answer = await asyncio.wait_for(alive.recv(), _DEADLINE_S)
        writer.close()

    assert answer == "still here"
    assert any(note.startswith("disconnect 10") for note in instance.notes)


@pytest.mark.req("PF3")
async def test_only_a_peer_that_is_silent_is_pinged(start_instance: StartInstance) -> None:
    instance = start_instance("--server", "uvicorn", LINGUA_PING_INTERVAL_S="1")
    reader, writer = await _shake_hands(instance)
    spoken_until = time.monotonic() + 2.5
    heard = set()
    while time.monotonic() < spoken_until:
        writer.write(_MASKED_HI)
        heard.add(await asyncio.wait_for(reader.readexactly(4), _DEADLINE_S))
    pinged = await asyncio.wait_for(reader.readexactly(2), _DEADLINE_S)
    writer.close()

    assert heard == {b"\x81\x02hi"}
    assert pinged[0] == _PING


async def _shake_hands(instance: Instance) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a WebSocket by hand: nothing behind it answers."""
    reader, writer = await asyncio.open_connection(*instance.address.split(":"))
    writer.write(
        b"GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _DEADLINE_S)
    return reader, writer


async def _flood(socket: websockets.ClientConnection, *, frames: int, frame_bytes: int) -> None:
    payload = b"x" * frame_bytes
    for _ in range(frames):
        await socket.send(payload)


async def _settled(instance: Instance) -> None:
    """Return when the server's memory has not changed for half a second."""
    last, since_s = 0.0, time.monotonic()

    def rested_s() -> float:
        nonlocal last, since_s
        if (now := instance.resident_mb()) != last:
            last, since_s = now, time.monotonic()
        return time.monotonic() - since_s

    await eventually(
        rested_s, "memory changes", fits=lambda rested: rested >= 0.5, within_s=_SETTLED_WITHIN_S
    )
