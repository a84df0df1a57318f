"""Nodes in a thread, one for each pair of languages: what they say shows who said it to whom."""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Iterator

from scheduling.model import ids
from tests.peers.frames import Frame
from tests.peers.node import FakeNode

_DEADLINE_S = 60.0
_HEARTBEAT_S = 5.0


class Interpreter(FakeNode):
    """Answers at once: ``es: en 3`` is what was said third in English, in Spanish."""

    pair = ("", "")

    async def on_frame(self, frame: Frame) -> None:
        if frame["type"] != "job_assign":
            return
        await self.ack(frame)
        if ids.is_probe(frame["session_id"]):
            # What the clip of a probe says: it is nobody's utterance.
            await self.finish(frame, text_asr="go forward ten meters")
            return
        said = f"{frame['src_lang']} {frame['utterance_index']}"
        await self.finish(
            frame, text_asr=said, text_translated=f"{frame['tgt_lang']}: {said}", tts_audio=""
        )


@contextlib.contextmanager
def run_interpreters(*languages: str, url: str) -> Iterator[None]:
    """Keep a node connected for each pair of these languages until the block ends."""
    ready, stop = threading.Event(), threading.Event()

    async def work() -> None:
        async with contextlib.AsyncExitStack() as stack:
            nodes = [
                await stack.enter_async_context(Interpreter.open(url, pair))
                for pair in itertools.permutations(languages, 2)
            ]
            ready.set()
            while not await asyncio.to_thread(stop.wait, _HEARTBEAT_S):
                for node in nodes:
                    await node.heartbeat()

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    try:
        assert ready.wait(_DEADLINE_S), "the interpreters are not ready"
        yield
    finally:
        stop.set()
        thread.join(timeout=_DEADLINE_S)
