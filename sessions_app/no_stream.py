"""What stands in for `SpeechStream` where nobody streams; all such sessions share one."""

from collections.abc import Sequence

from scheduling.model.events import JobDispatched, StreamFailed
from scheduling.model.jobs import Request
from sessions_app.sent_chunk import SentChunk
from sessions_app.speech_input import SpeechInput


class NoStream:
    """Every utterance is asked for when it is whole: there is nothing to follow."""

    __slots__ = ()

    async def follow(self, speech: SpeechInput, sent: SentChunk) -> None:
        """Nobody hears what is not over yet."""

    async def end(self, requests: Sequence[Request]) -> list[Request]:
        """Return all that is asked for: none of it was begun."""
        return list(requests)

    def check_index(self, utterance_index: int) -> None:
        """Nothing that is being said has a number."""

    def note_dispatched(self, event: JobDispatched) -> None:
        """Its node has all of it."""

    def note_broken(self, event: StreamFailed) -> None:
        """Nothing of it was relayed."""

    def note_partial(self, job_id: str) -> None:
        """It was said before anything of it was shown."""

    def note_end(self, job_id: str) -> None:
        """No audio of it is kept here."""

    def give_up(self) -> dict[str, Request]:
        """Return no job: none was begun."""
        return {}

    def call_off(self) -> None:
        """Nothing was begun."""

    def stop(self) -> None:
        """Nothing is open."""
