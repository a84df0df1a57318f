"""Utterances that are heard while they are spoken: `@node.stream`."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from lingua_node import audio, opus
from lingua_node.jobs import JobFailed, Result
from lingua_node.mistakes import NodeMistake
from node_testing.nodes import make_node
from node_testing.scheduler import DEADLINE_S, eventually, open_frame, running

PIECES = [bytes([number, 0]) * 160 for number in range(1, 6)]


class Listener:
    """A stream handler that notes what it hears."""

    def __init__(self) -> None:
        self.jobs = asyncio.Queue()
        self.heard = asyncio.Queue()
        self.cancelled = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def listen(self, job) -> Result:
        await self.jobs.put(job)
        everything = b""
        try:
            async for piece in job.audio:
                everything += piece
                await self.heard.put(piece)
                await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return Result(text_asr=f"{len(everything)} bytes", text_translated=everything.hex())

    async def next_piece(self) -> bytes:
        async with asyncio.timeout(DEADLINE_S):
            return await self.heard.get()


def make_streaming(handler, **options):
    node = make_node(None, **options)
    node.stream(handler)
    return node


@asynccontextmanager
async def connected(scheduler, handler, **options):
    """A node that hears streams, registered."""
    node = make_streaming(handler, **options)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        socket.registration = await socket.register()
        socket.node = node
        yield socket


async def say_all(socket, pieces=PIECES, **about) -> None:
    for seq, piece in enumerate(pieces):
        await socket.say(seq, piece, **about)
    await socket.close_stream(len(pieces) - 1, **about)


@pytest.mark.req("SP11")
async def test_a_stream_handler_hears_each_piece_as_it_comes(scheduler):
    listener = Listener()
    async with connected(scheduler, listener.listen) as socket:
        assert socket.registration["advanced_features"] == ["job_ack", "resume", "streaming"]
        await socket.begin_stream(enable_streaming_tts=True)
        for seq, piece in enumerate(PIECES):
            await socket.say(seq, piece)
            assert await listener.next_piece() == piece
        job = listener.jobs.get_nowait()
        assert (job.src_lang, job.tgt_lang, job.wants_speech) == ("en", "es", True)
        assert (job.audio_format, job.sample_rate) == ("pcm16", 16_000)
        await socket.close_stream(len(PIECES) - 1)
        result = await socket.expect("job_result")

    assert result["text_translated"] == b"".join(PIECES).hex()
    assert (result["success"], result["attempt_id"]) == (True, 1)


@pytest.mark.req("SP11")
async def test_the_same_handler_serves_whole_utterances(scheduler):
    listener = Listener()
    async with connected(scheduler, listener.listen) as socket:
        await socket.begin()
        result = await socket.expect("job_result")

    assert result["text_asr"] == "320 bytes"


@pytest.mark.req("SP11")
@pytest.mark.parametrize("pieces", [[b""], []], ids=["an empty piece", "no piece"])
async def test_an_utterance_in_which_nothing_was_said_ends(scheduler, pieces):
    async with connected(scheduler, Listener().listen) as socket:
        await socket.begin_stream()
        await say_all(socket, pieces)
        assert (await socket.expect("job_result"))["text_asr"] == "0 bytes"


@pytest.mark.req("SP11")
async def test_opus_is_decoded_piece_by_piece_as_if_it_were_whole(scheduler):
    packed = opus.encode(b"".join(bytes([at % 200, at % 50]) for at in range(16_000)))
    packets = audio.split_packets(packed)
    pieces = [audio.join_packets(packets[at : at + 7]) for at in range(0, len(packets), 7)]
    async with connected(scheduler, Listener().listen) as socket:
        await socket.begin_stream(audio_format="opus")
        await say_all(socket, pieces)
        assert (await socket.expect("job_result"))["text_translated"] == opus.decode(packed).hex()


@pytest.mark.req("SP11")
async def test_audio_comes_as_it_was_sent_to_who_wants_it_so(scheduler):
    pieces = [audio.join_packets([b"abc", b""]), audio.join_packets([b"d"])]
    async with connected(scheduler, Listener().listen, audio="as_sent") as socket:
        await socket.begin_stream(audio_format="opus")
        await say_all(socket, pieces)
        assert (await socket.expect("job_result"))["text_translated"] == b"".join(pieces).hex()


@pytest.mark.req("SP11")
async def test_a_handler_tells_what_it_has_while_somebody_speaks(scheduler):
    async def translate(job):
        async for _ in job.audio:
            await job.emit_partial("go ahead")
            await job.emit_translation("ve", "de frente")
            await job.emit_translation("ve de frente")
            await job.emit_speech(b"\1\0")
            await job.emit_speech(b"\2\0", tts_format="opus")
        return Result(text_asr="go ahead")

    async with connected(scheduler, translate) as socket:
        await socket.begin_stream(enable_streaming_tts=True)
        await socket.say(0, PIECES[0])
        kinds = ["asr_partial", *["translation_partial"] * 2, *["tts_chunk"] * 2]
        told = [await socket.expect(kind) for kind in kinds]
        await socket.close_stream(0)
        await socket.expect("job_result")

    about = {"job_id": "job-0b9c4d0e", "attempt_id": 1, "node_id": "node-7F3A91C2"}
    assert told[1] == {
        "type": "translation_partial", **about, "seq": 0, "committed": "ve", "tail": "de frente"
    }  # fmt: skip
    assert told[2] == {
        "type": "translation_partial", **about, "seq": 1, "committed": "ve de frente"
    }  # fmt: skip
    clauses = [(each["seq"], each["audio"], each["tts_format"]) for each in told[3:]]
    assert clauses == [(0, "AQA=", "pcm16"), (1, "AgA=", "opus")]


@pytest.mark.req("SP11")
async def test_clauses_are_sent_to_nobody_who_does_not_want_them(scheduler):
    async def translate(job):
        async for _ in job.audio:
            await job.emit_speech(b"\1\0")
        return Result(text_asr="go ahead")

    async with connected(scheduler, translate) as socket:
        await socket.begin_stream()
        await say_all(socket)
        await socket.expect("job_result")


async def take_back(job):
    async for _ in job.audio:
        await job.emit_translation("ve de")
        await job.emit_translation("va de frente")
    return Result()


async def hurry(job):
    await job.emit_translation("ve")
    return Result()


async def say_nothing(job):
    async for _ in job.audio:
        await job.emit_speech(b"")
    return Result()


async def say_too_much(job):
    async for _ in job.audio:
        await job.emit_translation("", "a" * 16_385)
    return Result()


@pytest.mark.req("SP11", "ED15")
@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (take_back, "committed of emit_translation takes words back"),
        (hurry, "emit_translation before anything was said"),
        (say_nothing, "audio of emit_speech is empty"),
        (say_too_much, "emit_translation takes 16,384 characters"),
    ],
)
async def test_what_no_scheduler_takes_fails_the_job_at_once(scheduler, caplog, handler, told):
    async with connected(scheduler, handler) as socket:
        await socket.begin_stream(enable_streaming_tts=True)
        if handler is not hurry:
            await socket.say(0, PIECES[0])
        if handler is take_back:
            await socket.expect("translation_partial")
        failed = await socket.expect("job_result")

    assert failed["error"]["code"] == "UNREADABLE_RESULT"
    assert told in failed["error"]["message"]
    assert told in caplog.text
    assert __file__ in caplog.text


@pytest.mark.req("SP11", "ED15")
async def test_a_translation_that_nobody_awaits_is_warned_of(scheduler, caplog):
    async def translate(job):
        async for _ in job.audio:
            job.emit_translation("ve").close()
        return Result(text_asr="go ahead")

    async with connected(scheduler, translate) as socket:
        await socket.begin_stream()
        await say_all(socket, PIECES[:1])
        await socket.expect("job_result")
        await eventually(lambda: "await job.emit_translation(…)" in caplog.text)


@pytest.mark.req("SP11")
@pytest.mark.parametrize(
    ("numbers", "last_seq"),
    [([0, 2], None), ([1, 0], None), ([0, 1], 2), ([0, 1], 0), ([0, 1, "end", 2], None)],
    ids=["missing", "out of order", "the last missing", "one too many", "after the end"],
)
async def test_a_gap_fails_the_attempt_by_its_name(scheduler, numbers, last_seq):
    listener = Listener()
    listener.go.clear()
    async with connected(scheduler, listener.listen) as socket:
        await socket.begin_stream()
        for number in numbers:
            if number == "end":
                await socket.close_stream(1)
            else:
                await socket.say(number, PIECES[number])
        if last_seq is not None:
            await socket.close_stream(last_seq)
        failed = await socket.expect("job_result")
        async with asyncio.timeout(DEADLINE_S):
            await listener.cancelled.wait()

    assert (failed["success"], failed["error"]["code"]) == (False, "STREAM_GAP")


@pytest.mark.req("SP11")
async def test_a_piece_that_comes_twice_is_heard_once(scheduler):
    async with connected(scheduler, Listener().listen) as socket:
        await socket.begin_stream()
        for seq in (0, 1, 0, 1):
            await socket.say(seq, PIECES[seq])
        await socket.close_stream(1)
        await socket.close_stream(1)
        result = await socket.expect("job_result")

    assert result["text_translated"] == b"".join(PIECES[:2]).hex()


@pytest.mark.req("SP11")
@pytest.mark.parametrize(
    ("audio_format", "piece"),
    [("pcm16", b"\1\0\1"), ("pcm16", "no base64"), ("opus", b"\5\0a")],
    ids=["half a sample", "no base64", "half a packet"],
)
async def test_a_piece_that_is_no_audio_fails_the_attempt(scheduler, audio_format, piece):
    async with connected(scheduler, Listener().listen) as socket:
        await socket.begin_stream(audio_format=audio_format)
        await socket.say(0, piece)
        assert (await socket.expect("job_result"))["error"]["code"] == "INVALID_AUDIO"


@pytest.mark.req("SP11")
async def test_a_handler_that_lags_too_far_fails_its_job_by_name(scheduler):
    listener = Listener()
    listener.go.clear()
    async with connected(scheduler, listener.listen, max_unread_bytes=1_000) as socket:
        await socket.begin_stream()
        await socket.say(0, PIECES[0])
        await listener.next_piece()
        for seq in range(1, 5):
            await socket.say(seq, PIECES[seq])
        failed = await socket.expect("job_result")

    assert failed["error"]["code"] == "HANDLER_TOO_SLOW"
    assert "more than 1,000 bytes of audio unread" in failed["error"]["message"]


@pytest.mark.req("SP11")
async def test_who_is_done_before_the_end_answers_after_it(scheduler):
    is_done = asyncio.Event()

    async def guess(job):
        async for _ in job.audio:
            is_done.set()
            return Result(text_asr="that will do")
        raise JobFailed("nothing was said")

    # Nothing is kept that nobody listens to.
    options = {"max_unread_bytes": 1_000, "max_concurrent_jobs": 2}
    async with connected(scheduler, guess, **options) as socket:
        await socket.begin_stream()
        await socket.say(0, PIECES[0])
        async with asyncio.timeout(DEADLINE_S):
            await is_done.wait()
        for seq in range(1, 10):
            await socket.say(seq, PIECES[0])
        await socket.begin(job_id="meanwhile")
        meanwhile = await socket.expect("job_result")
        await socket.close_stream(9)
        result = await socket.expect("job_result")

    assert (meanwhile["job_id"], result["job_id"]) == ("meanwhile", "job-0b9c4d0e")
    assert result["text_asr"] == "that will do"


@pytest.mark.req("SP11")
async def test_a_failure_is_told_before_the_end(scheduler):
    async def refuse(job):
        async for _ in job.audio:
            raise JobFailed("no such voice", code="MODEL_NOT_AVAILABLE")
        return Result()

    async with connected(scheduler, refuse) as socket:
        await socket.begin_stream()
        await socket.say(0, PIECES[0])
        assert (await socket.expect("job_result"))["error"]["code"] == "MODEL_NOT_AVAILABLE"


@pytest.mark.req("SP11")
async def test_a_cancelled_job_is_heard_no_further(scheduler):
    listener = Listener()
    async with connected(scheduler, listener.listen) as socket:
        await socket.begin_stream()
        await socket.say(0, PIECES[0])
        await listener.next_piece()
        await socket.send({"type": "job_cancel", "job_id": "job-0b9c4d0e"})
        await socket.say(1, PIECES[1])
        async with asyncio.timeout(DEADLINE_S):
            await listener.cancelled.wait()
        await socket.begin_stream(job_id="next")
        await say_all(socket, job_id="next")
        assert (await socket.expect("job_result"))["job_id"] == "next"


@pytest.mark.req("SP11")
async def test_what_was_being_spoken_is_dropped_with_its_socket(scheduler):
    listener = Listener()
    listener.go.clear()
    async with connected(scheduler, listener.listen, max_concurrent_jobs=2) as socket:
        await socket.begin_stream()
        await socket.begin_stream(job_id="told")
        await say_all(socket, job_id="told")
        await socket.say(0, PIECES[0])
        for _ in range(2):
            await listener.next_piece()
        await socket.socket.close(1012)
        async with asyncio.timeout(DEADLINE_S):
            await listener.cancelled.wait()
        again = await scheduler.accept()
        registration = await again.register()
        assert registration["running_attempts"] == [{"job_id": "told", "attempt_id": 1}]
        listener.go.set()
        result = await again.expect("job_result")

    assert result["job_id"] == "told"
    assert result["text_translated"] == b"".join(PIECES).hex()


@pytest.mark.req("SP11")
async def test_no_clause_follows_on_another_socket(scheduler):
    go = asyncio.Event()

    async def translate(job):
        async for _ in job.audio:
            await job.emit_speech(b"\1\0")
        await go.wait()
        await job.emit_speech(b"\2\0")
        await job.emit_translation("ve")
        return Result(text_asr="go ahead")

    async with connected(scheduler, translate) as socket:
        await socket.begin_stream(enable_streaming_tts=True)
        await say_all(socket, PIECES[:1])
        await socket.expect("tts_chunk")
        await socket.socket.close(1012)
        again = await scheduler.accept()
        await again.register()
        await again.expect("node_heartbeat")
        go.set()
        await again.expect("translation_partial")
        await again.expect("job_result")


@pytest.mark.req("SP11")
@pytest.mark.parametrize(
    "frame",
    [{"type": "job_audio", "seq": 0, "audio": "AAA="}, {"type": "job_close", "last_seq": 0}],
)
async def test_what_is_said_of_no_open_job_changes_nothing(scheduler, bench, frame):
    node = make_node(bench.work)
    async with running(node.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.send(frame | {"job_id": "unknown", "attempt_id": 1})
        await socket.begin()
        await socket.send(frame | {"job_id": "job-0b9c4d0e", "attempt_id": 1})
        bench.go.set()
        assert (await socket.expect("job_result"))["success"] is True


@pytest.mark.req("SP11")
async def test_a_node_that_takes_whole_utterances_says_so(scheduler, bench):
    async with running(make_node(bench.work).serve(url=scheduler.url)):
        socket = await scheduler.accept()
        assert "streaming" not in (await socket.register())["advanced_features"]
        await socket.say(0, PIECES[0])
        await socket.send(open_frame(job_id="open"))
        failed = await socket.expect("job_result")

    assert failed["error"] == {
        "code": "UNSUPPORTED_FEATURE",
        "message": "this node takes whole utterances",
    }


@pytest.mark.req("SP11", "ED15")
def test_a_handler_that_cannot_hear_is_a_mistake_before_it_connects():
    def in_a_thread(_job):
        return Result()

    async def yields(job):
        async for piece in job.audio:
            yield piece

    async def whole(_job):
        return Result()

    with pytest.raises(NodeMistake, match="write `async def in_a_thread`"):
        make_streaming(in_a_thread)
    with pytest.raises(NodeMistake, match="yields yields; a handler returns one Result"):
        make_streaming(yields)
    with pytest.raises(NodeMistake, match="without parentheses"):
        make_node(None).stream()
    with pytest.raises(NodeMistake, match="pieces of PCM16 are not encoded"):
        make_streaming(whole, audio="opus")
    with pytest.raises(NodeMistake, match=r"a node has one handler: @node\.stream"):
        make_node(whole).stream(whole)
    with pytest.raises(NodeMistake, match=r"a node has one handler: @node\.stream"):
        make_streaming(whole).job(whole)
    with pytest.raises(NodeMistake, match="max_unread_bytes must be a whole number"):
        make_node(whole, max_unread_bytes=0)
