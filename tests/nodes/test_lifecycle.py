"""What a node declared, as placement sees it, and which heartbeats are healthy."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes import lifecycle
from nodes.messages import (
    Capability,
    Gpu,
    Hardware,
    InstalledService,
    LanguageCapabilities,
    LanguagePair,
    NmtCapability,
    NodeHeartbeat,
    RegisterNode,
    ResourceUsage,
)
from scheduling.model.languages import LanguageOffer, Nmt
from scheduling.model.nodes import Machine, NodeDescription, NodeStatus, Service, Usage

CORE = ("asr", "nmt", "tts")
LANGUAGES = LanguageCapabilities(
    asr_languages=["EN", "zh_CN"],
    tts_languages=["es"],
    semantic_languages=["en"],
    nmt_capabilities=[
        NmtCapability(
            rule="specific_pairs",
            languages=["en", "ES"],
            supported_pairs=[LanguagePair(src="EN", tgt="es")],
            blocked_pairs=[LanguagePair(src="es", tgt="zh_CN")],
        )
    ],
    supported_language_pairs=[LanguagePair(src="EN", tgt="ES")],
)
OFFER = LanguageOffer(
    asr=frozenset({"en", "zh-cn"}),
    tts=frozenset({"es"}),
    semantic=frozenset({"en"}),
    nmt=(
        Nmt(
            rule="specific_pairs",
            languages=frozenset({"en", "es"}),
            supported=frozenset({("en", "es")}),
            blocked=frozenset({("es", "zh-cn")}),
        ),
    ),
    pairs=frozenset({("en", "es")}),
)


def register(**said: Any) -> RegisterNode:
    fields = {
        "version": "2.1",
        "platform": "linux",
        "hardware": Hardware(),
        "capability_by_type": [],
        "accept_public_jobs": True,
    }
    return RegisterNode(**fields | said)


def beat(**said: Any) -> NodeHeartbeat:
    fields = {"node_id": "n-1", "timestamp": 0, "resource_usage": ResourceUsage()}
    return NodeHeartbeat(**fields | said)


def running(*types: str, status: str = "running") -> list[InstalledService]:
    return [InstalledService(service_id=f"{kind}-1", type=kind, status=status) for kind in types]


def able(*types: str, ready: bool = True) -> list[Capability]:
    return [Capability(type=kind, ready=ready) for kind in types]


def described(
    *, installed: tuple[str, ...] = CORE, ready: tuple[str, ...] = CORE, has_gpu: bool = True
) -> NodeDescription:
    return NodeDescription(
        version="2.1",
        platform="linux",
        accepts_public_jobs=True,
        has_gpu=has_gpu,
        languages=OFFER,
        services=tuple(Service(service_id=f"{kind}-1", type=kind) for kind in installed),
        ready_types=frozenset(ready),
        acknowledges=False,
        resumes=False,
        machine=Machine(cpu_cores=8),
    )


def is_healthy(
    description: NodeDescription,
    *,
    usage: Usage | None = None,
    status: NodeStatus = NodeStatus.READY,
    require_gpu: bool = False,
) -> bool:
    return lifecycle.is_healthy(
        description=description, usage=usage or Usage(), status=status, require_gpu=require_gpu
    )


@pytest.mark.req("N1", "N17")
@pytest.mark.parametrize("public", [True, False])
def test_a_registration_says_what_the_node_is(*, public: bool) -> None:
    description = lifecycle.describe(register(accept_public_jobs=public), before=None)

    assert (description.version, description.platform) == ("2.1", "linux")
    assert description.accepts_public_jobs is public


@pytest.mark.req("N2")
@pytest.mark.parametrize(
    ("gpus", "has_gpu", "memory_gb"),
    [
        (None, False, 0.0),
        ([], False, 0.0),
        ([Gpu(name="a", memory_gb=8)], True, 8.0),
        ([Gpu(name="a", memory_gb=8), Gpu(name="b", memory_gb=16)], True, 24.0),
    ],
)
def test_a_node_has_the_cards_it_lists(
    gpus: list[Gpu] | None, *, has_gpu: bool, memory_gb: float
) -> None:
    hardware = Hardware(cpu_cores=8, memory_gb=32, gpus=gpus)

    description = lifecycle.describe(register(hardware=hardware), before=None)

    assert description.has_gpu is has_gpu
    machine = msgspec.structs.astuple(description.machine)
    assert machine == (8, 32, memory_gb, ())


@pytest.mark.parametrize(
    ("features", "acknowledges", "resumes"),
    [
        (None, False, False),
        (["streaming"], False, False),
        (["job_ack"], True, False),
        (["resume", "job_ack"], True, True),
    ],
)
def test_a_node_acknowledges_and_resumes_where_it_says_so(
    features: list[str] | None, *, acknowledges: bool, resumes: bool
) -> None:
    description = lifecycle.describe(register(advanced_features=features), before=None)

    assert (description.acknowledges, description.resumes) == (acknowledges, resumes)


@pytest.mark.req("ED4")
def test_the_older_node_is_known_by_how_it_names_what_serves_a_type() -> None:
    older = [Capability(type="asr", ready=True, ready_impl_ids=["faster-whisper-vad"])]

    assert lifecycle.describe(register(capability_by_type=able("asr")), before=None).finds_language
    assert not lifecycle.describe(register(capability_by_type=older), before=None).finds_language


@pytest.mark.req("N16")
def test_codes_of_languages_are_normalized() -> None:
    assert lifecycle.describe(register(language_capabilities=LANGUAGES), before=None).languages == (
        OFFER
    )


@pytest.mark.req("N16")
@pytest.mark.parametrize("named", [None, []])
def test_a_node_that_lists_no_pairs_is_not_bound_to_any(named: list[LanguagePair] | None) -> None:
    languages = msgspec.structs.replace(LANGUAGES, supported_language_pairs=named)

    description = lifecycle.describe(register(language_capabilities=languages), before=None)

    assert description.languages.pairs is None


@pytest.mark.req("N16")
def test_a_node_that_says_nothing_of_languages_offers_none() -> None:
    assert lifecycle.describe(register(), before=None).languages == LanguageOffer()


@pytest.mark.req("N7")
@pytest.mark.parametrize(
    ("said", "ready"),
    [
        ({"capability_by_type": able("asr", "NMT")}, {"asr", "nmt"}),
        ({"capability_by_type": able("asr", ready=False)}, set()),
        ({"installed_services": running("ASR", "tone")}, {"asr", "tone"}),
        ({"installed_services": running("asr", status="error")}, set()),
        (
            {
                "capability_by_type": able("asr", ready=False) + able("tts"),
                "installed_services": running("asr", "nmt"),
            },
            {"nmt", "tts"},
        ),
    ],
)
def test_a_type_is_ready_as_declared_else_where_a_service_of_it_runs(
    said: dict[str, Any], ready: set[str]
) -> None:
    assert lifecycle.describe(register(**said), before=None).ready_types == ready


@pytest.mark.req("P14")
def test_services_are_kept_whether_they_run_or_not() -> None:
    installed = running("ASR") + running("sign-language", status="stopped")

    description = lifecycle.describe(register(installed_services=installed), before=None)

    assert description.services == (
        Service(service_id="ASR-1", type="asr"),
        Service(service_id="sign-language-1", type="sign-language"),
    )


@pytest.mark.req("N5")
def test_a_heartbeat_that_says_nothing_changes_nothing() -> None:
    before = described()

    assert lifecycle.describe(beat(), before=before) == before


@pytest.mark.req("N5")
@pytest.mark.parametrize(
    ("said", "changed"),
    [
        ({"language_capabilities": LanguageCapabilities()}, {"languages": LanguageOffer()}),
        ({"capability_by_type": able("asr")}, {"ready_types": frozenset({"asr"})}),
        ({"capability_by_type": []}, {"ready_types": frozenset()}),
        ({"installed_services": []}, {"services": (), "ready_types": frozenset()}),
        (
            {"installed_services": running("nmt")},
            {
                "services": (Service(service_id="nmt-1", type="nmt"),),
                "ready_types": frozenset({"nmt"}),
            },
        ),
    ],
)
def test_a_heartbeat_changes_what_it_says_and_nothing_else(
    said: dict[str, Any], changed: dict[str, Any]
) -> None:
    before = described()

    after = lifecycle.describe(beat(**said), before=before)

    assert after == msgspec.structs.replace(before, **changed)
    assert after.machine.cpu_cores == 8


@pytest.mark.req("N1")
def test_a_new_registration_owes_nothing_to_its_capabilities_before() -> None:
    after = lifecycle.describe(register(), before=described())

    assert after.ready_types == frozenset()


def test_a_heartbeat_alone_describes_no_node() -> None:
    with pytest.raises(ValueError, match="registered"):
        lifecycle.describe(beat(), before=None)


@pytest.mark.req("N7")
@pytest.mark.parametrize("status", [NodeStatus.READY, NodeStatus.DEGRADED])
@pytest.mark.parametrize(
    ("ready", "healthy"),
    [(CORE, True), (("nmt",), True), (("tone", "semantic"), False), ((), False)],
)
def test_a_node_at_work_needs_one_core_service(
    ready: tuple[str, ...], status: NodeStatus, *, healthy: bool
) -> None:
    assert is_healthy(described(ready=ready), status=status) is healthy


@pytest.mark.req("N6", "N7")
@pytest.mark.parametrize(
    ("installed", "ready", "healthy"),
    [
        (CORE, CORE, True),
        (CORE, ("asr", "nmt"), False),
        (("asr", "nmt"), ("asr", "nmt"), True),
        ((*CORE, "tone"), CORE, True),
        (("tone",), ("tone",), False),
        ((), CORE, False),
    ],
)
def test_a_node_that_registers_needs_every_core_service_it_installed(
    installed: tuple[str, ...], ready: tuple[str, ...], *, healthy: bool
) -> None:
    description = described(installed=installed, ready=ready)

    assert is_healthy(description, status=NodeStatus.REGISTERING) is healthy


@pytest.mark.req("N7", "L9")
@pytest.mark.parametrize(
    ("has_gpu", "gpu", "healthy"),
    [(True, 0.0, True), (True, None, False), (False, 50.0, False)],
)
def test_where_a_gpu_is_asked_for_there_is_one_and_its_usage_is_known(
    gpu: float | None, *, has_gpu: bool, healthy: bool
) -> None:
    description = described(has_gpu=has_gpu)

    assert is_healthy(description, usage=Usage(gpu=gpu), require_gpu=True) is healthy


@pytest.mark.req("L9")
@pytest.mark.parametrize("said", [{}, {"gpu_percent": None, "gpu_mem_percent": 10.0}])
def test_a_heartbeat_that_says_no_usage_of_a_gpu_has_lost_it(said: dict[str, Any]) -> None:
    usage = lifecycle.read_usage(msgspec.convert({"cpu_percent": 5.0, **said}, ResourceUsage))

    assert not is_healthy(described(), usage=usage, require_gpu=True)
    assert is_healthy(described(), usage=usage, require_gpu=False)


@pytest.mark.req("N7")
def test_where_no_gpu_is_asked_for_none_is_missed() -> None:
    assert is_healthy(described(has_gpu=False), usage=Usage(gpu=None))


@pytest.mark.req("N7")
@given(
    figure=st.sampled_from(["cpu", "memory", "gpu", "gpu_memory"]),
    percent=st.floats(min_value=-1e6, max_value=1e6),
)
def test_a_figure_that_is_no_percentage_makes_a_heartbeat_unhealthy(
    figure: str, percent: float
) -> None:
    assert is_healthy(described(), usage=Usage(**{figure: percent})) is (0 <= percent <= 100)


@pytest.mark.req("N7")
@pytest.mark.parametrize("percent", [float("nan"), float("inf"), -0.1, 100.1])
def test_a_figure_just_outside_or_no_number_is_unhealthy(percent: float) -> None:
    assert not is_healthy(described(), usage=Usage(cpu=percent))


@pytest.mark.req("N5")
def test_figures_are_taken_as_they_were_sent() -> None:
    said = ResourceUsage(cpu_percent=1, mem_percent=2, gpu_percent=3, gpu_mem_percent=None)

    assert lifecycle.read_usage(said) == Usage(cpu=1, memory=2, gpu=3, gpu_memory=None)
