"""Asks the program whether the node takes a job (`@node.accept`)."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from lingua_node import mistakes
from lingua_node.messages import AssignJob

# What it returns: yes, no, or no with the reason in words.
AcceptHook = Callable[[AssignJob], bool | str]

_LONGEST_REASON = 256


@dataclass(frozen=True, slots=True)
class Decline:
    """The node does not take the job; `reason` may be empty."""

    reason: str


class AcceptCall:
    """The one hook of a node; without it every job is taken."""

    def __init__(self) -> None:
        self._hook: AcceptHook | None = None

    def take(self, hook: AcceptHook, *, acknowledge: bool) -> None:
        """Ask `hook` from now on.

        :raises NodeMistake: it cannot be asked, there is one already, or no job is ever accepted
        """
        mistakes.check_called(hook, name="@node.accept", argument="the job_assign message")
        if inspect.iscoroutinefunction(hook):
            raise mistakes.NodeMistake(
                "@node.accept is asked at once, before a job is accepted: a `def`, not `async def`"
            )
        if not acknowledge:
            raise mistakes.NodeMistake(
                "a node with acknowledge=False has accepted a job when it hears of it: "
                "@node.accept cannot decline any"
            )
        if self._hook is not None:
            raise mistakes.NodeMistake("a node has one function with @node.accept")
        self._hook = hook

    def ask(self, assign: AssignJob) -> Decline | None:
        """Return that the job is declined, None where it is taken; the program may raise."""
        if self._hook is None:
            return None
        answer: object = self._hook(assign)
        if answer is True:
            return None
        if answer is False:
            return Decline("")
        if isinstance(answer, str) and answer:
            return Decline(answer.encode("utf-8", "replace").decode()[:_LONGEST_REASON])
        raise TypeError(
            f"@node.accept returns True, False, or why not in words; it returned {answer!r:.100}"
        )
