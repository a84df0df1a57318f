"""Which results belong together for playback: a session's utterance groups (J13)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPart:
    """A result's place in its group."""

    group_id: str
    part_index: int


@dataclass(slots=True, kw_only=True)
class _Group:
    group_id: str
    parts: int = 0
    playback_ended_at_ms: int | None = None


class UtteranceGroups:
    """One session's groups; only the latest is open.

    A result joins it when it comes within `window_ms` of the group's last playback end and the
    group has room; otherwise it begins a new one.
    """

    __slots__ = (
        "_begun_at_ms",
        "_group",
        "_latest",
        "_max_parts",
        "_session_id",
        "_window_ms",
    )

    def __init__(
        self,
        *,
        session_id: str,
        window_ms: int = 2000,
        max_parts: int = 8,
    ) -> None:
        self._session_id = session_id
        self._window_ms = window_ms
        self._max_parts = max_parts
        self._group: _Group | None = None
        self._latest: tuple[int, GroupPart] | None = None
        self._begun_at_ms = 0

    def add_result(
        self, *, text_asr: str, now_ms: int, utterance_index: int | None = None
    ) -> GroupPart | None:
        """Give the result its place, in the order results leave; None if nothing was heard.

        Results of one `utterance_index`, which leave one after the other, are one part: the same
        utterance in several languages.
        """
        if not text_asr:
            return None
        if self._latest is not None and self._latest[0] == utterance_index:
            return self._latest[1]
        group = self._group
        if group is None or not self._can_join(group, now_ms):
            group = self._begin(now_ms)
        part = GroupPart(group_id=group.group_id, part_index=group.parts)
        group.parts += 1
        self._latest = None if utterance_index is None else (utterance_index, part)
        return part

    def on_playback_ended(self, *, group_id: str, ended_at_ms: int, now_ms: int) -> None:
        """Note a playback end in the client's clock; ends of other groups are ignored.

        The report is sent at once, so a client time far from ours is a wrong clock, and the time
        of receipt is the better one.
        """
        if self._group is None or self._group.group_id != group_id:
            return
        plausible = 0 <= now_ms - ended_at_ms <= self._window_ms
        self._group.playback_ended_at_ms = ended_at_ms if plausible else now_ms

    def _can_join(self, group: _Group, now_ms: int) -> bool:
        if group.playback_ended_at_ms is None or group.parts >= self._max_parts:
            return False
        return now_ms - group.playback_ended_at_ms <= self._window_ms

    def _begin(self, now_ms: int) -> _Group:
        # Two groups may begin in one millisecond; their ids must differ all the same.
        self._begun_at_ms = max(now_ms, self._begun_at_ms + 1)
        self._group = _Group(group_id=f"group_{self._session_id}_{self._begun_at_ms}")
        return self._group
