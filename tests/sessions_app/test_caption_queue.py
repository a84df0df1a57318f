"""What one listener is told, however slowly it reads, and what it costs the others: nothing."""

import asyncio
import json
from typing import Any

import pytest

from scheduling.model.rooms import Caption
from sessions_app.listening.caption_queue import CaptionQueue, EventQueue
from sessions_app.listening.listener import Listener, read_caption_id
from sessions_app.listening.shown_captions import ShownCaption
from sockets.outbound import OutboundLimits
from tests.waiting import eventually

pytestmark = pytest.mark.req("RM6")


class Wire:
    """Takes what a queue writes, while it may."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.is_open = asyncio.Event()

    async def send(self, message: dict[str, Any]) -> None:
        await self.is_open.wait()
        self.sent.append(message)

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(one["text"]) for one in self.sent if "text" in one]


def make_caption(number: int, *, text: str = "", is_final: bool = True) -> Caption:
    return Caption(
        room_code="482913",
        lang="es",
        speaker_id="s-1A2B3C4D",
        speaker_name="Ana",
        utterance_index=number,
        at_ms=1_000 + number,
        text=text or f"frase {number}",
        is_final=is_final,
        caption_id=f"{1_000 + number}-0" if is_final else "",
    )


def show(queue: CaptionQueue, *numbers: int, **fields: Any) -> None:
    for number in numbers:
        queue.show(ShownCaption(make_caption(number, **fields)))


async def drain(queue: CaptionQueue, wire: Wire) -> None:
    """Let everything out that waits, then close."""
    wire.is_open.set()
    queue.close(1000)
    await queue.run()


async def test_a_slow_listener_loses_the_oldest_captions_and_is_told_how_many() -> None:
    wire = Wire()
    queue = CaptionQueue(wire.send, limits=OutboundLimits(most_frames=4, most_bytes=100_000))

    show(queue, *range(10))
    await drain(queue, wire)

    assert wire.frames[0] == {"type": "behind", "captions": 7}
    assert [one["utterance_index"] for one in wire.frames[1:]] == [7, 8, 9]


async def test_who_falls_behind_again_is_told_of_that_alone() -> None:
    wire = Wire()
    queue = CaptionQueue(wire.send, limits=OutboundLimits(most_frames=3, most_bytes=100_000))
    writer = asyncio.create_task(queue.run())
    for first in (0, 10):
        wire.is_open.clear()
        show(queue, *range(first, first + 5))
        wire.is_open.set()
        await eventually(lambda: not queue._frames)

    await drain(queue, wire)
    await writer
    told = [one["captions"] for one in wire.frames if one["type"] == "behind"]
    shown = [one for one in wire.frames if one["type"] == "caption"]
    assert len(told) == 2
    assert sum(told) + len(shown) == 10


async def test_words_that_are_no_captions_are_not_left_out() -> None:
    wire = Wire()
    queue = CaptionQueue(wire.send, limits=OutboundLimits(most_frames=4, most_bytes=100_000))
    listener = Listener(queue)

    show(queue, 0, 1, 2)
    listener.move(room_code="482913", lang="es")
    listener.catch_up([])
    show(queue, 3, 4, 5, 6)
    await drain(queue, wire)

    assert [one["type"] for one in wire.frames] == ["behind", "listening", "behind", "caption"]
    assert [one.get("captions") for one in wire.frames] == [3, None, 3, None]


async def test_a_long_text_gives_way_by_its_bytes() -> None:
    wire = Wire()
    queue = CaptionQueue(wire.send, limits=OutboundLimits(most_frames=64, most_bytes=3_000))

    show(queue, *range(6), text="ñ" * 600)
    await drain(queue, wire)

    shown = [one for one in wire.frames if one["type"] == "caption"]
    assert wire.frames[0]["captions"] == 6 - len(shown)
    assert shown[-1]["utterance_index"] == 5
    assert queue._bytes == 0


async def test_a_caption_that_may_still_change_is_for_who_keeps_up() -> None:
    wire = Wire()
    queue = CaptionQueue(wire.send, limits=OutboundLimits(most_frames=4, most_bytes=100_000))

    show(queue, 0)
    show(queue, 1, is_final=False)
    show(queue, 1)
    await drain(queue, wire)

    assert [one["is_final"] for one in wire.frames] == [True, True]


async def test_who_joins_late_hears_each_caption_once_and_in_order() -> None:
    wire = Wire()
    queue = CaptionQueue(wire.send, limits=OutboundLimits())
    listener = Listener(queue)
    listener.move(room_code="482913", lang="es")

    for number in (3, 4, 5):  # said while the last minutes were being read
        listener.show(ShownCaption(make_caption(number)))
    listener.catch_up([make_caption(number) for number in (1, 2, 3, 4)])
    listener.show(ShownCaption(make_caption(5)))
    listener.show(ShownCaption(make_caption(6)))
    await drain(queue, wire)

    assert wire.frames[0] == {"type": "listening", "room_code": "482913", "lang": "es"}
    assert [one["utterance_index"] for one in wire.frames[1:]] == [1, 2, 3, 4, 5, 6]


async def test_who_comes_back_hears_nothing_twice() -> None:
    wire = Wire()
    queue = CaptionQueue(wire.send, limits=OutboundLimits())
    listener = Listener(queue)
    listener.move(room_code="482913", lang="es")

    listener.catch_up([make_caption(number) for number in (1, 2, 3)], after="1002-0")
    await drain(queue, wire)

    assert [one.get("utterance_index") for one in wire.frames] == [None, 3]


async def test_an_event_has_the_id_of_its_caption() -> None:
    wire = Wire()
    queue = EventQueue(wire.send, limits=OutboundLimits())

    show(queue, 7, text='two\nlines, "quoted" </script>')
    await drain(queue, wire)

    identity, kind, data, *rest = wire.sent[0]["text"].split("\n")
    assert (identity, kind, rest) == ("id: 1007-0", "event: caption", ["", ""])
    assert json.loads(data.removeprefix("data: "))["text"] == 'two\nlines, "quoted" </script>'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "7",
        "7-",
        "-7",
        "7-x",
        "+7-0",
        "7-0-0",
        "$",
        "(7-0",
        "1" * 30 + "-" + "1" * 30,
        "18446744073709551616-0",
        "7-18446744073709551616",
        "18446744073709551615-18446744073709551615",
    ],
)
def test_what_is_no_id_of_a_caption_is_none(text: str) -> None:
    assert read_caption_id(text) == (0, 0)
