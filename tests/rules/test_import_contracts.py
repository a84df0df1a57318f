"""The import contracts hold, and each is seen to break on a planted import."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.rules.python_rules import PACKAGES, locate

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]

# Contract, and the modules that get one import each so that it breaks.
PLANTED = [
    ("floors", {"scheduling/jobs/dispatch.py": "sockets.planted"}),
    ("floors", {"sessions_app/planted.py": "nodes.planted"}),
    ("floors", {"channels_streams/planted.py": "scheduling.store"}),
    ("floors", {"operators/planted.py": "lingua.settings.embedded_redis"}),
    ("lingua-layers", {"lingua/settings/env.py": "lingua.serving.server"}),
    ("lingua-layers", {"lingua/serving/server.py": "lingua.composition.services"}),
    ("lingua-layers", {"lingua/composition/services.py": "lingua.commands.doctor"}),
    ("lingua-layers", {"lingua/unplaced.py": ""}),
    ("operators-layers", {"operators/db/audit.py": "operators.console.console"}),
    ("operators-layers", {"operators/live/feed.py": "operators.console.console"}),
    ("operators-layers", {"operators/console/console.py": "operators.api.views"}),
    ("operators-layers", {"operators/admin/tokens.py": "operators.api.views"}),
    ("operators-layers", {"operators/unplaced.py": ""}),
    ("node-alone", {"lingua_node/planted.py": "scheduling"}),
    ("node-alone", {"lingua_node/planted.py": "django"}),
    ("node-outside", {"nodes/planted.py": "lingua_node"}),
    ("scheduling-layers", {"scheduling/model/jobs.py": "scheduling.store"}),
    ("scheduling-layers", {"scheduling/placement/ranking.py": "scheduling.store.jobs"}),
    ("scheduling-layers", {"scheduling/store/jobs.py": "scheduling.jobs.dispatch"}),
    ("scheduling-layers", {"scheduling/jobs/dispatch.py": "scheduling.fleet.registry"}),
    ("scheduling-layers", {"scheduling/jobs/dispatch.py": "scheduling.pools.leader"}),
    ("scheduling-layers", {"scheduling/network/inbox.py": "scheduling.fleet.registry"}),
    ("scheduling-layers", {"scheduling/unplaced.py": ""}),
    ("jobs-without-management", {"scheduling/jobs/dispatch.py": "scheduling.pools.leader"}),
    ("jobs-without-management", {"scheduling/jobs/attempts.py": "scheduling.store.membership"}),
    ("store-layers", {"scheduling/store/keys.py": "scheduling.store.redis.connection"}),
    ("store-layers", {"scheduling/store/redis/pipeline.py": "scheduling.store.jobs"}),
    ("store-layers", {"scheduling/store/jobs.py": "scheduling.store.nodes"}),
    ("store-layers", {"scheduling/store/unplaced.py": ""}),
    ("no-circles", {"nodes/one.py": "nodes.two", "nodes/two.py": "nodes.one"}),
    ("plain-core", {"scheduling/jobs/dispatch.py": "django.conf"}),
    ("plain-core", {"scheduling/models.py": "django.db"}),
    ("plain-core", {"scheduling/store/redis/connection.py": "channels.layers"}),
    ("layer-without-django", {"channels_streams/planted.py": "django.conf"}),
    ("wire-under-both", {"scheduling/store/jobs.py": "channels_streams.keys"}),
    ("wire-under-both", {"channels_streams/redis/protocol.py": "channels_streams.inbox"}),
    ("no-circles", {"channels_streams/redis/protocol.py": "channels_streams.connection"}),
    ("redis-in-stores", {"scheduling/jobs/dispatch.py": "redis.asyncio"}),
    ("redis-in-stores", {"lingua/planted.py": "redis"}),
    ("faces-without-stores", {"nodes/services.py": "scheduling.store"}),
    ("socket-app-layers", {"nodes/services.py": "nodes.consumers"}),
]
ALLOWED = {
    "scheduling/store/redis/connection.py": "redis.asyncio",
    "lingua/composition/bootstrap.py": "redis.asyncio",
    "channels_streams/layer.py": "redis.asyncio",
    "nodes/services.py": "scheduling.jobs.dispatch",
    "scheduling/jobs/dispatch.py": "scheduling.store",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of every package and of the contracts."""
    for package in PACKAGES:
        shutil.copytree(
            locate(ROOT, package), tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _plant(tree: Path, imports: dict[str, str]) -> None:
    """Add one import to each module; what it names is made where it does not exist."""
    for name, imported in imports.items():
        with (tree / name).open("a") as module:
            module.write(f"\nimport {imported}\n" if imported else "\n")
        target = tree / imported.replace(".", "/")
        if imported.partition(".")[0] in PACKAGES and not target.is_dir():
            target.with_suffix(".py").touch()


def _lint(tree: Path, *, contract: str | None = None) -> tuple[int, str]:
    chosen = () if contract is None else ("--contract", contract)
    linter = Path(sys.executable).with_name("lint-imports")
    told = subprocess.run(
        [linter, "--no-logo", "--no-cache", *chosen],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return told.returncode, told.stdout + told.stderr


def test_the_tree_keeps_every_contract() -> None:
    status, told = _lint(ROOT)

    assert status == 0, told


@pytest.mark.parametrize(("contract", "imports"), PLANTED)
def test_a_planted_import_breaks_the_contract(contract, imports, tree: Path) -> None:
    _plant(tree, imports)

    status, told = _lint(tree, contract=contract)

    assert status == 1, told
    assert "BROKEN" in told
    assert "0 kept, 1 broken" in told


def test_what_the_contracts_allow_breaks_none(tree: Path) -> None:
    _plant(tree, ALLOWED)

    status, told = _lint(tree)

    assert status == 0, told


def test_every_contract_is_seen_to_break() -> None:
    assert {contract for contract, _ in PLANTED} == {contract["id"] for contract in CONTRACTS}
