"""The reference node for real: recorded English in, spoken Spanish out."""

import asyncio
import base64
import os
import sys
from pathlib import Path

import lingua_node
import pytest
from lingua_node import audio, opus, semantic, workers
from lingua_node.speech import SpeechNode
from lingua_node.translator import Translator
from node_testing.scheduler import DEADLINE_S, running

CLIPS = Path(lingua_node.__file__).with_name("clips")


def clip(name: str) -> bytes:
    pcm16, rate = audio.read_wav((CLIPS / name).read_bytes())
    assert rate == 16000
    return pcm16


def text64(data: bytes) -> str:
    return base64.b64encode(data).decode()


GO_FORWARD = clip("go_forward_ten_meters.wav")


async def finish(socket):
    await socket.expect("job_ack")
    await socket.expect("job_started")
    return await socket.expect("job_result")


def duration_ms(pcm16: bytes) -> int:
    return len(pcm16) // 32


def loudest(pcm16: bytes) -> int:
    return max(abs(sample) for sample in memoryview(pcm16).cast("h"))


@pytest.mark.req("N16")
async def test_recorded_english_becomes_spoken_spanish(scheduler):
    speech = SpeechNode(slots=1)
    async with running(speech.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        frame = await socket.register()
        languages = frame["language_capabilities"]
        assert languages["asr_languages"] == ["en"]
        assert languages["tts_languages"] == ["es"]
        assert languages["supported_language_pairs"] == [{"src": "en", "tgt": "es"}]
        assert languages["nmt_capabilities"][0]["rule"] == "specific_pairs"

        await socket.assign(audio=text64(GO_FORWARD))
        result = await finish(socket)
        assert result["text_asr"] == "Go forward ten meters."
        assert "diez metros" in result["text_translated"]
        timings = result["extra"]["service_timings"]
        assert set(timings) == {"asr_ms", "nmt_ms", "tts_ms", "total_ms"}
        assert timings["total_ms"] <= result["processing_time_ms"]
        assert result["tts_format"] == "pcm16"
        spoken = base64.b64decode(result["tts_audio"])
        assert 1000 < duration_ms(spoken) < 4000
        assert loudest(spoken) > 3000
        partials = [frame for frame in socket.seen if frame["type"] == "asr_partial"]
        assert [(partial["text"], partial["is_final"]) for partial in partials] == [
            ("Go forward ten meters.", True)
        ]

        await socket.assign(job_id="silence", audio=text64(bytes(32000)))
        silence = await finish(socket)
        assert silence["success"] is True
        assert (silence["text_asr"], silence["text_translated"]) == ("", "")
        assert silence["extra"]["reason"] == "ASR_EMPTY"

        await socket.assign(job_id="german", src_lang="de", audio=text64(GO_FORWARD))
        german = await finish(socket)
        assert german["error"]["code"] == "UNSUPPORTED_FEATURE"

        pipeline = {"use_asr": True, "use_nmt": False, "use_tts": True}
        await socket.assign(job_id="heard", pipeline=pipeline, audio=text64(GO_FORWARD))
        heard = await finish(socket)
        assert heard["text_asr"] == "Go forward ten meters."
        assert heard["text_translated"] == ""
        assert "tts_audio" not in heard


async def test_opus_in_and_opus_out_with_repaired_sentences(scheduler):
    speech = SpeechNode(slots=1, tts_format="opus")
    async with running(speech.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.assign(
            audio=text64(opus.encode(GO_FORWARD)),
            audio_format="opus",
            src_lang="auto",
            mode="two_way_auto",
            lang_a="es",
            lang_b="en-US",
            pipeline={"use_asr": True, "use_nmt": True, "use_tts": True, "use_semantic": True},
        )
        result = await finish(socket)
        assert result["text_asr"] == "Go forward ten meters."
        assert result["text_translated"].endswith("diez metros.")
        assert result["tts_format"] == "opus"
        spoken = base64.b64decode(result["tts_audio"])
        assert 1000 < duration_ms(opus.decode(spoken)) < 4000
        assert loudest(opus.decode(spoken)) > 3000


async def test_a_cancelled_recognition_frees_its_worker_for_the_next_job(scheduler):
    speech = SpeechNode(slots=1)
    async with running(speech.serve(url=scheduler.url)):
        socket = await scheduler.accept()
        await socket.register()
        await socket.begin_stream(job_id="long")
        for seq in range(5):
            await socket.say(seq, GO_FORWARD, job_id="long")
        while (await socket.receive())["type"] != "asr_partial":
            pass
        await socket.send({"type": "job_cancel", "job_id": "long"})
        await socket.assign(job_id="short", audio=text64(clip("eight_of_spades.wav")))
        result = await finish(socket)
        assert result["job_id"] == "short"
        assert "seven of hearts" in result["text_asr"]
        assert "siete de corazones" in result["text_translated"]


async def test_a_worker_that_dies_fails_its_job_and_is_replaced():
    worker = workers.Worker()
    await worker.start()
    assert worker._process is not None
    worker._process.kill()
    await worker._process.wait()
    heard = [text async for text, final in workers.recognize(worker, GO_FORWARD) if final]
    assert heard == ["Go forward ten meters."]
    await worker.stop()


async def test_recordings_at_another_rate_are_understood_too():
    worker = workers.Worker()
    await worker.start()
    faster = audio.resample(GO_FORWARD, from_rate=16000, to_rate=24000)
    back = await workers.resample(worker, faster, from_rate=24000)
    heard = [text async for text, final in workers.recognize(worker, back) if final]
    await worker.stop()
    assert heard == ["Go forward ten meters."]


async def test_translations_do_not_depend_on_each_other_and_survive_odd_text():
    translator = Translator(service_id="nmt")
    async with asyncio.timeout(DEADLINE_S):
        texts = ["I would like a cup of coffee.", "a ^b$ [c] \\ / <d> \0 @", "", "ten of clubs"]
        answers = await asyncio.gather(*(translator.translate(text) for text in texts))
        for process in translator._chain:
            process.kill()
        again = await translator.translate("ten of clubs")
        await translator.stop()
    assert answers[0] == "Me gustaría una taza de café."
    assert answers[2] == ""
    assert answers[3] == again == "Diez de clubes"


async def test_what_a_chain_says_as_it_ends_is_no_translation():
    translator = Translator(service_id="nmt")
    async with asyncio.timeout(DEADLINE_S):
        await translator.translate("one")
        translator._chain[0].kill()
        await translator._chain[-1].wait()
        again = await translator.translate("ten of clubs")
        await translator.stop()
    assert again == "Diez de clubes"


@pytest.mark.parametrize(
    ("text", "language", "repaired"),
    [
        ("", "en", ""),
        ("  ", "en", ""),
        ("go forward ten meters", "en", "Go forward ten meters."),
        ("the the cat sat sat down", "en", "The cat sat down."),
        ("five five", "en", "Five five."),
        ("i think i'm here", "en", "I think I'm here."),
        ("where are you", "en", "Where are you?"),
        ("dónde estás", "es", "¿Dónde estás?"),
        ("Va de frente.", "es", "Va de frente."),
    ],
)
def test_recognized_text_becomes_a_sentence(text, language, repaired):
    assert semantic.repair(text, language=language) == repaired


async def test_missing_programs_are_named_with_their_package():
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "lingua_node",
        "speech",
        env={**os.environ, "PATH": "/nonexistent"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == os.EX_UNAVAILABLE
    assert b"apt-get install apertium apertium-eng-spa" in said
    assert b"apt-get install espeak-ng" in said
    assert b"Traceback" not in said
