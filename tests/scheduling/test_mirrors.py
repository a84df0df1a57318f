"""Which copies for older tools are kept: each kind by a switch of its own, under one for all."""

import itertools

import pytest

from lingua import settings
from lingua.composition.mirrors import build_mirrors
from lingua.composition.settings_reader import read_configuration
from operators.console.stats_cache import Pages, StatsCache
from scheduling.model.metrics import Metrics
from tests.scheduling.core import Services

KINDS = {
    "LINGUA_MIRROR_NODE_CAPS": "node-mirror",
    "LINGUA_MIRROR_SESSION_BIND": "session-mirror",
    "LINGUA_MIRROR_STATS": "shared-statistics",
}


@pytest.mark.req("G8")
@pytest.mark.parametrize("is_on", [True, False])
@pytest.mark.parametrize("switches", list(itertools.product([True, False], repeat=len(KINDS))))
async def test_each_kind_of_copy_has_a_switch_of_its_own(
    core: Services, switches: tuple[bool, ...], monkeypatch: pytest.MonkeyPatch, *, is_on: bool
) -> None:
    monkeypatch.setattr(settings, "LINGUA_MIRRORS", is_on)
    for name, switch in zip(KINDS, switches, strict=True):
        monkeypatch.setattr(settings, name, switch)

    loops = build_mirrors(
        core.held.infrastructure,
        core,
        read_configuration().mirrors,
        stats_cache=StatsCache(
            make=_make,
            empty=Pages(stats=b"", encode_cluster=bytes),
            metrics=Metrics(),
            interval_s=1,
        ),
        leads=lambda: False,
    )

    wanted = [kind for kind, switch in zip(KINDS.values(), switches, strict=True) if switch]
    assert [loop.name for loop in loops] == (wanted if is_on else [])


async def _make() -> Pages:
    raise NotImplementedError
