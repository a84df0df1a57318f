"""What a node declared, as placement sees it, and whether a heartbeat is a healthy one."""

from typing import Any

import msgspec

from nodes import messages
from scheduling.model.jobs import STREAMING
from scheduling.model.languages import LanguageOffer, Nmt, collect, normalize
from scheduling.model.nodes import Machine, Model, NodeDescription, NodeStatus, Service, Usage

ACKNOWLEDGES = "job_ack"
RESUMES = "resume"

_CORE_TYPES = frozenset({"asr", "nmt", "tts"})
_MOST_PERCENT = 100.0
_MOST_MODELS, _MOST_FEATURES, _LONGEST_NAME = 256, 64, 64


def describe(
    message: messages.RegisterNode | messages.NodeHeartbeat,
    *,
    before: NodeDescription | None,
    tenant_id: str = "",
) -> NodeDescription:
    """Return what a node declares now; what a heartbeat leaves out stays as it was (I-56).

    `tenant_id` is the tenant of its credential, whose sessions it serves where it is private.
    """
    services = _list_services(message.installed_services, before)
    languages = _read_languages(message.language_capabilities, before)
    ready_types = _list_ready_types(message, before)
    if before is not None and STREAMING in before.ready_types:
        ready_types |= {STREAMING}
    if isinstance(message, messages.NodeHeartbeat):
        if before is None:
            raise ValueError("a heartbeat describes only a node that registered")
        machine = before.machine
        if message.installed_models is not None:
            models = _list_models(message.installed_models)
            machine = msgspec.structs.replace(machine, models=models)
        return msgspec.structs.replace(
            before,
            languages=languages,
            services=services,
            ready_types=ready_types,
            machine=machine,
        )
    features = message.advanced_features or []
    ready_types |= {STREAMING} & set(features)
    return NodeDescription(
        version=message.version,
        platform=message.platform,
        accepts_public_jobs=message.accept_public_jobs,
        has_gpu=bool(message.hardware.gpus),
        languages=languages,
        services=services,
        ready_types=ready_types,
        acknowledges=ACKNOWLEDGES in features,
        resumes=RESUMES in features,
        # The older node translates into the target, whichever of the two languages was spoken.
        finds_language=all(row.ready_impl_ids is None for row in message.capability_by_type),
        machine=Machine(
            cpu_cores=message.hardware.cpu_cores,
            memory_gb=message.hardware.memory_gb,
            gpu_memory_gb=sum(gpu.memory_gb for gpu in message.hardware.gpus or ()),
            models=_list_models(message.installed_models),
        ),
        features=_list_features(message.features_supported),
        tenant_id="" if message.accept_public_jobs else tenant_id,
    )


def is_healthy(
    *, description: NodeDescription, usage: Usage, status: NodeStatus, require_gpu: bool
) -> bool:
    """Say whether a heartbeat is a good one (N7).

    Usages lie in 0 to 100; where a GPU is required there is one and its usage is known. While
    registering, every installed core type (asr, nmt, tts) must be ready, later one is enough.
    """
    if require_gpu and not (description.has_gpu and usage.gpu is not None):
        return False
    figures = (usage.cpu, usage.memory, usage.gpu or 0.0, usage.gpu_memory or 0.0)
    if not all(0.0 <= figure <= _MOST_PERCENT for figure in figures):
        return False
    installed = {service.type for service in description.services} & _CORE_TYPES
    ready = description.ready_types & _CORE_TYPES
    if status is NodeStatus.REGISTERING:
        return bool(installed) and installed <= ready
    return bool(ready)


def read_usage(usage: messages.ResourceUsage) -> Usage:
    """Return a heartbeat's figures."""
    return Usage(
        cpu=usage.cpu_percent,
        memory=usage.mem_percent,
        gpu=usage.gpu_percent,
        gpu_memory=usage.gpu_mem_percent,
    )


def _list_models(installed: Any) -> tuple[Model, ...]:
    """Return the models a node names, as far as they can be read."""
    models = []
    for row in installed[:_MOST_MODELS] if isinstance(installed, list) else ():
        try:
            named = msgspec.convert(row, messages.InstalledModel)
        except msgspec.ValidationError:
            continue
        models.append(
            Model(
                model_id=named.model_id,
                kind=named.kind or "",
                version=named.version or "",
                enabled=named.enabled is not False,
            )
        )
    return tuple(models)


def _list_features(supported: Any) -> frozenset[str]:
    """Return the names of the features a node says it supports."""
    if not isinstance(supported, dict):
        return frozenset()
    named = [name for name, is_so in supported.items() if is_so is True]
    return frozenset(name for name in named[:_MOST_FEATURES] if len(name) <= _LONGEST_NAME)


def _list_services(
    installed: list[messages.InstalledService] | None, before: NodeDescription | None
) -> tuple[Service, ...]:
    if installed is None:
        return before.services if before else ()
    return tuple(
        Service(service_id=service.service_id, type=service.type.lower()) for service in installed
    )


def _list_ready_types(
    message: messages.RegisterNode | messages.NodeHeartbeat, before: NodeDescription | None
) -> frozenset[str]:
    """Return the types that can be served: as declared, else those with a running service."""
    if message.capability_by_type is None and message.installed_services is None:
        return before.ready_types if before else frozenset()
    declared = {row.type.lower(): row.ready for row in message.capability_by_type or ()}
    running = {
        service.type.lower()
        for service in message.installed_services or ()
        if service.status == "running"
    }
    return frozenset(
        {kind for kind, ready in declared.items() if ready} | (running - declared.keys())
    )


def _read_languages(
    declared: messages.LanguageCapabilities | None, before: NodeDescription | None
) -> LanguageOffer:
    if declared is None:
        return before.languages if before else LanguageOffer()
    return LanguageOffer(
        asr=collect(declared.asr_languages),
        tts=collect(declared.tts_languages),
        semantic=collect(declared.semantic_languages),
        nmt=tuple(
            Nmt(
                rule=model.rule,
                languages=collect(model.languages),
                supported=_read_pairs(model.supported_pairs),
                blocked=_read_pairs(model.blocked_pairs),
            )
            for model in declared.nmt_capabilities or ()
        ),
        pairs=_read_pairs(declared.supported_language_pairs)
        if declared.supported_language_pairs
        else None,
    )


def _read_pairs(pairs: list[messages.LanguagePair] | None) -> frozenset[tuple[str, str]]:
    return frozenset((normalize(pair.src), normalize(pair.tgt)) for pair in pairs or ())
