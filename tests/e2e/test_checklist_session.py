"""What the session socket must do for speakers that exist: the checklist of the protocol."""

import base64
import re
from collections.abc import Iterator

import pytest

from tests.e2e.servers import Lingua, Servers
from tests.peers.frames import Frame, init_frame, opus
from tests.peers.node import FakeNode
from tests.peers.sockets import Peer
from tests.peers.speaker import Speaker
from tests.redis_under_test import OwnRedis

SESSION, NODE = "/ws/session", "/ws/node"
Pair = tuple[str, str]


@pytest.fixture(scope="module")
def waiting_lingua(
    e2e_redis: OwnRedis, tmp_path_factory: pytest.TempPathFactory, server_name: str
) -> Iterator[Lingua]:
    """A server that waits long for the audio behind a final marker."""
    servers = Servers(directory=tmp_path_factory.mktemp("waiting"), redis_url=e2e_redis.url)
    try:
        lingua = servers.start(server_name, LINGUA_SEGMENT_HANGOVER_MANUAL_MS="5000")
        yield lingua
        lingua.stop()
    finally:
        servers.end()


@pytest.mark.req("J15")
async def test_four_strings_open_a_session(lingua: Lingua, languages: Pair) -> None:
    async with Peer.connect(lingua.url(SESSION)) as speaker:
        await speaker.send(init_frame(languages))
        ack = await speaker.next("session_init_ack")

    assert re.fullmatch(r"s-[0-9A-F]{8}", ack["session_id"])
    assert ack["trace_id"]


async def test_null_is_the_same_as_absent(lingua: Lingua, languages: Pair) -> None:
    optional = ("dialect", "features", "pairing_code", "tenant_id", "mode", "lang_a", "lang_b")
    others = ("auto_langs", "enable_streaming_asr", "partial_update_interval_ms", "trace_id")
    nothing = dict.fromkeys([*optional, *others])

    async with Speaker.open(lingua.url(SESSION), languages, **nothing) as speaker:
        assert not await speaker.check_alive()


@pytest.mark.req("J15")
async def test_an_unknown_type_is_refused_and_the_socket_lives(
    lingua: Lingua, languages: Pair
) -> None:
    async with Speaker.open(lingua.url(SESSION), languages) as speaker:
        await speaker.send({"type": "nope"})
        error = await speaker.next("error", code="INVALID_MESSAGE")
        assert error["message"].startswith("Invalid message format: ")
        assert not await speaker.check_alive()


@pytest.mark.req("J15")
async def test_a_chunk_for_an_unknown_session_is_refused(lingua: Lingua, languages: Pair) -> None:
    async with Speaker.open(lingua.url(SESSION), languages) as speaker:
        own, speaker.session_id = speaker.session_id, "s-00000000"
        await speaker.chunk(b"\0\0")
        error = await speaker.next("error", code="INTERNAL_ERROR")
        assert "Session does not exist" in error["message"]

        speaker.session_id = own
        assert not await speaker.check_alive()


async def test_broken_base64_in_a_chunk_is_no_audio(lingua: Lingua, languages: Pair) -> None:
    chunk = {"type": "audio_chunk", "seq": 0, "is_final": True, "payload": "!not base64!"}
    async with Speaker.open(lingua.url(SESSION), languages) as speaker:
        await speaker.send(chunk | {"session_id": speaker.session_id})

        assert not await speaker.check_alive()


@pytest.mark.req("J17")
async def test_chunks_and_a_final_marker_make_one_job(lingua: Lingua, languages: Pair) -> None:
    pieces = [opus(700 + number) for number in range(5)]
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        for number, piece in enumerate(pieces):
            await speaker.chunk(piece, seq=number)
        await speaker.chunk(b"", final=True, seq=5)
        job = await node.job()
        await node.finish(job)
        await speaker.next("translation_result", utterance_index=0)

        assert (job["utterance_index"], job["attempt_id"]) == (0, 1)
        assert (job["is_manual_cut"], job["padding_ms"]) == (True, 280)
        assert (job["audio_format"], job["sample_rate"]) == ("opus", 16_000)
        assert base64.b64decode(job["audio"]) == b"".join(pieces)
        assert not {"is_timeout_triggered", "is_max_duration_triggered"} & job.keys()
        assert len(node.told("job_assign")) == 1


