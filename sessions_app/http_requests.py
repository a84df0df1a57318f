"""What an utterance that comes as a request asks for, in the words of all others."""

import msgspec

from scheduling.model.jobs import Request
from sessions_app import http_messages, messages
from sessions_app.requests import Profile, read_targets, request_from_utterance
from sessions_app.whole_audio import WholeAudio


def read_request(
    message: http_messages.DispatchUtterance,
    *,
    profile: Profile,
    session_id: str,
    index: int,
    audio: WholeAudio,
) -> Request:
    """Return what a message asks for, in the place that its session gave it."""
    options = message.options or http_messages.Options()
    pipeline = message.pipeline or messages.PipelineWanted(
        use_asr=True, use_nmt=True, use_tts=options.require_tts
    )
    utterance = messages.Utterance(
        session_id=session_id,
        utterance_index=index,
        manual_cut=True,
        src_lang=message.src_lang,
        tgt_lang=read_targets(message.tgt_lang, message.tgt_langs)[0],
        audio=audio.text,
        audio_format=audio.audio_format,
        sample_rate=audio.sample_rate,
        pipeline=pipeline,
        request_id=message.request_id,
        trace_id=message.trace_id,
        dialect=message.dialect,
        features=message.features,
        mode=message.mode,
        lang_a=message.lang_a,
        lang_b=message.lang_b,
        auto_langs=message.auto_langs,
        traceparent=message.traceparent,
        deadline_ms=message.deadline_ms,
    )
    request = request_from_utterance(profile, utterance)
    return msgspec.structs.replace(request, preferred_node_id=options.preferred_node_id or "")
