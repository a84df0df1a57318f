"""What `lua/shared/judge.lua` makes of a node's standing, in Python: tests compare the two."""

import dataclasses
import math
from typing import NamedTuple

_MOST_GOOD = 10
_MOST_DOUBTS = 1_000
_FORGOTTEN = 0.1
_HIGHEST_LEVEL = 30
_MOST_DECLINES = 5
_HEAVY = ("silent", "stalled")
_PROVED_BY_PROBES = ("probe", "untried")


class Rules(NamedTuple):
    """What `StandingRules.encode` says, in its order."""

    half_life: int
    faults: int
    percent: int
    passes: int
    probation: int
    rest: int
    quarantine: int
    longest: int
    jobs: int


@dataclasses.dataclass(slots=True)
class Score:
    """A node's standing with all that it follows from."""

    at: int
    state: str = "good"
    reason: str = ""
    since: int = 0
    ends: int = 0
    rest: int = 0
    good: float = 0.0
    bad: float = 0.0
    passes: int = 0
    strikes: int = 0
    level: int = 0
    freed: int = 0
    doubts: str = ""
    probes: int = 0
    left: int = -1
    declines: int = 0
    silences: int = 0
    unasked: bool = False

    @property
    def is_on_trial(self) -> bool:
        return self.state == "quarantine" and self.ends <= self.at

    def become(self, state: str, reason: str = "", *, lasts: int = 0) -> None:
        """Take another state, or the same anew."""
        self.state, self.reason, self.since = state, reason, self.at
        self.ends = self.at + lasts if lasts else 0
        self.passes = self.strikes = 0
        if state == "good":
            self.bad, self.left = 0.0, -1

    def move_to(self, now: int, rules: Rules, *, goods: int) -> None:
        """Let time pass: outcomes fade, and what has an end ends."""
        is_long_ago = now - self.at > rules.longest
        if is_long_ago:
            self.declines = self.silences = 0
            self.unasked = False
        fades = 0.5 ** (max(now - self.at, 0) / rules.half_life)
        self.good = min(self.good * fades + goods, _MOST_GOOD)
        self.bad, self.at = self.bad * fades, now
        if self.rest + rules.half_life < now:
            self.doubts = ""
        if self.state == "probation" and self.ends <= now:
            is_judged = self.reason != "untried" and not is_long_ago
            self.unasked = self.passes == 0 and is_judged
            self.become("good")

    def take(self, word: str, subject: str, rules: Rules) -> bool:
        """Take one word; False where it is about a doubt that nobody had."""
        match word:
            case "good" | "passed":
                self._pass(rules, by_probe=word == "passed")
            case "probe":
                self._fail_probe(rules)
            case "untried":
                return self._hold(rules)
            case "doubt" | "unanswered":
                self._doubt(subject, rules, is_silent=word == "unanswered")
            case "declined" | "declined_late":
                self._decline(_MOST_DECLINES if word == "declined_late" else 1, rules)
            case "quarantine":
                self.become("quarantine", "operator", lasts=int(subject))
            case "absolve":
                self.become("good")
                self.rest, self.freed, self.doubts, self.probes = 0, 0, "", 0
                self.declines = self.silences = 0
                self.unasked = False
            case _:
                if f",{subject}," not in f",{self.doubts},":
                    return False
                self.doubts = f",{self.doubts},".replace(f",{subject},", ",", 1)[1:-1]
                self._fail(word, rules)
        return True

    def _pass(self, rules: Rules, *, by_probe: bool) -> None:
        self.good, self.rest, self.passes = self.good + 1, 0, self.passes + 1
        self.declines = self.silences = 0
        self.unasked = False
        self.probes = 0 if by_probe else self.probes
        is_probed = self.reason in _PROVED_BY_PROBES
        has_passed = self.state == "probation" and self.passes >= rules.passes and not is_probed
        if self.is_on_trial or (is_probed and by_probe) or has_passed:
            self.freed = self.at if self.state == "quarantine" else self.freed
            self.become("good")

    def _doubt(self, subject: str, rules: Rules, *, is_silent: bool) -> None:
        self.rest = self.at + rules.rest
        text = f"{subject},{self.doubts}"[:_MOST_DOUBTS]
        self.doubts = text[: text.rindex(",") + 1]
        self.silences += is_silent
        if 0 < rules.faults <= self.silences and self.state == "good":
            self.become("probation", "stalled", lasts=rules.probation)

    def _decline(self, count: int, rules: Rules) -> None:
        self.declines = min(self.declines + count, 4 * _MOST_DECLINES)
        may_rest = self.state == "good" or (self.is_on_trial and self.reason == "declined")
        if self.declines >= _MOST_DECLINES and rules.faults and may_rest:
            lasts = min(rules.rest * 2 ** (self.declines - 3), rules.probation)
            self.become("quarantine", "declined", lasts=lasts)

    def _fail_probe(self, rules: Rules) -> None:
        self.bad, self.probes = self.bad + 1, self.probes + 1
        if not rules.faults:
            return
        if self.state == "quarantine" or self.probes > 1:
            self._lock_up("probe", rules, is_next=self.state == "quarantine")
        else:
            self.become("probation", "probe", lasts=rules.probation)
            self._limit(rules)

    def _hold(self, rules: Rules) -> bool:
        is_judged = self.state == "probation" and self.reason != "untried"
        if self.state == "quarantine" or is_judged or not rules.faults or not rules.jobs:
            return False
        self.become("probation", "untried", lasts=rules.probation)
        self._limit(rules)
        return True

    def _limit(self, rules: Rules) -> None:
        """Count its jobs from now on, unless they are counted already."""
        if self.left < 0 < rules.jobs:
            self.left = rules.jobs

    def _lock_up(self, fault: str, rules: Rules, *, is_next: bool) -> None:
        is_next = is_next or self.at - self.freed <= rules.longest
        level = self.level if is_next else 0
        self.become("quarantine", fault, lasts=min(rules.quarantine * 2**level, rules.longest))
        self.level = min(level + 1, _HIGHEST_LEVEL)

    def _fail(self, fault: str, rules: Rules) -> None:
        self.bad += 3 if fault in _HEAVY else 1
        self.strikes += 1
        is_guilty = self.bad * 100 >= rules.percent * (self.good + self.bad)
        is_struck_again = self.state == "probation" and self.strikes > 1
        if self.is_on_trial or is_struck_again or (self.state == "good" and self.unasked):
            self.unasked = False
            self._lock_up(fault, rules, is_next=self.is_on_trial)
        elif self.state == "probation":
            self.ends = self.at + rules.probation
        elif self.state == "good" and 0 < rules.faults <= self.bad and is_guilty:
            self.become("probation", fault, lasts=rules.probation)

    def is_forgotten(self, rules: Rules) -> bool:
        """Say whether nothing of it matters any more."""
        is_clean = self.state == "good" and self.bad < _FORGOTTEN and not self.doubts
        is_clean = is_clean and not (self.probes or self.declines or self.silences or self.unasked)
        return is_clean and self.rest <= self.at and self.at - self.freed > rules.longest


