"""Who this node is and what it offers, as the scheduler hears it."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from lingua_node import clock, machine, messages, mistakes
from lingua_node.calls import MOST_FRAME_BYTES
from lingua_node.load import Load
from lingua_node.work import JobRunner

_SCHEMA_VERSION = "2.0"
_SHOWN = 5
_PLATFORMS = {"win32": "windows", "darwin": "macos"}


class RegistrationRefused(Exception):
    """The scheduler does not want this node; `code` is its stable word, empty where it has none."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.code = code


@dataclass(kw_only=True)
class Offer:
    """What a node declares about itself."""

    services: list[messages.Service]
    languages: messages.Languages
    slots: int
    models: list[messages.Model] = field(default_factory=list)
    version: str = "2.0.0"
    accept_public_jobs: bool = True
    features: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Say what is offered as whoever started the node wants to read it."""
        spoken = self.languages
        pairs = [f"{pair.src}-{pair.tgt}" for pair in spoken.supported_language_pairs or ()]
        models = [model.model_id for model in spoken.nmt_capabilities or ()]
        named = {
            "asr": spoken.asr_languages,
            "nmt": pairs or models,
            "tts": spoken.tts_languages,
            "semantic": spoken.semantic_languages,
        }
        kinds = list(dict.fromkeys(service.type for service in self.services))
        offers = [f"{kind} ({_list_few(named.get(kind) or ())})" for kind in kinds]
        return f"offers {', '.join(offers)}, {self.slots} job{'s' * (self.slots > 1)} at once"

    def capabilities(self) -> list[messages.Capability]:
        """One row per service type: ready when one of its services runs."""
        rows: list[messages.Capability] = []
        for kind in dict.fromkeys(service.type for service in self.services):
            ready = [
                service.service_id
                for service in self.services
                if service.type == kind and service.status == "running"
            ]
            reason = None if ready else "no_running_impl"
            rows.append(
                messages.Capability(
                    type=kind, ready=bool(ready), reason=reason, ready_impl_ids=ready
                )
            )
        return rows

    def set_status(self, *, service_id: str, status: str) -> None:
        """Change the status of one service.

        :raises NodeMistake: there is no such service, or no such status
        """
        known = [service.service_id for service in self.services]
        mistakes.check_status(service_id, status, known=known)
        for index, service in enumerate(self.services):
            if service.service_id == service_id:
                self.services[index] = msgspec.structs.replace(service, status=status)


def _list_few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown or "any"


class Identity:
    """Builds node_register and node_heartbeat, and remembers the id and the resume token."""

    def __init__(
        self,
        *,
        offer: Offer,
        runner: JobRunner,
        drain: Callable[[], None],
        hardware: messages.Hardware | None = None,
        usage: machine.UsageReader | None = None,
        node_id: str | None = None,
    ) -> None:
        self.node_id = node_id
        self.changed = asyncio.Event()  # a heartbeat is due now
        self.drain = drain
        self.most_frame_bytes = MOST_FRAME_BYTES
        self._offer = offer
        self._runner = runner
        self._hardware = hardware
        self.load = Load(usage)
        self._resume_token: str | None = None

    def is_registered_by(self, message: messages.FromScheduler | None) -> bool:
        """Take the id from an ack; anything else but a refusal is not for us yet.

        :raises RegistrationRefused: the scheduler answered with an error
        """
        match message:
            case messages.NodeRegistered():
                self.node_id = message.node_id
                self._resume_token = message.resume_token or self._resume_token
                self.most_frame_bytes = message.max_frame_bytes or MOST_FRAME_BYTES
                return True
            case messages.ServerError():
                raise RegistrationRefused(message.message, code=message.code)
            case _:
                return False

    async def register(self) -> messages.RegisterNode:
        if self._hardware is None:
            self._hardware = await machine.read_hardware()
        offer = self._offer
        return messages.RegisterNode(
            node_id=self.node_id,
            version=offer.version,
            capability_schema_version=_SCHEMA_VERSION,
            platform=_PLATFORMS.get(sys.platform, "linux"),
            hardware=self._hardware,
            installed_models=offer.models,
            installed_services=offer.services,
            capability_by_type=offer.capabilities(),
            features_supported={},
            advanced_features=offer.features,
            accept_public_jobs=offer.accept_public_jobs,
            max_concurrent_jobs=offer.slots,
            running_attempts=self._runner.attempts.held(connection=None),
            language_capabilities=offer.languages,
            resume_token=self._resume_token,
        )

    async def heartbeat(self) -> messages.NodeHeartbeat:
        runner, offer = self._runner, self._offer
        usage = await self.load.read(runner.attempts.count_wanted())
        return messages.NodeHeartbeat(
            node_id=self.node_id or "",
            timestamp=clock.now_ms(),
            resource_usage=usage,
            installed_models=offer.models,
            installed_services=offer.services,
            capability_by_type=offer.capabilities(),
            language_capabilities=offer.languages,
            running_attempts=runner.attempts.held(connection=runner.connection),
            draining=runner.draining or None,
        )
