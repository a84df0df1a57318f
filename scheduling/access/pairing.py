"""Pairing: a node has a code, and the session that shows it is the node's owner's (ND11)."""

import logging
import secrets

import msgspec

from scheduling.access.wrong_credentials import WrongCredentialLimits, WrongCredentials
from scheduling.model.errors import Refusal, TooManyRequests, UnknownPairingCode
from scheduling.model.metrics import Metrics
from scheduling.store.allowances import AllowanceStore
from scheduling.store.pairing_codes import PairingCodeStore

logger = logging.getLogger(__name__)

# Neither 0, 1, I, L, O nor U: a code is read out, and typed on a phone.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 6
_DRAWS = 5
_SPACERS = str.maketrans("", "", " -\u00a0")
# So many codes at once, and so many seconds for each further one.
_CODES, _S_A_CODE = 20, 10
# 30 ** 6 codes: at one guess in ten seconds, years until one of a hundred codes is found.
_GUESSES = WrongCredentialLimits(per_s=0.1, burst=20)


class PairingCode(msgspec.Struct, frozen=True):
    """A code of a node, and for how long it may be shown."""

    code: str
    expires_in_ms: int


class Pairing:
    """Gives codes to nodes, and binds to a node the one session that shows its code."""

    def __init__(
        self,
        *,
        codes: PairingCodeStore,
        allowances: AllowanceStore,
        life_ms: int,
        metrics: Metrics,
    ) -> None:
        self._codes = codes
        self._allowances = allowances
        self._life_ms = life_ms
        self._metrics = metrics
        self._guesses = WrongCredentials(
            allowances=allowances, limits=_GUESSES, bucket="pairing_guess"
        )

    async def draw(self, node_id: str, *, sender: str) -> PairingCode:
        """Return a new code of a node; those it has stay good.

        :raises TooManyRequests: `sender` asks for codes too fast
        :raises DependencyDown: Redis did not answer
        """
        taken = await self._allowances.take(
            principal_id=sender, bucket="pairing", per_s=1 / _S_A_CODE, burst=_CODES
        )
        if not taken.done:
            self._metrics.count("pairing_codes_total", "too_many")
            raise TooManyRequests(
                "You ask for pairing codes too fast; use one that you have.",
                details={"retry_after_ms": taken.retry_after_ms},
            )
        for _ in range(_DRAWS):
            code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
            if await self._codes.keep(code, node_id=node_id, life_ms=self._life_ms):
                self._metrics.count("pairing_codes_total", "drawn")
                return PairingCode(code=code, expires_in_ms=self._life_ms)
        raise Refusal("No pairing code was free; please try again.")

    async def use(self, text: str, *, sender: str, shown_by: str) -> str:
        """Use a code up, as it was typed; return its node's id. `shown_by` may show it again.

        :raises UnknownPairingCode: nobody has it, it was used, or its time is over
        :raises TooManyRequests: `sender` showed too many that were wrong; it was not looked up
        :raises DependencyDown: Redis did not answer
        """
        code = text.translate(_SPACERS).upper()
        try:
            self._guesses.check(sender, code)
        except TooManyRequests:
            self._refuse("too_many", sender)
            raise
        node_id = ""
        if len(code) == LENGTH and set(code) <= set(ALPHABET):
            node_id = await self._codes.use(code, shown_by=shown_by)
        if not node_id:
            self._refuse("refused", sender)
            await self._guesses.note_wrong(sender, code)
            raise UnknownPairingCode
        self._metrics.count("pairing_codes_total", "used")
        return node_id

    def _refuse(self, outcome: str, sender: str) -> None:
        self._metrics.count("pairing_codes_total", outcome)
        logger.info("a pairing code binds no node", extra={"reason": outcome, "sender": sender})
