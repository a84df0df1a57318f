"""Codes of rooms: drawn at random, and not to be found by trying (RM1)."""

import secrets

from scheduling.access.wrong_credentials import WrongCredentialLimits, WrongCredentials
from scheduling.model.errors import TooManyRequests
from scheduling.model.limits import RoomLimits
from scheduling.model.metrics import Metrics
from scheduling.model.rooms import CODE_LENGTH
from scheduling.store.allowances import AllowanceStore

_S_A_MINUTE = 60


class RoomCodes:
    """Draws codes, and counts for each principal what it opens and what it tries in vain."""

    def __init__(self, *, allowances: AllowanceStore, limits: RoomLimits, metrics: Metrics) -> None:
        self._allowances = allowances
        self._limits = limits
        self._metrics = metrics
        self._guesses = WrongCredentials(
            allowances=allowances,
            limits=WrongCredentialLimits(
                per_s=limits.guesses / _S_A_MINUTE, burst=max(1, int(limits.guesses))
            ),
            bucket="room_guess",
        )

    async def draw(self, *, sender: str) -> str:
        """Return six random digits.

        :raises TooManyRequests: `sender` opens rooms too fast
        :raises DependencyDown: Redis did not answer
        """
        taken = await self._allowances.take(
            principal_id=sender,
            bucket="room",
            per_s=self._limits.creations / _S_A_MINUTE,
            burst=max(1, int(self._limits.creations)),
        )
        if not taken.done:
            raise TooManyRequests(
                "You open rooms too fast; please wait.",
                details={"retry_after_ms": taken.retry_after_ms},
            )
        return self.draw_another()

    def draw_another(self) -> str:
        """Return six other digits: those drawn first are a room's."""
        return str(secrets.randbelow(10**CODE_LENGTH)).zfill(CODE_LENGTH)

    def check(self, code: str, *, sender: str) -> None:
        """See that a code may be tried before it is looked up.

        :raises TooManyRequests: `sender` named too many that were no room's
        """
        try:
            self._guesses.check(sender, code)
        except TooManyRequests as refused:
            self._metrics.count("room_joins_total", "too_many")
            raise TooManyRequests(
                "You named too many codes of no room; please wait.", details=refused.details
            ) from refused

    async def note_wrong(self, code: str, *, sender: str) -> None:
        """A code was no room's."""
        await self._guesses.note_wrong(sender, code)


def is_code(text: str) -> bool:
    """Say whether a text has the form of a room's code."""
    return len(text) == CODE_LENGTH and text.isascii() and text.isdigit()
