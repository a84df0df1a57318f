"""What a session may hold, and for how long."""

import dataclasses

from sessions_app.cuts import SegmentationSettings


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How a session's audio is cut, its results ordered and grouped.

    Utterances are numbered from 0, or, with `indices_by_clock`, from where no earlier session of
    the same page can be. Without `streams` every utterance goes whole, whatever its speaker asks;
    so does one of more than `most_utterance_bytes`, and one that begins while `most_streamed_bytes`
    are kept of all.
    """

    segmentation: SegmentationSettings = dataclasses.field(default_factory=SegmentationSettings)
    result_gap_ms: int = 10_000
    most_held_results: int = 200
    group_window_ms: int = 2_000
    group_parts: int = 8
    indices_by_clock: bool = False
    streams: bool = True
    most_utterance_bytes: int = 640 * 1024
    most_streamed_bytes: int = 256 * 1024 * 1024
