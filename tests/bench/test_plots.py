"""Plots can be read."""

import itertools
import re
from pathlib import Path

import pytest

from bench import plots


@pytest.mark.req("X9")
def test_names_of_lines_that_end_at_one_place_do_not_cover_each_other(tmp_path: Path) -> None:
    ends = {"low": 0.0, "a": 50.0, "b": 50.1, "c": 50.2, "high": 100.0, "higher": 100.0}
    lines = {name: [(1.0, 10.0), (2.0, end)] for name, end in ends.items()}

    plots.draw(tmp_path / "plot.svg", title="t", x_title="x", y_title="y", lines=lines)

    svg = (tmp_path / "plot.svg").read_text()
    names = re.findall(r'y="([\d.]+)"[^>]*>([^<]+)</text>', svg)
    at = {name: float(y) for y, name in names if name in ends}
    assert sorted(at, key=at.__getitem__, reverse=True) == ["low", "a", "b", "c", "higher", "high"]
    assert all(below - above >= 12 for above, below in itertools.pairwise(sorted(at.values())))
