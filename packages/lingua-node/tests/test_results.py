"""Whatever a handler returns or raises ends its job at once, and its author hears what to mend."""

import asyncio
import dataclasses
import enum
import gc

import pytest
from lingua_node.jobs import JobFailed, Result
from node_testing.nodes import make_node
from node_testing.scheduler import running

CYCLE = {}
CYCLE["again"] = CYCLE
DEEP = [[]]
for _ in range(40):
    DEEP = [DEEP]
HALF = "\ud800"


class Text(str):
    """As libraries of arrays have it."""

    __slots__ = ()


class Count(enum.IntEnum):
    TWO = 2


@dataclasses.dataclass
class Timings:
    asr_ms: int = 7


def generate():
    yield Result()


async def forgotten():
    return Result()


async def answer_of(scheduler, work, *, kind="async"):
    """The end of a job of this handler, and that of the next job, which is well."""

    def call(job):
        return work(job) if job.assign.job_id == "bad" else Result(text_asr="fine")

    async def call_in_loop(job):
        return call(job)

    handler = call_in_loop if kind == "async" else call
    async with running(make_node(handler).serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.begin(job_id="bad")
        told = await socket.expect("job_result")
        await socket.begin(job_id="good")
        assert (await socket.expect("job_result"))["success"] is True
    return told


@pytest.mark.req("ED15")
@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (None, "the handler returned None; it must return a Result"),
        ("adelante", "the handler returned str; it must return a Result"),
        (Result, r"Result(…), with parentheses"),
        ({"text_asr": "hello"}, "the handler returned dict"),
        (generate, "it must return one Result, not yield"),
        (forgotten, "was `await` forgotten?"),
        (Result(text_asr=b"bytes"), "text_asr of the Result must be text, not bytes"),
        (Result(text_translated=None), "text_translated of the Result must be text, not None"),
        (Result(text_asr=f"he{HALF}"), r"text_asr of the Result holds half a character, '\ud800'"),
        (Result(text_translated=HALF), "text_translated of the Result holds half a character"),
        (Result(tts_format=HALF), "tts_format of the Result must be pcm16 or opus"),
        (Result(tts_format="wav"), "tts_format of the Result must be pcm16 or opus, not 'wav'"),
        (Result(tts_audio="text"), "tts_audio of the Result must be bytes, not str"),
        (Result(tts_audio=[1, 2]), "tts_audio of the Result must be bytes, not list"),
        (Result(asr_quality_level=HALF), "must be good or suspect or bad"),
        (Result(asr_quality_level=3), "asr_quality_level of the Result must be text, not int"),
        (Result(quality_score=90), "quality_score of the Result must be from 0 to 1, not 90"),
        (Result(quality_score=float("nan")), "must be from 0 to 1, not nan"),
        (Result(quality_score=True), "must be from 0 to 1, not True"),
        (Result(quality_score="0.5"), "must be from 0 to 1, not '0.5'"),
        (Result(extra=["a"]), "extra of the Result must be a dict, not list"),
        (Result(extra={"model": object()}), "object is nothing that JSON has"),
        (Result(extra={"a": [1, HALF]}), "extra of the Result cannot be sent: a[1] holds half"),
        (Result(extra={HALF: 1}), "a key holds half a character"),
        (Result(extra={"a": {"b": float("inf")}}), "a.b is inf, which JSON has not"),
        (Result(extra={"a": 2**70}), "a is a number of more than 64 bits"),
        (Result(extra={(1, 2): 1}), "extra of the Result cannot be sent"),
        (Result(extra=CYCLE), "extra of the Result cannot be sent"),
        (Result(extra={"deep": DEEP}), "more than 32 levels"),
    ],
)
async def test_what_is_no_result_fails_its_job_with_the_reason(scheduler, caplog, returned, told):
    made = returned if returned is Result or not callable(returned) else returned()

    failed = await answer_of(scheduler, lambda _job: made)

    assert failed["success"] is False
    assert failed["error"]["code"] == "UNREADABLE_RESULT"
    assert told in failed["error"]["message"]
    assert told in caplog.text
    assert __file__ in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.req("ED15")