@pytest.mark.req("J17")
async def test_audio_just_after_the_final_marker_belongs_to_it(
    waiting_lingua: Lingua, languages: Pair
) -> None:
    early, late = opus(900), opus(700)
    async with (
        FakeNode.open(waiting_lingua.url(NODE), languages) as node,
        Speaker.open(waiting_lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.chunk(early)
        await speaker.chunk(b"", final=True)
        await speaker.chunk(late)
        job = await node.job()
        await node.finish(job)
        await speaker.next("translation_result", utterance_index=0)

        assert base64.b64decode(job["audio"]) == early + late


@pytest.mark.req("J17")
async def test_a_marker_before_all_audio_cuts_that_audio(
    waiting_lingua: Lingua, languages: Pair
) -> None:
    audio = opus(4_000)
    async with (
        FakeNode.open(waiting_lingua.url(NODE), languages) as node,
        Speaker.open(waiting_lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.chunk(b"", final=True)
        await speaker.chunk(audio)
        job = await node.job()
        await node.finish(job)
        await speaker.next("translation_result", utterance_index=0)

        assert base64.b64decode(job["audio"]) == audio
        assert job["is_manual_cut"]


@pytest.mark.req("J17")
async def test_an_empty_cut_never_advances_the_index(lingua: Lingua, languages: Pair) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        for _ in range(3):
            await speaker.chunk(b"", final=True)
        await speaker.chunk(opus(4_000), final=True)
        job = await node.job()
        await node.finish(job)
        await speaker.next("translation_result", utterance_index=0)

        assert len(node.told("job_assign")) == 1


@pytest.mark.req("J17")
async def test_silence_cuts(servers: Servers, server_name: str, languages: Pair) -> None:
    lingua = servers.start(server_name, LINGUA_SEGMENT_PAUSE_MS="300")
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.chunk(opus(4_000))
        job = await node.job()
        await node.finish(job)
        await speaker.next("translation_result", utterance_index=0)

        assert job["is_timeout_triggered"]
        assert job["padding_ms"] == 220
        assert "is_manual_cut" not in job
    lingua.stop()


@pytest.mark.req("J17")
async def test_long_speech_is_cut_and_stays_one_turn(lingua: Lingua, languages: Pair) -> None:
    second = opus(50 * 80)
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        for number in range(20):
            await speaker.chunk(second, seq=number)
        long = await node.job()
        await speaker.chunk(second, final=True)
        rest = await node.job()
        for job in (long, rest):
            await node.finish(job)
        await speaker.next("translation_result", utterance_index=1)

        assert long["is_max_duration_triggered"]
        assert rest["is_manual_cut"]
        assert (long["utterance_index"], rest["utterance_index"]) == (0, 1)
        assert long["turn_id"] == rest["turn_id"]


@pytest.mark.req("J13", "J19")
async def test_results_leave_in_order_each_once(lingua: Lingua, languages: Pair) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages, max_concurrent_jobs=8) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        jobs = {}
        for index in range(5):
            await speaker.say(index)
            jobs[index] = await node.job(utterance_index=index)
        for index in (3, 1, 4, 2):
            await node.finish(jobs[index])
            await node.finish(jobs[index])
        assert not [f for f in await speaker.check_alive() if f["type"] == "translation_result"]
        await node.finish(jobs[0])
        await speaker.next("translation_result", utterance_index=4)

        results = speaker.told("translation_result")
        assert [frame["utterance_index"] for frame in results] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("reason", ["ASR_EMPTY", "NO_TEXT_ASSIGNED"])
@pytest.mark.req("J13")
async def test_nothing_heard_is_told_to_nobody_and_holds_nobody_up(
    lingua: Lingua, languages: Pair, reason: str
) -> None:
    nothing = {"text_asr": "", "text_translated": "", "tts_audio": "", "extra": {"reason": reason}}
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        await node.finish(await node.job(), **nothing)
        await speaker.say(1)
        await node.finish(await node.job())
        told = await speaker.take_until("translation_result", utterance_index=1)

        about_first = [frame for frame in told if frame.get("utterance_index") == 0]
        assert {frame.get("event") for frame in about_first} <= {"DISPATCHED", "NODE_ACCEPTED"}


@pytest.mark.req("J13")
async def test_an_empty_success_is_said_to_be_silence(lingua: Lingua, languages: Pair) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        await node.finish(await node.job(), text_asr="", text_translated="", tts_audio="")
        missing = await speaker.next("missing_result", utterance_index=0)

        assert missing["reason"] == "silence_detected"


@pytest.mark.req("J9", "J15", "I-13")
async def test_a_failure_reaches_the_speaker_with_the_nodes_code(
    lingua: Lingua, languages: Pair
) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.say(0)
        # No other node could take it, and none is asked again for what it failed at.
        await node.fail(await node.job(), "PROCESSING_ERROR", details={"step": "asr"})
        event = await speaker.next("ui_event", event="ERROR")
        error = await speaker.next("error")

        assert (event["error_code"], event["status"]) == ("PROCESSING_ERROR", "error")
        assert error["code"] == "PROCESSING_ERROR"
        assert error["message"] == "The node could not process the utterance."
        assert "details" not in error
        await speaker.next("missing_result", utterance_index=0)
        assert not lingua.leases(node.node_id)


async def test_what_is_said_to_a_room_that_is_not_there_disturbs_nobody(
    lingua: Lingua, languages: Pair
) -> None:
    relayed: list[Frame] = [
        {"type": "room_leave", "room_code": "1"},
        {
            "type": "room_raw_voice_preference",
            "room_code": "1",
            "target_session_id": "s-1",
            "receive_raw_voice": True,
        },
        *(
            {"type": kind, "room_code": "1", "to": "s-1", "sdp": {}, "candidate": {}}
            for kind in ("webrtc_offer", "webrtc_answer", "webrtc_ice")
        ),
    ]
    async with Speaker.open(lingua.url(SESSION), languages) as speaker:
        await speaker.send({"type": "room_join", "room_code": "999999"})
        await speaker.next("room_error", code="ROOM_NOT_FOUND")
        for frame in relayed:
            await speaker.send(frame)

        told = await speaker.check_alive()
        assert {(frame["type"], frame["code"]) for frame in told} <= {
            ("room_error", "ROOM_NOT_FOUND")
        }


@pytest.mark.req("J17")
async def test_a_session_ends_and_its_socket_stays(lingua: Lingua, languages: Pair) -> None:
    async with (
        FakeNode.open(lingua.url(NODE), languages) as node,
        Speaker.open(lingua.url(SESSION), languages) as speaker,
    ):
        await speaker.chunk(opus(4_000))
        closing = {"type": "session_close", "session_id": speaker.session_id, "reason": "bye"}
        await speaker.send(closing)
        job = await node.job()
        await node.finish(job)
        await speaker.next("translation_result", utterance_index=0)
        await speaker.send(closing | {"session_id": "s-00000000"})
        await speaker.next("session_close_ack", session_id="s-00000000")

        assert job["is_timeout_triggered"]
        before, _ = speaker.session_id, await speaker.init(languages)
        assert speaker.session_id != before
