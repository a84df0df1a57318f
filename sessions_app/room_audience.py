"""Who hears one speaker in its room: a request for each language that others listen in."""

import contextlib
from collections.abc import Callable, Sequence

from scheduling.model.errors import DependencyDown
from scheduling.model.jobs import Request
from scheduling.model.languages import AUTO, normalize
from scheduling.model.rooms import Caption, SaidPlace
from scheduling.rooms.captions import Captions
from sessions_app.requests import aim_at
from sessions_app.room_outcomes import RoomOutcomes, SaidUtterance


class RoomAudience:
    """One session's listeners; outside a room nothing passes through it."""

    __slots__ = (
        "_captions",
        "_code",
        "_go_on_from",
        "_name",
        "_note_said",
        "_session_id",
        "outcomes",
    )

    def __init__(
        self, *, session_id: str, captions: Captions, go_on_from: Callable[[int], None]
    ) -> None:
        self._session_id = session_id
        self._captions = captions
        self._go_on_from = go_on_from
        self._code = self._name = ""
        self._note_said: Callable[[], None] | None = None
        self.outcomes = RoomOutcomes(session_id=session_id, captions=captions)

    def keep_by(self, note_said: Callable[[], None]) -> None:
        """Let it be noted where utterances are in their room, for who goes on elsewhere."""
        self._note_said = note_said

    def enter(self, code: str, *, name: str) -> None:
        """What is said from now on is for a room."""
        self._code, self._name = code, name

    def leave(self) -> None:
        """What is said from now on is for its speaker."""
        self._code = self._name = ""

    def note_heard(self, utterance_index: int) -> None:
        """Another has this index: a page shows each once, whoever spoke."""
        self._go_on_from(utterance_index + 1)

    async def list_kept(self, code: str, *, after: str) -> list[Caption]:
        """Return what was said in a room in the last minutes, after a caption that is known.

        :raises DependencyDown: Redis did not answer
        """
        return await self._captions.list_kept(code, after=after or "-")

    async def aim(self, requests: Sequence[Request]) -> Sequence[Request]:
        """Ask for an utterance in the languages that others in the room listen in (RM3).

        Where nobody does, its speaker is answered as ever; so it is where Redis does not answer.
        """
        if not requests:
            return requests
        asked = requests[0].assignment
        said = self.outcomes.find(asked.utterance_index)
        if said is None and self._code:
            with contextlib.suppress(DependencyDown):
                said = await self.find_place(asked.utterance_index, src_lang=asked.src_lang)
        if said is None:
            return requests
        if said.own_lang and not asked.is_open:
            said.whole = requests[0]
        return [aim_at(requests[0], lang) for lang in said.langs] or requests

    async def find_place(self, utterance_index: int, *, src_lang: str) -> SaidUtterance | None:
        """Give an utterance its place in the room; None: that is over, or its speaker not in it.

        :raises DependencyDown: Redis did not answer
        """
        code, name = self._code, self._name
        audience = await self._captions.find_audience(
            code, member_id=self._session_id, own_index=utterance_index
        )
        if audience is None:
            return None
        src = normalize(src_lang)
        own_lang = src if src != AUTO and src in audience.langs else ""
        said = self.outcomes.expect(
            SaidPlace(
                own_index=utterance_index,
                room_code=code,
                speaker_name=name,
                index=audience.utterance_index,
                langs=tuple(lang for lang in audience.langs if lang != own_lang),
                own_lang=own_lang,
            )
        )
        self._go_on_from(audience.utterance_index + 1)
        if self._note_said is not None and said.is_awaited:
            self._note_said()
        return said
