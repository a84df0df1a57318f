"""Each alert, driven by its fault on a live server: what was scraped fires it, and it alone.

Two scrapes while all is well and two around the fault are played to Prometheus' own rule engine as
if each pair were one scrape interval apart, the first for twenty minutes, the second from then on.
"""

import contextlib
import json
import math
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lingua.settings.embedded_redis import EmbeddedRedis
from tests.alerts.faults import FAULTS, run_hub
from tests.alerts.rules import RULES, list_rules
from tests.alerts.scene import Samples, open_scene

pytestmark = pytest.mark.req("O9")

_STEP_S = 15
_WELL_STEPS = 80
_COUNTS = ("_total", "_bucket", "_sum", "_count")


@pytest.fixture
def is_durable() -> bool:
    """No fault here asks what a killed Redis still has."""
    return False


def _steady(value: float, *, steps: int, rise: float = 0) -> str:
    """Return a value and as many more, in the notation of promtool."""
    if math.isnan(value):
        return " ".join(["NaN"] * (steps + 1))
    return f"{value:.9g}+{rise:.9g}x{steps}"


def _is_count(series: str) -> bool:
    name = series.partition("{")[0]
    gauges = ("scheduler_nodes_total", "scheduler_sessions_total")
    return name.endswith(_COUNTS) and name not in gauges


def _stretch(
    series: str, *, well: tuple[Samples, Samples], bad: tuple[Samples, Samples], growing: str
) -> str:
    """Return a series' values: well for twenty minutes, then as it was around the fault."""
    before, after = (samples.get(series) for samples in bad)
    steps = _fault_steps()
    if series not in well[1]:
        return f"_x{_WELL_STEPS + 1} {_begin(series, bad, steps=steps)}"
    start = well[0].get(series, 0.0)
    if _is_count(series):
        calm_rise = well[1].get(series, start) - start
        reached = start + calm_rise * _WELL_STEPS
        calm = _steady(start, steps=_WELL_STEPS, rise=calm_rise)
        if after is None:
            return f"{calm} stale"
        rise = after - (before or 0.0)
        return f"{calm} {_steady(reached + rise, steps=steps, rise=rise)}"
    calm = _steady(well[1][series], steps=_WELL_STEPS)
    if after is None:
        return f"{calm} stale"
    rise = _STEP_S if growing and series.startswith(growing) else 0
    return f"{calm} {_steady(after, steps=steps, rise=rise)}"


def _list_series(
    well: tuple[Samples, Samples], bad: tuple[Samples, Samples], *, growing: str = ""
) -> dict[str, str]:
    """Return the values of every series, by its name."""
    names = {name for samples in (*well, *bad) for name in samples}
    return {name: _stretch(name, well=well, bad=bad, growing=growing) for name in sorted(names)}


def _begin(series: str, bad: tuple[Samples, Samples], *, steps: int) -> str:
    """Return the values of a series that there was not while all was well."""
    after = bad[1][series]
    rise = after if _is_count(series) else 0.0
    return _steady(after, steps=steps, rise=rise)


def _fault_steps() -> int:
    return max(fault.seen_after_s for fault in FAULTS.values()) // _STEP_S + 10


def _play(folder: Path, series: dict[str, str], *, at_s: int, fired: list[str]) -> str:
    """Ask promtool whether exactly `fired` fires at a moment; return what it complains of."""
    case: dict[str, Any] = {
        "rule_files": [str(RULES)],
        "evaluation_interval": f"{_STEP_S}s",
        "tests": [
            {
                "interval": f"{_STEP_S}s",
                "input_series": [
                    {"series": name, "values": values} for name, values in series.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": f"{at_s}s",
                        "exp_samples": [
                            {"labels": f'{{alertname="{name}"}}', "value": 1} for name in fired
                        ],
                    }
                ],
            }
        ],
    }
    file = folder / "case.yml"
    file.write_text(json.dumps(case))
    told = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    return "" if told.returncode == 0 else told.stdout + told.stderr


@pytest.mark.parametrize("alert", FAULTS)
async def test_an_alert_is_fired_by_its_fault_alone(
    alert: str, own_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    fault = FAULTS[alert]
    with contextlib.ExitStack() as stack:
        settings = dict(fault.settings)
        if fault.needs_hub:
            settings["LINGUA_MODEL_HUB_URL"] = stack.enter_context(run_hub())
        async with open_scene(tmp_path, own_redis, **settings) as scene:
            await scene.work()
            calm = await scene.scrape()
            await scene.work()
            well = calm, await scene.scrape()
            await fault.cause(scene)
            bad = well[1], await scene.scrape()

    series = _list_series(well, bad, growing=fault.growing)
    well_s = _WELL_STEPS * _STEP_S
    assert _play(tmp_path, series, at_s=well_s - _STEP_S, fired=[]) == ""
    assert _play(tmp_path, series, at_s=well_s + fault.seen_after_s, fired=[alert]) == ""


@pytest.mark.req("ED8")
async def test_a_node_that_drains_and_leaves_is_no_alert(
    own_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    async with open_scene(tmp_path, own_redis) as scene:
        await scene.work()
        calm = await scene.scrape()
        await scene.work()
        well = calm, await scene.scrape()
        await scene.node.heartbeat(draining=True)
        await scene.node.close()
        await scene.until('scheduler_nodes_total{status="left"', lambda value: value == 1)
        gone = well[1], await scene.scrape()

    after_s = _WELL_STEPS * _STEP_S + FAULTS["NodesOffline"].seen_after_s
    series = _list_series(well, gone)
    assert _play(tmp_path, series, at_s=after_s, fired=[]) == ""


def test_every_alert_has_a_fault() -> None:
    assert {rule["alert"] for rule in list_rules()} == set(FAULTS)
