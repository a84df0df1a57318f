"""What one attempt tells before its end: texts that grow, and speech by clause."""

import base64
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from lingua_node import answers, messages, results

Tell = Callable[[messages.Partial], Awaitable[bool]]
Check = Callable[[messages.Partial, str], None]

_MOST_CHARS = 16_384  # of a partial translation's texts, as the scheduler reads them


class Partials:
    """Checks what a handler tells, so that the scheduler takes it, and numbers it."""

    def __init__(
        self,
        assign: messages.AssignJob,
        *,
        node_id: str,
        tell: Tell,
        check: Check,
        has_begun: Callable[[], bool],
    ) -> None:
        self.not_awaited: dict[str, int] = {}
        self._assign = assign
        self._node_id = node_id
        self._tell = tell
        self._check = check
        self._has_begun = has_begun
        self._committed = ""
        self._translations = 0
        self._clauses = 0
        self._is_mute = False

    def emit_text(self, text: str, *, is_final: bool) -> Coroutine[Any, Any, None]:
        """Return what tells a recognized text once it is awaited.

        :raises ResultUnsendable: it is no text, or cannot be sent
        """
        text = results.read_text(text, "text of emit_partial")
        partial = answers.partial(self._assign, self._node_id, text=text, is_final=bool(is_final))
        return self._await_once(self._send(partial, "emit_partial"), partial, "emit_partial")

    def emit_translation(self, committed: str, tail: str) -> Coroutine[Any, Any, None]:
        """Return what tells a translation once it is awaited.

        :raises ResultUnsendable: it takes back what was committed, or cannot be sent
        """
        name = "emit_translation"
        self._refuse_early(name)
        committed = results.read_text(committed, f"committed of {name}")
        tail = results.read_text(tail, f"tail of {name}")
        if max(len(committed), len(tail)) > _MOST_CHARS:
            raise results.ResultUnsendable(f"{name} takes {_MOST_CHARS:,} characters of each text")
        if not committed.startswith(self._committed):
            raise results.ResultUnsendable(
                f"committed of {name} takes words back: it must begin with all that was committed "
                "before; what may still change belongs in tail"
            )
        self._committed = committed
        partial = answers.translation(
            self._assign, self._node_id, seq=self._translations, committed=committed, tail=tail
        )
        self._translations += 1
        return self._await_once(self._send(partial, name), partial, name)

    def emit_speech(self, audio: bytes, tts_format: str) -> Coroutine[Any, Any, None]:
        """Return what tells a spoken clause once it is awaited.

        :raises ResultUnsendable: it is no speech, or cannot be sent
        """
        name = "emit_speech"
        self._refuse_early(name)
        audio, tts_format = results.read_clause(audio, tts_format)
        clause = answers.clause(
            self._assign,
            self._node_id,
            seq=self._clauses,
            audio=base64.b64encode(audio).decode(),
            tts_format=tts_format,
        )
        self._clauses += 1
        return self._await_once(self._speak(clause), clause, name)

    def _refuse_early(self, name: str) -> None:
        if not self._has_begun():
            raise results.ResultUnsendable(
                f"{name} before anything was said: wait for the first piece of job.audio"
            )

    def _await_once(
        self, sending: Coroutine[Any, Any, None], partial: messages.Partial, name: str
    ) -> Coroutine[Any, Any, None]:
        try:
            self._check(partial, name)
        except results.ResultUnsendable:
            sending.close()
            raise
        self.not_awaited[name] = self.not_awaited.get(name, 0) + 1
        return sending

    async def _send(self, partial: messages.Partial, name: str) -> None:
        self.not_awaited[name] -= 1
        await self._tell(partial)

    async def _speak(self, clause: messages.TtsChunk) -> None:
        self.not_awaited["emit_speech"] -= 1
        # One that was lost would leave a gap: the rest is heard with the result.
        if self._assign.enable_streaming_tts and not self._is_mute:
            self._is_mute = not await self._tell(clause)
