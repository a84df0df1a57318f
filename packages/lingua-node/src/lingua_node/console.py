"""A job without a scheduler: one recording goes through a node's own handler."""

import asyncio
import base64
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from lingua_node import audio, messages
from lingua_node.jobs import AudioInvalid
from lingua_node.load import BUSY_PERCENT, find_busiest
from lingua_node.mistakes import NodeMistake
from lingua_node.node import Node

_NODE_ID = "node-console"
_WOULD_BE_LEFT = ": a scheduler would give no job, by default"
Say = Callable[[str], object]


def read_clip(path: str) -> bytes:
    """Return the PCM16 at 16 kHz of a WAV file.

    :raises NodeMistake: there is none, or it is no WAV of one channel and 16 bits
    """
    try:
        pcm16, rate = audio.read_wav(Path(path).read_bytes())
    except OSError as error:
        raise NodeMistake(f"{path} cannot be read: {error.strerror}") from None
    except AudioInvalid as error:
        raise NodeMistake(f"{path}: {error}; a WAV of one channel and 16 bits is heard") from None
    return audio.resample(pcm16, from_rate=rate)


def make_wav(pcm16: bytes, *, rate: int = audio.SAMPLE_RATE) -> bytes:
    """Put PCM16 behind a WAV header."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    data = struct.pack("<4sI", b"data", len(pcm16)) + pcm16
    return struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(data), b"WAVE") + form + data


def save_wav(path: str, pcm16: bytes) -> None:
    """Write PCM16 at 16 kHz to a file."""
    Path(path).write_bytes(make_wav(pcm16))


async def hear(
    node: Node,
    pcm16: bytes,
    *,
    src_lang: str | None = None,
    tgt_lang: str | None = None,
    say: Say = print,
) -> messages.JobResult | messages.JobDeclined | None:
    """Offer a node one job as a scheduler would, and say what comes of it as it comes.

    None where the node left it unanswered, as simulators do.

    :raises NodeMistake: the node has no handler, tells no languages and none are given, or cannot
        say how busy it is
    """
    if not node.calls.is_ready:
        raise NodeMistake(
            "the node has no handler: put @node.job above the function that does a job"
        )
    await node.prewarm.run()
    src, tgt = choose_languages(node, src_lang=src_lang, tgt_lang=tgt_lang)
    busiest, percent = find_busiest(await node.identity.load.read(0))
    say(f"load        {percent:.0f} % of {busiest}{_WOULD_BE_LEFT * (percent > BUSY_PERCENT)}")
    outcome: asyncio.Future[messages.JobResult | messages.JobDeclined] = (
        asyncio.get_running_loop().create_future()
    )

    async def send(message: messages.FromNode) -> None:
        match message:
            case messages.JobResult() | messages.JobDeclined():
                outcome.set_result(message)
            case messages.JobAccepted():
                say("accepted")
            case messages.AsrPartial() | messages.TranslationPartial() | messages.TtsChunk():
                say(_describe(message))
            case _:
                pass

    assign = messages.AssignJob(
        job_id="job-console",
        attempt_id=1,
        session_id="s-console",
        utterance_index=0,
        trace_id="console",
        src_lang=src,
        tgt_lang=tgt,
        pipeline=messages.Pipeline(use_asr=True, use_nmt=True, use_tts=True),
        audio=base64.b64encode(pcm16).decode(),
        audio_format="pcm16",
        sample_rate=audio.SAMPLE_RATE,
        enable_streaming_tts=True,
    )
    node.runner.attach(node_id=_NODE_ID, send=send)
    await node.runner.assign(assign)
    return None if node.counters.ignored else await outcome


def choose_languages(node: Node, *, src_lang: str | None, tgt_lang: str | None) -> tuple[str, str]:
    """Return what is spoken and what it becomes: as told, else the first pair of the node."""
    languages = node.offer.languages
    pairs = languages.supported_language_pairs or []
    fitting = [
        pair for pair in pairs if src_lang in (None, pair.src) and tgt_lang in (None, pair.tgt)
    ]
    heard, spoken = languages.asr_languages or [""], languages.tts_languages or [""]
    src = src_lang or (fitting[0].src if fitting else heard[0])
    tgt = tgt_lang or (fitting[0].tgt if fitting else spoken[0])
    if not src or not tgt:
        raise NodeMistake("the node tells no languages: say which, with --src and --tgt")
    return src, tgt


def report(
    result: messages.JobResult | messages.JobDeclined | None, *, say: Say, save: str | None = None
) -> bool:
    """Say what a job came to; whether it went well."""
    if result is None:
        say("ignored     nothing was answered: the job would move on when that is noticed")
        return False
    if isinstance(result, messages.JobDeclined):
        why = f"{result.reason}; " if result.reason else ""
        say(f"declined    {why}another node would get the job")
        return False
    if not result.success:
        code = result.error.code if result.error else "PROCESSING_ERROR"
        why = result.error.message if result.error else ""
        sys.stderr.write(f"failed      {code}: {why}\n")
        return False
    say(f"heard       {result.text_asr or '(nothing)'}")
    say(f"translated  {result.text_translated or '(nothing)'}")
    speech = base64.b64decode(result.tts_audio or "")
    if not speech:
        say("speech      (none)")
    elif result.tts_format == "pcm16":
        say(f"speech      {len(speech) / 2 / audio.SAMPLE_RATE:.1f} s")
        if save is not None:
            save_wav(save, speech)
            say(f"saved       {save}")
    else:
        say(f"speech      {len(speech)} bytes of {result.tts_format}")
    say(f"took        {result.processing_time_ms} ms")
    return True


def _describe(partial: messages.Partial) -> str:
    text = getattr(partial, "text", None)
    if text is not None:
        return f"… heard     {text}"
    committed = getattr(partial, "committed", None)
    if committed is not None:
        return f"… translated {committed} {getattr(partial, 'tail', '')}".rstrip()
    return "… speech"
