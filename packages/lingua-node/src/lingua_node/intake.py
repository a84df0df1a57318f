"""Brings the audio of a job into the form the handler asked for."""

import asyncio
import base64
import binascii
from typing import Literal

from lingua_node import audio, messages, opus
from lingua_node.jobs import AudioInvalid

AudioForm = Literal["pcm16", "opus", "as_sent", "none"]

_RATES = range(8_000, 48_001)  # Hz, what a recording can sensibly have


async def read_audio(assign: messages.AssignJob, *, wanted: AudioForm) -> tuple[bytes, str, int]:
    """Return the audio, its format and its sample rate.

    :raises AudioInvalid: it is not what it claims to be
    :raises OpusMissing: it must be converted, and libopus is not installed
    """
    sent_as = assign.audio_format
    if wanted == "none":
        return b"", sent_as, assign.sample_rate
    data = _check(assign)
    rate = audio.SAMPLE_RATE if sent_as == "opus" else assign.sample_rate
    if wanted in {"as_sent", sent_as}:
        return data, sent_as, rate
    if wanted == "pcm16":
        return await asyncio.to_thread(opus.decode, data), wanted, rate
    return await asyncio.to_thread(_encode, data, rate), wanted, audio.SAMPLE_RATE


def check_form(assign: messages.AssignJob) -> None:
    """Refuse what cannot be the form of audio.

    :raises AudioInvalid: there is no such form, or no such sample rate
    """
    if assign.audio_format not in {"opus", "pcm16"}:
        raise AudioInvalid(f"unknown audio format: {assign.audio_format}")
    if assign.audio_format == "pcm16" and assign.sample_rate not in _RATES:
        raise AudioInvalid(f"impossible sample rate: {assign.sample_rate}")


def _check(assign: messages.AssignJob) -> bytes:
    check_form(assign)
    try:
        data = base64.b64decode(assign.audio, validate=True)
    except binascii.Error as error:
        raise AudioInvalid(f"the audio is not base64: {error}") from error
    if assign.audio_format == "opus":
        if not audio.split_packets(data):
            raise AudioInvalid("there is no audio")
    else:
        audio.check_pcm16(data)
    return data


def _encode(pcm16: bytes, rate: int) -> bytes:
    return opus.encode(audio.resample(pcm16, from_rate=rate))