async def test_what_json_has_another_type_for_is_sent(scheduler):
    async def work(_job):
        return Result(
            text_asr=Text("hello"),
            text_translated="\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
            tts_audio=memoryview(b"\1\0\2\0")[::2],
            tts_format=Text("pcm16"),
            extra={"timings": Timings(), "set": {1}, "count": Count.TWO, "text": Text("a")},
            quality_score=1,
        )

    async with running(make_node(work).serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.begin()
        result = await socket.expect("job_result")

    assert result["success"] is True, result
    assert (result["text_asr"], result["text_translated"]) == ("hello", "😀")
    assert result["tts_audio"] == "AQI="
    assert result["extra"] == {"timings": {"asr_ms": 7}, "set": [1], "count": 2, "text": "a"}


class Speechless(Exception):
    def __str__(self):
        raise RuntimeError


class Unfinished(JobFailed):
    def __init__(self):
        """Forgets what it derives from."""


@pytest.mark.req("ED15")
@pytest.mark.parametrize("kind", ["async", "def"])
@pytest.mark.parametrize(
    ("raised", "code_and_words"),
    [
        (JobFailed("no", details={1, 2}), ("PROCESSING_ERROR", "no")),
        (JobFailed("no", details=object()), ("PROCESSING_ERROR", "no")),
        (JobFailed("no", details=CYCLE, code="NO_MODEL"), ("NO_MODEL", "no")),
        (JobFailed("no", details=[float("nan"), 2**99]), ("PROCESSING_ERROR", "no")),
        (JobFailed(HALF, details=HALF), ("PROCESSING_ERROR", "\ufffd")),
        (JobFailed("no", code=HALF), ("PROCESSING_ERROR", "\ufffd: no")),
        (JobFailed("no", code=7), ("PROCESSING_ERROR", "7: no")),
        (JobFailed("no", code="no model"), ("PROCESSING_ERROR", "no model: no")),
        (JobFailed(None), ("PROCESSING_ERROR", "None")),
        (JobFailed("x" * 9_000_000, details="y" * 9_000_000), ("PROCESSING_ERROR", "xxx")),
        (Unfinished(), ("PROCESSING_ERROR", "Unfinished")),
        (ValueError(HALF), ("PROCESSING_ERROR", "ValueError: \ufffd")),
        (Speechless(), ("PROCESSING_ERROR", "Speechless")),
        (SystemExit(3), ("PROCESSING_ERROR", "SystemExit: 3")),
        (BaseException("odd"), ("PROCESSING_ERROR", "BaseException: odd")),
        (asyncio.CancelledError(), ("PROCESSING_ERROR", "ancelled")),
        (GeneratorExit(), ("PROCESSING_ERROR", "GeneratorExit")),
        (TimeoutError(), ("PROCESSING_ERROR", "TimeoutError")),
        (StopIteration(1), ("PROCESSING_ERROR", "StopIteration")),
    ],
)
async def test_whatever_a_handler_raises_fails_its_job_alone(
    scheduler, caplog, kind, raised, code_and_words
):
    def work(_job):
        raise raised

    failed = await answer_of(scheduler, work, kind=kind)

    code, words = code_and_words
    assert failed["success"] is False
    assert failed["error"]["code"] == code
    assert words in failed["error"]["message"]
    assert "job bad failed" in caplog.text


@pytest.mark.req("ED15")
async def test_details_that_cannot_be_sent_are_left_out_and_told(scheduler, caplog):
    def work(_job):
        raise JobFailed("no", code="NO_MODEL", details={"at": {"b": float("nan")}})

    failed = await answer_of(scheduler, work)

    assert "details" not in failed["error"]
    assert "details of JobFailed cannot be sent: at.b is nan" in caplog.text


@pytest.mark.req("ED15")
async def test_a_failing_handler_tells_where_once_a_kind(scheduler, caplog):
    async def work(job):
        return {}[job.assign.job_id]

    async with running(make_node(work).serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        for number in range(3):
            await socket.begin(job_id=f"job-{number}")
            await socket.expect("job_result")

    assert caplog.text.count("Traceback") == 1
    assert "job job-0 failed, the handler raised KeyError: 'job-0'" in caplog.text
    assert "return {}[job.assign.job_id]" in caplog.text


@pytest.mark.req("ED15")
@pytest.mark.parametrize("text", [b"bytes", None, HALF, "x" * 9_000_000], ids=ascii)
async def test_a_partial_text_that_cannot_be_sent_is_told_where_it_is_written(scheduler, text):
    async def work(job):
        await job.emit_partial(text)
        return Result()

    async with running(make_node(work).serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.begin()
        failed = await socket.expect("job_result")

    assert "emit_partial" in failed["error"]["message"]


@pytest.mark.req("ED15")
@pytest.mark.filterwarnings("ignore:coroutine")
@pytest.mark.parametrize("kind", ["async", "def"])
async def test_a_partial_text_that_nobody_awaits_is_told(scheduler, caplog, kind):
    def work(job):
        job.emit_partial("he")
        return Result(text_asr="hello")

    result = await answer_of(scheduler, work, kind=kind)

    assert result["text_asr"] == "hello"
    assert caplog.text.count("emit_partial was called and not awaited") == 1


async def test_a_partial_text_may_be_told_by_a_task(scheduler, caplog):
    async def work(job):
        tasks = [asyncio.create_task(job.emit_partial("he"))]
        return Result(text_asr=f"{len(tasks)}")

    async with running(make_node(work).serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.begin()
        frames = sorted([(await socket.receive())["type"] for _ in range(3)])

    assert frames == ["asr_partial", "job_result", "node_heartbeat"]
    assert "not awaited" not in caplog.text


@pytest.mark.req("ED15")
@pytest.mark.parametrize("limit", [None, 100_000])
async def test_a_result_that_is_longer_than_the_scheduler_takes_is_never_sent(
    scheduler, caplog, limit
):
    async def work(job):
        return Result(tts_audio=bytes(int(job.assign.job_id)))

    async with running(make_node(work).serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register(**({"max_frame_bytes": limit} if limit else {}))
        await socket.begin(job_id=str(20_000_000 if limit is None else 100_000))
        failed = await socket.expect("job_result")
        await socket.begin(job_id=str(6_000_000 if limit is None else 60_000))
        assert (await socket.expect("job_result"))["success"] is True

    assert failed["error"]["code"] == "RESULT_TOO_LARGE"
    assert f"the scheduler takes {limit or 8_388_608:,}" in failed["error"]["message"]
    assert "send shorter speech, or Opus" in caplog.text


@pytest.mark.req("ED15")
async def test_a_result_for_which_the_socket_was_closed_is_given_up(scheduler, caplog):
    async def work(job):
        return Result(tts_audio=bytes(int(job.assign.job_id)))

    async with running(make_node(work, max_concurrent_jobs=2).serve(url=scheduler.url)):
        first = await scheduler.accept()
        await first.register()
        await first.begin(job_id="50000")
        await first.expect("job_result")
        await first.begin(job_id="2")
        await first.expect("job_result")
        await first.socket.close(1009)
        second = await scheduler.accept()
        await second.register()
        again = [await second.expect("job_result") for _ in range(2)]

    assert [frame["success"] for frame in again] == [False, True]
    assert again[0]["error"]["code"] == "RESULT_TOO_LARGE"
    assert "1009" in caplog.text or "no frame that long" in caplog.text


@pytest.mark.req("ED15")
async def test_a_kept_result_is_measured_by_the_next_schedulers_limit(scheduler, bench):
    bench.go.set()

    async def work(_job):
        return Result(tts_audio=bytes(50_000))

    async with running(make_node(work).serve(url=scheduler.url)):
        first = await scheduler.accept()
        await first.register()
        await first.begin()
        await first.expect("job_result")
        first.socket.transport.abort()
        second = await scheduler.accept()
        await second.register(max_frame_bytes=10_000)
        again = await second.expect("job_result")

    assert again["error"]["code"] == "RESULT_TOO_LARGE"


@pytest.mark.req("ED15")
async def test_who_waits_is_told_before_an_interrupt_ends_the_program(scheduler, caplog):
    async def work(_job):
        raise KeyboardInterrupt

    def run():
        # Not in the loop of the test: an interrupt ends the loop that it comes to.
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(make_node(work).serve(url=scheduler.url))

    async with running(asyncio.to_thread(run)) as serving:
        socket = await scheduler.accept()
        await socket.register()
        await socket.begin()
        assert (await socket.expect("job_result"))["error"]["message"] == "KeyboardInterrupt"
        await serving
    gc.collect()

    assert caplog.text.count("Traceback") == 1, "it is told once, by the node itself"
