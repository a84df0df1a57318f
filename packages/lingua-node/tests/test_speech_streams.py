"""The reference node while somebody speaks: words, translation and speech before the end."""

import base64
import itertools

import pytest
from lingua_node import audio, opus
from lingua_node.speech import SpeechNode
from node_testing.scheduler import running
from test_recognition import clip, in_pieces


def told(socket, kind: str) -> list[dict]:
    return [frame for frame in socket.seen if frame["type"] == kind]


async def say_until(socket, kind: str, pieces: list[bytes]) -> None:
    """Say all but the end, and wait for what must come before that."""
    for seq, piece in enumerate(pieces):
        await socket.say(seq, piece)
    while not told(socket, kind):
        await socket.receive()


@pytest.mark.req("SP4", "SP5", "SP6", "SP12")
async def test_words_translation_and_speech_come_before_the_end(scheduler):
    speech = SpeechNode(slots=1)
    pieces = in_pieces(clip("morning_train"))
    async with running(speech.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        assert "streaming" in (await socket.register())["advanced_features"]
        await socket.begin_stream(enable_streaming_tts=True)
        first = len(pieces) // 2
        await say_until(socket, "translation_partial", pieces[:first])
        for seq, piece in enumerate(pieces[first:], start=first):
            await socket.say(seq, piece)
        await socket.close_stream(len(pieces) - 1)
        result = await socket.expect("job_result")

    assert "train leaves" in result["text_asr"]
    assert told(socket, "asr_partial")[0]["text"].startswith("We")
    committed = [frame["committed"] for frame in told(socket, "translation_partial")]
    assert all(after.startswith(before) for before, after in itertools.pairwise(committed))
    assert committed[-1] == result["text_translated"]
    clauses = [base64.b64decode(frame["audio"]) for frame in told(socket, "tts_chunk")]
    assert len(clauses) > 1
    assert b"".join(clauses) == base64.b64decode(result["tts_audio"])


@pytest.mark.req("SP12")
async def test_nothing_is_spoken_before_the_end_unless_wanted_and_opus_is_packed(scheduler):
    speech = SpeechNode(slots=1, tts_format="opus")
    packets = audio.split_packets(opus.encode(clip("go_forward_ten_meters")))
    pieces = [audio.join_packets(packets[at : at + 10]) for at in range(0, len(packets), 10)]
    async with running(speech.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.begin_stream(audio_format="opus")
        for seq, piece in enumerate(pieces):
            await socket.say(seq, piece)
        await socket.close_stream(len(pieces) - 1)
        result = await socket.expect("job_result")

        await socket.begin_stream(job_id="silence")
        await socket.say(0, bytes(32_000), job_id="silence")
        await socket.close_stream(0, job_id="silence")
        silence = await socket.expect("job_result")

    assert "ten meters" in result["text_asr"]
    assert result["tts_format"] == "opus"
    assert not told(socket, "tts_chunk")
    assert (silence["text_asr"], silence["extra"]["reason"]) == ("", "ASR_EMPTY")


@pytest.mark.req("SP7", "SP12")
async def test_a_recognizer_that_dies_in_mid_speech_fails_the_attempt_with_a_code(scheduler):
    speech = SpeechNode(slots=1)
    pieces = in_pieces(clip("go_forward_ten_meters"))
    async with running(speech.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.begin_stream()
        await say_until(socket, "asr_partial", pieces)
        (worker,) = speech._workers._all
        assert worker._process is not None
        worker._process.kill()
        failed = await socket.expect("job_result")

        await socket.begin_stream(job_id="next")
        for seq, piece in enumerate(pieces):
            await socket.say(seq, piece, job_id="next")
        await socket.close_stream(len(pieces) - 1, job_id="next")
        result = await socket.expect("job_result")

    assert failed["error"]["code"] == "PROCESSING_ERROR"
    assert "ten meters" in result["text_asr"]
