"""From what a speaker says to requests: chunks are cut into utterances, each asked for once."""

import base64
from collections.abc import Iterable

import msgspec

from scheduling.model import clock, ids
from scheduling.model.jobs import Request
from scheduling.model.metrics import Metrics
from sessions_app import messages
from sessions_app.audio import AudioFormat, read_format
from sessions_app.chunk_reader import ChunkReader
from sessions_app.cuts import Cut, CutReason, SegmentationSettings
from sessions_app.requests import (
    Profile,
    fan_out,
    request_from_begun,
    request_from_cut,
    request_from_utterance,
)
from sessions_app.safe_chunks import SafeChunks
from sessions_app.segmentation import Segmenter
from sessions_app.spoken_context import SpokenContext
from sessions_app.utterance_audio import UtteranceAudio

# What one utterance asks for: a request for each language it is translated to.
Wanted = list[Request]


class SpeechInput:
    """One session's speech; waits for nothing, and returns what is to be asked for now."""

    __slots__ = (
        "_conn_epoch",
        "_context",
        "_deadline_ms",
        "_metrics",
        "_profile",
        "_reader",
        "_safe",
        "_segmenter",
        "_session_id",
    )

    def __init__(
        self,
        *,
        session_id: str,
        profile: Profile,
        context: SpokenContext,
        segmentation: SegmentationSettings,
        metrics: Metrics,
        conn_epoch: int = 0,
    ) -> None:
        self._conn_epoch = conn_epoch
        self._session_id = session_id
        self._profile = profile
        self._context = context
        self._reader = ChunkReader(sample_rate=profile.sample_rate)
        self._segmenter = Segmenter(
            settings=segmentation,
            new_turn_id=ids.new_trace_id,
            audio_format=read_format(profile.audio_format) if profile.audio_format else None,
            sample_rate=profile.sample_rate,
            listens=True,
        )
        self._metrics = metrics
        self._safe = SafeChunks()
        # Of what is being said, where its chunks name one.
        self._deadline_ms = 0

    @property
    def safe_seq(self) -> int:
        """Return the last chunk that is safe once what was cut is, -1 for none."""
        return self._safe.safe

    @property
    def next_wakeup_at_ms(self) -> int | None:
        """When `on_tick` is wanted; None while nothing is being said."""
        return self._segmenter.next_wakeup_at_ms

    def is_repeat(self, seq: int) -> bool:
        """Say whether a chunk was taken before."""
        return self._safe.is_repeat(seq)

    def hear(
        self, *, audio: bytes, is_final: bool, seq: int = 0, deadline_ms: int | None = None
    ) -> list[Wanted]:
        """Take a chunk of audio; it may end an utterance, whose deadline is the last one named.

        :raises ForeignAudio: a file begins here that we do not take
        """
        bare = self._reader.read(audio, begins=self._segmenter.is_empty)
        self._deadline_ms = deadline_ms or self._deadline_ms
        self._segmenter.sample_rate = self._reader.sample_rate
        cuts = self._segmenter.on_chunk(audio=bare, is_final=is_final, now_ms=clock.now_ms())
        self._safe.note(seq, self._segmenter.utterance, is_carried=self._segmenter.carries)
        return self._ask_for(cuts)

    def find_spoken(self) -> UtteranceAudio | None:
        """Return what is being said, numbered from now on; None before somebody surely speaks."""
        return self._segmenter.find_spoken()

    def open_request(self, spoken: UtteranceAudio) -> Wanted:
        """Ask for what is being said, before it is over."""
        request = request_from_begun(
            self._profile,
            session_id=self._session_id,
            utterance_index=spoken.index or 0,
            audio_format=spoken.spoken_format or AudioFormat.PCM16,
            sample_rate=spoken.sample_rate,
        )
        return self._fan_out(self._bind_to_socket(request))

    def take_utterance(self, message: messages.Utterance) -> Wanted:
        """Take a whole utterance under the index its client chose."""
        self._segmenter.skip_index(message.utterance_index)
        return self._fan_out(request_from_utterance(self._profile, message))

    def start_playback(self) -> list[Wanted]:
        """The client plays a translation: silence is not the end of an utterance now."""
        return self._ask_for(self._segmenter.on_tts_started(now_ms=clock.now_ms()))

    def end_playback(self) -> list[Wanted]:
        """The client has played a translation."""
        return self._ask_for(self._segmenter.on_tts_ended(now_ms=clock.now_ms()))

    def close(self) -> list[Wanted]:
        """Nothing more will be said."""
        return self._ask_for(self._segmenter.on_close(now_ms=clock.now_ms()))

    def on_tick(self) -> list[Wanted]:
        """See whether an utterance ended by silence; harmless when called early, late or twice."""
        return self._ask_for(self._segmenter.on_tick(now_ms=clock.now_ms()))

    def _fan_out(self, request: Request) -> Wanted:
        return fan_out(self._context.add_to(request), self._profile.tgt_langs)

    def go_on_from(self, utterance_index: int, *, safe_seq: int | None = None) -> None:
        """Number utterances from here: those before are others' of its room, or were spoken before.

        With `safe_seq` they were spoken on an older socket.
        """
        if safe_seq is not None:
            self._safe.go_on_from(safe_seq)
        if utterance_index:
            self._segmenter.skip_index(utterance_index - 1)

    def _ask_for(self, cuts: Iterable[Cut]) -> list[Wanted]:
        self._safe.note_time(self._segmenter.utterance, is_carried=self._segmenter.carries)
        wanted = [self._ask_for_one(cut) for cut in cuts]
        if wanted:
            # What was said before the last cut is safe with it.
            wanted[-1] = [
                msgspec.structs.replace(each, safe_seq=self.safe_seq) for each in wanted[-1]
            ]
        empty, self._segmenter.empty_marks = self._segmenter.empty_marks, 0
        if empty:
            self._metrics.count("web_task_empty_finalize_total", by=empty)
        return wanted

    def _ask_for_one(self, cut: Cut) -> Wanted:
        self._metrics.count("web_task_finalized_total", _name_reason(cut.reason))
        audio = base64.b64encode(cut.audio).decode()
        request = request_from_cut(
            self._profile,
            session_id=self._session_id,
            cut=cut,
            audio=audio,
            deadline_ms=self._deadline_ms,
        )
        self._deadline_ms = 0
        return self._fan_out(self._bind_to_socket(request))

    def _bind_to_socket(self, request: Request) -> Request:
        """Chunks are of one socket; whole utterances are the same on each."""
        if not self._conn_epoch:
            return request
        return msgspec.structs.replace(request, conn_epoch=self._conn_epoch)


def _name_reason(reason: CutReason) -> str:
    match reason:
        case CutReason.IS_FINAL:
            return "send"
        case CutReason.QUIET:
            return "quiet"
        case _:
            return "pause"
