"""The import contracts hold, and each is seen to break on a planted import.

The graph of imports is built once; each case plants its imports into a copy of it.
"""

import copy
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest
from importlinter import configuration
from importlinter.application.use_cases import read_user_options
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract

from tests.rules.python_rules import PACKAGES, locate

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]
_KINDS = {
    "acyclic_siblings": AcyclicSiblingsContract,
    "forbidden": ForbiddenContract,
    "layers": LayersContract,
}

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
    ("store-layers", {"scheduling/store/jobs.py": "scheduling.store.stores"}),
    ("store-layers", {"scheduling/store/unplaced.py": ""}),
    ("no-circles", {"nodes/one.py": "nodes.two", "nodes/two.py": "nodes.one"}),
    ("plain-core", {"scheduling/jobs/dispatch.py": "django.conf"}),
    ("plain-core", {"scheduling/models.py": "django.db"}),
    ("plain-core", {"scheduling/store/redis/connection.py": "channels.layers"}),
    ("layer-without-django", {"channels_streams/planted.py": "django.conf"}),
    ("redis-under-both", {"scheduling/store/jobs.py": "channels_streams.keys"}),
    ("redis-under-both", {"scheduling/jobs/dispatch.py": "channels_streams.redis.connection"}),
    ("redis-under-both", {"scheduling/store/redis/routes.py": "channels_streams.layer"}),
    ("channel-layer-layers", {"channels_streams/redis/protocol.py": "channels_streams.inbox"}),
    ("channel-layer-layers", {"channels_streams/inbox.py": "channels_streams.layer"}),
    ("channel-layer-layers", {"channels_streams/keys.py": "channels_streams.options"}),
    ("channel-layer-layers", {"channels_streams/unplaced.py": ""}),
    ("redis-in-stores", {"scheduling/jobs/dispatch.py": "redis.asyncio"}),
    ("redis-in-stores", {"lingua/planted.py": "redis"}),
    ("faces-without-stores", {"nodes/services.py": "scheduling.store"}),
    ("sockets-layers", {"sockets/wire.py": "sockets.outbound"}),
    ("sockets-layers", {"sockets/socket_auth.py": "sockets.endpoints"}),
    ("sockets-layers", {"sockets/unplaced.py": ""}),
    ("sessions-layers", {"sessions_app/services.py": "sessions_app.consumers"}),
    ("sessions-layers", {"sessions_app/speaker.py": "sessions_app.services"}),
    ("sessions-layers", {"sessions_app/speech_input.py": "sessions_app.speaker"}),
    ("sessions-layers", {"sessions_app/result_sequencer.py": "sessions_app.request_submission"}),
    ("sessions-layers", {"sessions_app/segmentation.py": "sessions_app.speaker"}),
    ("sessions-layers", {"sessions_app/messages.py": "sessions_app.requests"}),
    ("sessions-layers", {"sessions_app/unplaced.py": ""}),
    (
        "listening-layers",
        {"sessions_app/listening/listener.py": "sessions_app.listening.consumers"},
    ),
    ("listening-layers", {"sessions_app/listening/unplaced.py": ""}),
    (
        "openai-audio-layers",
        {"sessions_app/openai_audio/forms.py": "sessions_app.openai_audio.recordings"},
    ),
    ("openai-audio-layers", {"sessions_app/openai_audio/unplaced.py": ""}),
    ("nodes-layers", {"nodes/services.py": "nodes.consumers"}),
    ("nodes-layers", {"nodes/connections.py": "nodes.services"}),
    ("nodes-layers", {"nodes/messages.py": "nodes.lifecycle"}),
    ("nodes-layers", {"nodes/unplaced.py": ""}),
]
ALLOWED = {
    "scheduling/store/redis/connection.py": "redis.asyncio",
    "lingua/composition/bootstrap.py": "scheduling.store.redis.clients",
    "channels_streams/layer.py": "redis.asyncio",
    "nodes/services.py": "scheduling.jobs.dispatch",
    "scheduling/jobs/dispatch.py": "scheduling.store",
}


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Return who imports whom, in every package."""
    configuration.configure()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        return grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)


def _plant(imports: grimp.ImportGraph, planted: dict[str, str]) -> grimp.ImportGraph:
    """Return the graph with one more import of each module; what it names is made."""
    graph = copy.deepcopy(imports)
    for name, imported in planted.items():
        module = name.removesuffix(".py").replace("/", ".")
        graph.add_module(module)
        if imported:
            is_ours = imported.partition(".")[0] in PACKAGES
            target = imported if is_ours else imported.partition(".")[0]
            if target not in graph.modules:
                graph.add_module(target, is_squashed=not is_ours)
            graph.add_import(
                importer=module, imported=target, line_number=1, line_contents=f"import {target}"
            )
    return graph


def _is_kept(contract: str, graph: grimp.ImportGraph) -> bool:
    """Check one contract on a copy, since a check takes ignored imports out of its graph."""
    options = read_user_options(str(ROOT / "pyproject.toml"))
    (chosen,) = (each for each in options.contracts_options if each["id"] == contract)
    kind = _KINDS[chosen["type"]]
    return (
        kind(name=chosen["name"], session_options=options.session_options, contract_options=chosen)
        .check(graph=copy.deepcopy(graph), verbose=False)
        .kept
    )


def _lint(folder: Path, *options: str) -> tuple[int, str]:
    linter = Path(sys.executable).with_name("lint-imports")
    told = subprocess.run(
        [linter, "--no-logo", "--no-cache", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return told.returncode, told.stdout + told.stderr


def test_the_tree_keeps_every_contract() -> None:
    status, told = _lint(ROOT)

    assert status == 0, told


def test_an_import_written_into_a_file_breaks_the_build(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(
            locate(ROOT, package), tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "scheduling/model/jobs.py").open("a") as module:
        module.write("\nfrom scheduling.store import keys\n")

    status, told = _lint(tmp_path, "--contract", "scheduling-layers")

    assert status == 1, told
    assert "0 kept, 1 broken" in told


@pytest.mark.parametrize(("contract", "planted"), PLANTED)
def test_a_planted_import_breaks_the_contract(contract, planted, imports) -> None:
    assert _is_kept(contract, imports)

    assert not _is_kept(contract, _plant(imports, planted))


@pytest.mark.parametrize("contract", [contract["id"] for contract in CONTRACTS])
def test_what_the_contracts_allow_breaks_none(contract, imports) -> None:
    assert _is_kept(contract, _plant(imports, ALLOWED))


def test_every_contract_is_seen_to_break() -> None:
    assert {contract for contract, _ in PLANTED} == {contract["id"] for contract in CONTRACTS}


def test_no_contract_names_a_module_that_is_not_there(imports) -> None:
    named = {
        module
        for contract in CONTRACTS
        for key in ("source_modules", "forbidden_modules", "containers", "ancestors")
        for module in contract.get(key, ())
        if "*" not in module and module.partition(".")[0] in PACKAGES
    }

    assert named <= imports.modules
