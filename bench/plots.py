"""Plots of a run as SVG, written by hand: lines over rising concurrency."""

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 130, 40, 50
_COLOURS = (
    *("#1b6ca8", "#c8553d", "#588157", "#7b5ea7", "#d4a017"),
    *("#3aa6a6", "#a23b72", "#555555", "#8a5a44", "#2f4b26"),
)
_TICKS = 5
_NAME_HEIGHT = 14
_HEAD = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
    'font-family="sans-serif" font-size="12">'
)

Points = Sequence[tuple[float, float]]


def draw(
    path: Path,
    *,
    title: str,
    x_title: str,
    y_title: str,
    lines: Mapping[str, Points],
    tenfold: bool = False,
) -> None:
    """Write one plot: every line over the same x values, evenly spaced.

    y begins at zero, or at one and grows by tens where `tenfold`.
    """
    steps = [x for x, _ in next(iter(lines.values()))]
    largest = max(y for points in lines.values() for _, y in points)
    scale = _Scale(_round_up(largest, by_tens=tenfold), tenfold=tenfold)
    parts = [
        _HEAD,
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_LEFT, 22, title, size=15),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, x_title, anchor="middle"),
        _text(_LEFT, _TOP - 4, y_title, size=11),
    ]
    for tick in scale.list_ticks():
        y = scale.place(tick)
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        )
        parts.append(_text(_LEFT - 6, y + 4, f"{tick:,.4g}", anchor="end"))
    for position, x in enumerate(steps):
        place = _place_x(position, len(steps))
        parts.append(_text(place, _HEIGHT - _BOTTOM + 18, f"{x:g}", anchor="middle"))
    names_at = _spread([scale.place(points[-1][1]) for points in lines.values()])
    for colour, name_at, (name, points) in zip(_COLOURS, names_at, lines.items(), strict=False):
        places = [
            (_place_x(position, len(steps)), scale.place(y))
            for position, (_, y) in enumerate(points)
        ]
        path_text = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(
            f'<polyline points="{path_text}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        parts.append(_text(places[-1][0] + 8, name_at + 4, name, fill=colour))
    parts.append("</svg>\n")
    path.write_text("\n".join(parts))


def _spread(ends: Sequence[float]) -> list[float]:
    """Return where the names of lines stand that end there: in their order, none over another."""
    order = sorted(range(len(ends)), key=ends.__getitem__)
    places = list(ends)
    for above, below in itertools.pairwise(order):
        places[below] = max(places[below], places[above] + _NAME_HEIGHT)
    lowest: float = _HEIGHT - _BOTTOM
    for at in reversed(order):
        places[at] = min(places[at], lowest)
        lowest = places[at] - _NAME_HEIGHT
    return places


def _place_x(position: int, count: int) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * position / max(count - 1, 1)


class _Scale:
    """Where values stand on the y axis."""

    def __init__(self, highest: float, *, tenfold: bool) -> None:
        self._highest = highest
        self._tenfold = tenfold

    def list_ticks(self) -> list[float]:
        if not self._tenfold:
            return [self._highest * tick / _TICKS for tick in range(_TICKS + 1)]
        return [10.0**power for power in range(round(math.log10(self._highest)) + 1)]

    def place(self, value: float) -> float:
        share = value / self._highest
        if self._tenfold:
            share = math.log10(max(value, 1.0)) / math.log10(self._highest)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share


def _round_up(value: float, *, by_tens: bool = False) -> float:
    """Return the next of 1, 2, 2.5 or 5 times a power of ten, or the next power itself."""
    if by_tens:
        return float(10 ** max(math.ceil(math.log10(max(value, 1.0))), 1))
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(power * step for step in (1, 2, 2.5, 5, 10) if power * step >= value)


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, fill: str = "#333"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{fill}">{text}</text>'
    )
