"""Captions as server-sent events: alive while nothing is said, over when one side leaves (RM6)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sessions_app.listening.event_stream import CaptionStream
from sockets.outbound import OutboundLimits
from sockets.socket_auth import OpenSocketAuth
from tests.redis_under_test import OwnRedis
from tests.sessions_app.test_listener_seats import Scene, open_scene
from tests.waiting import eventually

pytestmark = pytest.mark.req("RM6")

_NEVER_S = 3_600.0


@pytest.fixture
async def scene(redis_server: OwnRedis, prefix: str) -> AsyncIterator[Scene]:
    scene = await open_scene(redis_server, prefix)
    yield scene
    await scene.redis.close()


class Caller:
    """Whoever asks for a stream, as a server speaks for it."""

    def __init__(self, scene: Scene, *, heartbeat_s: float = _NEVER_S) -> None:
        self.sent: list[dict[str, Any]] = []
        self.breaks_by: type[BaseException] | None = None
        self._gone = asyncio.Event()
        self.stream = CaptionStream(
            seats=scene.seats,
            auth=OpenSocketAuth(),
            limits=OutboundLimits(),
            heartbeat_s=heartbeat_s,
        )

    def ask(self, code: str) -> "asyncio.Task[None]":
        scope = {"method": "GET", "query_string": b"lang=es", "headers": []}
        return asyncio.create_task(
            self.stream.serve(scope, self._receive, self._send, room_code=code)
        )

    def hang_up(self) -> None:
        self._gone.set()

    @property
    def text(self) -> str:
        return b"".join(one.get("body", b"") for one in self.sent).decode()

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if self.breaks_by is not None:
            raise self.breaks_by
        self.sent.append(message)


async def test_a_comment_says_now_and_then_that_the_stream_lives(scene: Scene) -> None:
    room = await scene.open_room()
    caller = Caller(scene, heartbeat_s=0.01)
    serving = caller.ask(room.code)

    await eventually(lambda: caller.text.count(": \n\n") >= 3)
    caller.hang_up()
    await serving


async def test_a_stream_ends_when_its_listener_hangs_up_and_its_seat_is_free(scene: Scene) -> None:
    room = await scene.open_room()
    caller = Caller(scene)
    serving = caller.ask(room.code)
    await eventually(lambda: "event: listening" in caller.text)

    caller.hang_up()
    await serving

    assert await scene.find_wanted(room.code) == set()


@pytest.mark.parametrize("how", [RuntimeError, OSError, asyncio.CancelledError])
async def test_a_stream_that_breaks_before_its_first_word_leaves_no_seat(
    scene: Scene, how: type[BaseException]
) -> None:
    room = await scene.open_room()
    caller = Caller(scene)
    caller.breaks_by = how
    serving = caller.ask(room.code)

    with contextlib.suppress(RuntimeError, asyncio.CancelledError):
        await serving

    assert await scene.find_wanted(room.code) == set()


async def test_an_instance_that_goes_ends_its_streams(scene: Scene) -> None:
    room = await scene.open_room()
    caller = Caller(scene)
    serving = caller.ask(room.code)
    await eventually(lambda: "event: listening" in caller.text)

    caller.stream.leave()
    await serving

    assert caller.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
