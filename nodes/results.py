"""What a node's answer to a job comes to: checked, and fit for a speaker's eyes."""

import re

import msgspec

from nodes import messages
from scheduling.jobs.failed_attempts import DUPLICATE_UTTERANCE
from scheduling.model.outcomes import Refused, Result
from sockets.reader import Flaw
from sockets.wire import measure_base64

UNREADABLE_RESULT = "UNREADABLE_RESULT"
ANSWERED_EARLY = "ANSWERED_EARLY"
STREAM_GAP = "STREAM_GAP"
DUPLICATE_JOB = "DUPLICATE_JOB_ID"
FAILED = "PROCESSING_ERROR"

FORMATS = frozenset({"opus", "pcm16"})
"""Of speech."""
_QUALITIES = frozenset({"good", "suspect", "bad"})
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_SENTENCE = "The node could not process the utterance."
# What speakers are told; the node's own words are for operators.
_SENTENCES = {
    UNREADABLE_RESULT: "The node's answer could not be read.",
    ANSWERED_EARLY: "The node answered before the utterance was over.",
    STREAM_GAP: "The utterance did not reach the node whole.",
    "ASR_TIMEOUT": "The node took too long to recognise the utterance.",
    DUPLICATE_JOB: "The node has had this job before.",
    DUPLICATE_UTTERANCE: "The node has had this utterance before.",
    "INVALID_AUDIO": "The node cannot read this audio.",
    "JOB_TIMEOUT": "The node took too long.",
    "MODEL_NOT_AVAILABLE": "The node does not have the model that is needed.",
    "NMT_TIMEOUT": "The node took too long to translate the utterance.",
    "NODE_OVERLOADED": "The node has too much to do.",
    "RESULT_TOO_LARGE": "The node's answer is too long to be sent.",
    "TTS_TIMEOUT": "The node took too long to speak the translation.",
    "UNSUPPORTED_AUDIO_FORMAT": "The node cannot read audio of this format.",
}


def has_it(error: messages.JobError | None) -> bool:
    """Say whether a node refuses a job because it has it: the desktop node says so in words."""
    return error is not None and (
        error.code == DUPLICATE_JOB or error.message.startswith(DUPLICATE_JOB)
    )


def read_failure(error: messages.JobError | None) -> Refused:
    """Return a node's failure as its speaker may be told: a code, and a sentence of ours."""
    if error is None:
        return refuse(FAILED)
    if error.message.startswith(DUPLICATE_UTTERANCE):
        return refuse(DUPLICATE_UTTERANCE)
    return refuse(error.code if _CODE.fullmatch(error.code) else FAILED)


def refuse(code: str) -> Refused:
    """Return a failure with its sentence."""
    return Refused(code=code, message=_SENTENCES.get(code, _SENTENCE))


def read_result(output: messages.JobOutput) -> tuple[Result | None, list[Flaw]]:
    """Return what a node made of an utterance, and what was left out of it.

    None where something was said, and nothing of it can be used.
    """
    flaws: list[Flaw] = []
    audio, audio_format = output.tts_audio or "", output.tts_format or "pcm16"
    if audio_format not in FORMATS:
        flaws.append(Flaw("tts_format", "neither `opus` nor `pcm16`"))
        audio, audio_format = "", "pcm16"
    if audio and not (isinstance(audio, str) and measure_base64(audio) is not None):
        flaws.append(Flaw("tts_audio", "no base64"))
        audio = ""
    quality = output.asr_quality_level
    if quality is not None and quality not in _QUALITIES:
        flaws.append(Flaw("asr_quality_level", "none of `good`, `suspect`, `bad`"))
        quality = None
    result = Result(
        text_asr=output.text_asr or "",
        text_translated=output.text_translated or "",
        tts_audio=audio,
        tts_format=audio_format,
        extra=_read_extra(output.extra, flaws),
        processing_time_ms=None
        if output.processing_time_ms is None
        else int(output.processing_time_ms),
        node_completed_at_ms=output.node_completed_at_ms,
        asr_quality_level=quality,
        reason_codes=_read_codes(output.reason_codes, flaws),
        quality_score=output.quality_score,
        rerun_count=output.rerun_count,
        segments_meta=None
        if output.segments_meta is None
        else msgspec.to_builtins(output.segments_meta),
    )
    if result.is_empty and output.tts_audio:
        return None, flaws
    return result, flaws


def _read_extra(extra: messages.Extra | None, flaws: list[Flaw]) -> "dict[str, object] | None":
    """Return what a speaker may be told: words and figures, nothing that a node wrote freely."""
    if extra is None:
        return None
    if extra.reason is not None and not _WORD.fullmatch(extra.reason):
        # Some nodes put free text there, as is their right.
        extra = msgspec.structs.replace(extra, reason=None)
    for name in ("emotion", "voice_style"):
        said = getattr(extra, name)
        if said is not None and not _WORD.fullmatch(said):
            flaws.append(Flaw(f"extra.{name}", "not one word without spaces"))
            extra = msgspec.structs.replace(extra, **{name: None})
    heard = extra.language_probabilities or {}
    known = {tag: share for tag, share in heard.items() if _WORD.fullmatch(tag)}
    if len(known) < len(heard):
        flaws.append(Flaw("extra.language_probabilities", "not all are of language tags"))
        extra = msgspec.structs.replace(extra, language_probabilities=known or None)
    told: dict[str, object] = msgspec.to_builtins(extra)
    return told


def _read_codes(codes: list[str] | None, flaws: list[Flaw]) -> tuple[str, ...] | None:
    if codes is None:
        return None
    known = tuple(code for code in codes if _WORD.fullmatch(code))
    if len(known) < len(codes):
        flaws.append(Flaw("reason_codes", "not all are words without spaces"))
    return known
