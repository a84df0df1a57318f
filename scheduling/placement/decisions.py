"""Decisions: why a job went where it went, kept for those who ask (L17, L18)."""

import time

import msgspec

from scheduling.model.errors import DependencyDown
from scheduling.placement.ranking import Choice

PLACED, WAITS, REFUSED, HEDGED = "placed", "waits", "refused", "hedged"
MOST_DECISIONS = 20


class SlotAnswer(msgspec.Struct, frozen=True, array_like=True):
    """What a node's slot said when it was asked; `elapsed_us` with everything sent beside it."""

    node_id: str
    word: str
    load: int
    elapsed_us: int


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """One decision about one attempt of a job.

    `looked_at` are the sampled nodes, each with the load it was seen with and why it was passed
    over (``""``: it was not). Where nobody could serve the job, they are some who never can, and
    `lacks` has what each of them lacks. `choosing_us` is what choosing took of our own time.
    """

    at_ms: int
    attempt: int
    outcome: str
    node_id: str = ""
    pool_id: str = ""
    pools: tuple[str, ...] = ()
    fallback: bool = False
    reason: str = ""
    looked_at: tuple[tuple[str, int, str], ...] = ()
    answers: tuple[SlotAnswer, ...] = ()
    choosing_us: int = 0
    elapsed_us: int = 0
    lacks: tuple[tuple[str, tuple[str, ...]], ...] = ()


encode_decision = msgspec.json.Encoder().encode


class DecisionBuilder:
    """Collects one decision while it is made; nothing is encoded before it is written."""

    __slots__ = ("_began", "_chosen", "answers", "choice", "lost")

    def __init__(self) -> None:
        self._began = time.perf_counter_ns()
        self._chosen = self._began
        self.choice: Choice | None = None
        self.answers: list[SlotAnswer] = []
        # Why a node that had a slot could not be reached, if that is Redis.
        self.lost: DependencyDown | None = None

    def take_choice(self, choice: Choice) -> Choice:
        """Note what was chosen, and how long that took."""
        self._chosen = time.perf_counter_ns()
        self.choice = choice
        return choice

    def start_asking(self) -> int:
        """Return the moment a node is asked, for `note_answer`."""
        return time.perf_counter_ns()

    def note_answer(self, *, node_id: str, word: str, load: int, asked: int) -> None:
        """Note what a node's slot, or the way to the node, answered."""
        elapsed_us = (time.perf_counter_ns() - asked) // 1_000
        self.answers.append(SlotAnswer(node_id, word, load, elapsed_us))

    def decide(self, outcome: str, *, attempt: int, at_ms: int, node_id: str = "") -> Decision:
        """Return the decision as it stands."""
        choice = self.choice
        if choice is None:
            return Decision(
                at_ms=at_ms,
                attempt=attempt,
                outcome=outcome,
                node_id=node_id,
                answers=tuple(self.answers),
                elapsed_us=(time.perf_counter_ns() - self._began) // 1_000,
            )
        return Decision(
            at_ms=at_ms,
            attempt=attempt,
            outcome=outcome,
            node_id=node_id,
            pool_id=choice.pool_id,
            pools=choice.pools,
            fallback=choice.fallback,
            reason=choice.refused or ("" if choice.nodes else choice.told_reason),
            looked_at=choice.looked_at
            or tuple((one.node_id, one.load, one.reason) for one in choice.unable),
            answers=tuple(self.answers),
            choosing_us=(self._chosen - self._began) // 1_000,
            elapsed_us=(time.perf_counter_ns() - self._began) // 1_000,
            lacks=tuple((one.node_id, one.lacks) for one in choice.unable),
        )
