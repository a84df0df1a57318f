"""The reference node: spoken English in, spoken Spanish out, on a CPU, offline.

Recognition by Moonshine, or by pocketsphinx where there is no wheel of it; translation by Apertium,
speech by eSpeak NG. Nothing that recognizes Spanish comes in a wheel, so there is one direction.
"""

import asyncio
import contextlib
import importlib.util
import logging
import shutil
from dataclasses import dataclass

from lingua_node import (
    audio,
    clock,
    messages,
    opus,
    recognizers,
    semantic,
    translator,
    workers,
)
from lingua_node.interpretation import LiveTranslator
from lingua_node.jobs import Job, JobFailed, Result, StreamJob
from lingua_node.node import Node

logger = logging.getLogger(__name__)

_CODE_EVERY_S = 240  # a code is good for five minutes
_CODE_AGAIN_S = 15

NMT, TTS, SEMANTIC = "apertium-en-es", "espeak-ng-es", "sentence-repair"
_SOURCE, _TARGET = "en", "es"
_VOICE = "es"


class ProgramMissing(Exception):
    """Something the speech node needs is not installed; the message says how to install it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """The audio of an answer."""

    data: bytes
    audio_format: str


def check_programs(*, tts_format: str) -> None:
    """Make sure that everything needed is installed.

    :raises ProgramMissing: something is not
    """
    missing: list[str] = []
    if not recognizers.is_installed():
        missing.append(
            "Moonshine or pocketsphinx (pip install 'lingua-node[moonshine]' or [speech])"
        )
    if importlib.util.find_spec("soxr") is None:
        missing.append("soxr (pip install 'lingua-node[speech]')")
    if not translator.is_installed():
        missing.append(
            "Apertium English-Spanish (Debian: apt-get install apertium apertium-eng-spa)"
        )
    if shutil.which("espeak-ng") is None:
        missing.append("eSpeak NG (Debian: apt-get install espeak-ng)")
    if tts_format == "opus" and not opus.is_available():
        missing.append("libopus, for --tts-format opus (Debian: apt-get install libopus0)")
    if missing:
        raise ProgramMissing("the speech node needs " + "; ".join(missing))


class SpeechNode:
    """Owns the worker processes and the translator, and the node that uses them."""

    def __init__(self, *, slots: int, tts_format: str = "pcm16", is_private: bool = False) -> None:
        self._is_private = is_private
        self._tts_format = tts_format
        self._workers = workers.Workers(count=slots)
        # Speaks while the other workers listen; where nothing streams, nobody starts it.
        self._mouths = workers.Workers(count=1 if recognizers.can_stream() else 0, are_mute=True)
        self._translator = translator.Translator(service_id=NMT)
        self.node = Node(
            services=_services(),
            languages=_languages(),
            max_concurrent_jobs=slots,
            audio="pcm16",
            accept_public_jobs=not is_private,
        )
        if recognizers.can_stream():
            self.node.stream(self.interpret)
        else:
            self.node.job(self.translate)
        if not opus.is_available():
            logger.warning("libopus is missing: only pcm16 audio is understood (Debian: libopus0)")

    async def serve(self, *, url: str, token: str | None = None) -> None:
        """Load the models, then serve until drained.

        :raises WorkerLost: the models cannot be loaded
        """
        await self.start()
        showing = asyncio.create_task(self._show_codes()) if self._is_private else None
        try:
            await self.node.serve(url=url, token=token)
        finally:
            if showing is not None:
                showing.cancel()
            await self.stop()

    async def _show_codes(self) -> None:
        """Show on the terminal how to reach a private node, anew before a code is over."""
        await self.node.wait_registered()
        while True:
            try:
                code = await self.node.request_pairing_code()
                logger.info("pairing code %s %s: who shows it has this node", code[:3], code[3:])
                await asyncio.sleep(_CODE_EVERY_S)
            except OSError as error:
                logger.warning("no pairing code: %s", error)
                await asyncio.sleep(_CODE_AGAIN_S)

    async def start(self) -> None:
        """Load the models and translate one word, so that the first job finds everything warm."""
        await asyncio.gather(self._workers.start(), self._mouths.start())
        await self._translator.translate("hello")

    async def stop(self) -> None:
        await asyncio.gather(self._workers.stop(), self._mouths.stop())
        await self._translator.stop()

    async def interpret(self, job: StreamJob) -> Result:
        """Do one job while it is spoken; what came whole is done whole.

        The timings of a stream count from the end of speech.

        :raises JobFailed: wrong languages, or a step that broke
        """
        _check(job)
        if not isinstance(job.assign, messages.OpenJob):
            return await self._work(job, b"".join([piece async for piece in job.audio]))
        async with self._workers.borrow() as worker:
            live = LiveTranslator(
                job, translate=self._translator.translate, speak=self._speak_clause
            )
            # Also for who does not want it by clause: the result need not wait for all of it then.
            speaking = asyncio.create_task(live.speak_clauses()) if job.pipeline.use_tts else None
            try:
                heard = await worker.listen(job.audio, live.revise, rate=job.sample_rate)
                began_s = clock.monotonic_s()
                await live.end(heard)
                timings = {"nmt_ms": clock.elapsed_ms(since_s=began_s)}
                if not heard:
                    return Result(extra={"reason": "ASR_EMPTY", **_timed(timings, began_s)})
                if job.pipeline.use_semantic:
                    heard = semantic.repair(heard, language=_SOURCE)
                if speaking is not None:
                    await speaking
                    timings["tts_ms"] = clock.elapsed_ms(since_s=began_s)
            finally:
                if speaking is not None:
                    speaking.cancel()
                    await asyncio.gather(speaking, return_exceptions=True)
        return Result(
            text_asr=heard,
            text_translated=live.text,
            tts_audio=b"".join(live.speech),
            tts_format=self._tts_format,
            extra=_timed(timings, began_s),
        )

    async def translate(self, job: Job) -> Result:
        """Do one job.

        :raises JobFailed: wrong languages, or a step that broke
        """
        _check(job)
        return await self._work(job, job.audio)

    async def _work(self, job: Job | StreamJob, pcm16: bytes) -> Result:
        began_s = clock.monotonic_s()
        timings: dict[str, int] = {}
        async with self._workers.borrow() as worker:
            heard = await self._recognize(job, pcm16, worker, timings)
            if not heard:
                return Result(extra={"reason": "ASR_EMPTY", **_timed(timings, began_s)})
            translated = await self._translate(job, heard, timings)
            spoken = await self._speak(job, translated, worker, timings)
        return Result(
            text_asr=heard,
            text_translated=translated,
            tts_audio=spoken.data,
            tts_format=spoken.audio_format,
            extra=_timed(timings, began_s),
        )

    async def _recognize(
        self, job: Job | StreamJob, pcm16: bytes, worker: workers.Worker, timings: dict[str, int]
    ) -> str:
        began_s = clock.monotonic_s()
        if job.sample_rate != audio.SAMPLE_RATE:
            pcm16 = await workers.resample(worker, pcm16, from_rate=job.sample_rate)
        text = ""
        # Closed at once if the job is cancelled: the worker must not be lent on in mid-work.
        async with contextlib.aclosing(workers.recognize(worker, pcm16)) as texts:
            async for text, is_final in texts:
                if job.assign.enable_streaming_asr and text:
                    await job.emit_partial(text, is_final=is_final)
        timings["asr_ms"] = clock.elapsed_ms(since_s=began_s)
        if job.pipeline.use_semantic:
            text = semantic.repair(text, language=_SOURCE)
        return text

    async def _translate(self, job: Job | StreamJob, heard: str, timings: dict[str, int]) -> str:
        if not job.pipeline.use_nmt:
            return ""
        began_s = clock.monotonic_s()
        text = await self._translator.translate(heard)
        if job.pipeline.use_semantic:
            text = semantic.repair(text, language=_TARGET)
        timings["nmt_ms"] = clock.elapsed_ms(since_s=began_s)
        return text

    async def _speak(
        self, job: Job | StreamJob, text: str, worker: workers.Worker, timings: dict[str, int]
    ) -> Spoken:
        if not (job.pipeline.use_tts and text):
            return Spoken(data=b"", audio_format=self._tts_format)
        began_s = clock.monotonic_s()
        data = await workers.speak(worker, voice=_VOICE, text=text)
        spoken = await self._pack(data)
        timings["tts_ms"] = clock.elapsed_ms(since_s=began_s)
        return spoken

    async def _speak_clause(self, text: str) -> tuple[bytes, str]:
        async with self._mouths.borrow() as mouth:
            spoken = await self._pack(await workers.speak(mouth, voice=_VOICE, text=text))
        return spoken.data, spoken.audio_format

    async def _pack(self, pcm16: bytes) -> Spoken:
        """Return speech in the form that is sent."""
        data = pcm16
        if self._tts_format == "opus":
            data = await asyncio.to_thread(opus.encode, pcm16)
        return Spoken(data=data, audio_format=self._tts_format)


def _timed(timings: dict[str, int], began_s: float) -> dict[str, dict[str, int]]:
    return {"service_timings": {**timings, "total_ms": clock.elapsed_ms(since_s=began_s)}}


def _check(job: Job | StreamJob) -> None:
    """Refuse languages this node never offered; the scheduler should not have sent them."""
    assign = job.assign
    source, target = _language(assign.src_lang), _language(assign.tgt_lang)
    if assign.lang_a and assign.lang_b:
        pair = {_language(assign.lang_a), _language(assign.lang_b)}
        if pair == {_SOURCE, _TARGET}:
            # Of a two-way session this node hears one side: English.
            source, target = _SOURCE, _TARGET
    if source not in {_SOURCE, "auto"} or (job.pipeline.use_nmt and target != _TARGET):
        raise JobFailed(
            f"cannot translate {assign.src_lang} to {assign.tgt_lang}", code="UNSUPPORTED_FEATURE"
        )
    if not job.pipeline.use_asr:
        raise JobFailed("a job without recognition has no text", code="UNSUPPORTED_FEATURE")


def _language(code: str) -> str:
    """`en-US` and `EN` are both English."""
    return code.lower().replace("_", "-").partition("-")[0]


def _services() -> list[messages.Service]:
    recognizer = (
        messages.Service(
            service_id="moonshine-tiny-en", type="asr", engine="moonshine", version="0.0.59"
        )
        if recognizers.can_stream()
        else messages.Service(
            service_id="pocketsphinx-en", type="asr", engine="pocketsphinx", version="5"
        )
    )
    return [
        recognizer,
        messages.Service(service_id=NMT, type="nmt", engine="apertium", version="3"),
        messages.Service(service_id=TTS, type="tts", engine="espeak-ng", version="1"),
        messages.Service(service_id=SEMANTIC, type="semantic", engine="rules", version="1"),
    ]


def _languages() -> messages.Languages:
    pair = messages.LanguagePair(src=_SOURCE, tgt=_TARGET)
    return messages.Languages(
        asr_languages=[_SOURCE],
        tts_languages=[_TARGET],
        semantic_languages=[_SOURCE, _TARGET],
        semantic_core_ready=True,
        nmt_capabilities=[
            messages.NmtCapability(
                model_id=NMT,
                languages=[_SOURCE, _TARGET],
                rule="specific_pairs",
                supported_pairs=[pair],
            )
        ],
        supported_language_pairs=[pair],
    )
