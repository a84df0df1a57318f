"""Messages with one or two things wrong: drawn from a seed, the same each time."""

import copy
import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

Frame = dict[str, Any]
Place = tuple[dict[str, Any] | list[Any], str | int]

# What stands where a value stood, as JSON; some of it is none.
_WRONG = [
    *("null", "true", "false", "0", "7", "-1", "1.5", '""', '"x"', "[]", "{}", "[1]", '{"a":1}'),
    *("NaN", "Infinity", "-Infinity", "1e999", "-0", "01", "1.", "+1", "0x1F", "nul", "'x'"),
    *(str(2**53), str(2**63), str(-(2**70)), "9" * 400, "9" * 5_000, "1e308", "-1e-400"),
    *(
        r'"x\ud83d"',
        r'"\udc00"',
        r'"\ud83d\ud83d\ude00"',
        r'"\u0000"',
        r'"\x"',
        '"\x01"',
        '"\u2028"',
    ),
    *(r'"\\ud83d"', '"😀"', '"../../etc"', '"a}b{c"', '"*"', '"auto"', '"AAA*"', '"AAAA"'),
    *('"' + "x" * 300 + '"', '"' + "x" * 70_000 + '"', "[" + "7," * 5_000 + "7]"),
    *("[" * 40 + "]" * 40, "[" * 5_000 + "]" * 5_000, '{"a":' * 2_000 + "1" + "}" * 2_000),
    *("[" * 300, '{"a":1', '"x'),
]

_WHOLE = 0.85


def list_places(value: Any) -> Iterator[Place]:
    """Yield where a value of a message stands, at every depth."""
    members: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in list(members):
        yield value, key
        if isinstance(member, dict | list):
            yield from list_places(member)


def _write(frame: Frame, written: dict[str, str]) -> str:
    text = json.dumps(frame)
    for mark, raw in written.items():
        text = text.replace(f'"{mark}"', raw)
    return text


class Mutator:
    """Draws mutants of whole messages."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def draw_with(self, frame: Frame, name: str) -> str:
        """Return the text of a message with this one field wrong."""
        frame, written = copy.deepcopy(frame), {}
        self._change(frame, name, mark="<0>", written=written)
        return _write(frame, written)

    def draw(self, frame: Frame) -> str:
        """Return the text of a message with one thing wrong, seldom two, or cut off."""
        frame = copy.deepcopy(frame)
        written: dict[str, str] = {}
        for number in range(1 if self._rng.random() < 0.9 else 2):
            places = list(list_places(frame))
            if places:
                self._change(*self._rng.choice(places), mark=f"<{number}>", written=written)
        return self._spoil(_write(frame, written))

    def _change(self, holder: Any, key: str | int, *, mark: str, written: dict[str, str]) -> None:
        before, rng = holder[key], self._rng
        match rng.randrange(10):
            case 0:
                del holder[key]
            case 1 if isinstance(key, str):
                twice = json.dumps(before)
                written[mark] = f"{rng.choice(_WRONG)},{json.dumps(key)}:{twice}"
                holder[key] = mark
            case 2 if isinstance(key, str):
                written[mark] = f"{json.dumps(before)},{json.dumps(key)}:{rng.choice(_WRONG)}"
                holder[key] = mark
            case 3:
                holder[key] = {"a": before}
            case 4 if isinstance(before, int | float):
                holder[key] = -before - 1
            case 5:
                holder[key] = [before] * 3
            case _:
                written[mark] = rng.choice(_WRONG)
                holder[key] = mark

    def _spoil(self, text: str) -> str:
        """Return a message as it is, or seldom with its JSON as a whole wrong."""
        rng = self._rng
        if rng.random() < _WHOLE:
            return text
        wholes = ("", "{", "[]", "7", '"', "{}", "null", "[" * 100_000)
        return rng.choice(
            [
                text[: rng.randrange(len(text))],
                text + rng.choice(("}", "x", text, "\0")),
                "\ufeff" + text,
                text.replace(",", "", 1),
                text.replace(":", ": \n\t "),
                rng.choice(wholes),
            ]
        )

    def shuffled(self, frames: list[Frame]) -> Iterator[Frame]:
        """Yield messages for ever, each as often as any other."""
        for _ in itertools.count():
            yield from self._rng.sample(frames, len(frames))