class StandingsModel:
    """The standings of all nodes, by the keys of their records."""

    def __init__(self) -> None:
        self.scores: dict[str, Score] = {}
        self.goods: dict[str, int] = {}
        self.tried: set[str] = set()

    def why_held_back(self, key: str, load: int, now: int) -> str:
        """Return why a node gets no further job, ``""`` where it may."""
        one = self.scores.get(key)
        if one is None or one.state == "good" or (one.state == "probation" and one.ends <= now):
            return ""
        if one.state == "quarantine" and one.ends > now:
            return "quarantined"
        if one.state == "probation" and one.left == 0:
            return "unproven"
        return "on_probation" if load > 0 else ""

    def spend(self, key: str) -> None:
        """Count a job of a node that has a number left."""
        one = self.scores.get(key)
        if one is not None and one.left > 0:
            one.left -= 1

    def judge(
        self, key: str, word: str, subject: str | int, now: int, rules_text: str
    ) -> list[str | int] | None:
        """Take a word on a node; return what there is to tell."""
        known = self.scores.get(key)
        if word == "" or (known is None and word == "absolve"):
            return None
        if word == "passed":
            self.tried.add(key)
        elif word == "untried" and key in self.tried:
            return None
        if known is None and word in {"good", "passed"}:
            self.goods[key] = self.goods.get(key, 0) + 1
            return None
        rules = Rules(*map(int, rules_text.split(",")))
        one = dataclasses.replace(known) if known else Score(at=now)
        before, was_untried = one.state, one.reason == "untried"
        one.move_to(now, rules, goods=self.goods.get(key, 0))
        if not one.take(word, str(subject), rules):
            return None
        if one.is_forgotten(rules):
            self.scores.pop(key, None)
            self.goods[key] = math.floor(one.good)
        else:
            self.scores[key], self.goods[key] = one, 0
        if one.reason == "untried":
            before = one.state
        elif was_untried:
            before = "good"
        told = (one.state, one.reason, one.since, one.ends, one.rest, before, one.left)
        return [*told, math.floor(one.bad * 100 + 0.5), now]
