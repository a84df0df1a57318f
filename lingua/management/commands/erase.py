"""manage.py erase: delete all that is kept of a session, a tenant or a principal (RE10)."""

import asyncio
import getpass
from argparse import ArgumentParser
from typing import Any, ClassVar

import msgspec
from channels.layers import get_channel_layer
from channels_streams.connection import REDIS_TROUBLE
from channels_streams.layer import StreamsChannelLayer
from django.core.management import CommandError
from django.db import DatabaseError

from lingua.commands.store_access import open_stores, telling_of_redis
from lingua.composition.erasure import build_erasure
from lingua.composition.network import build_instances, build_redelivery
from lingua.composition.transport import send_to_group
from operators.console.dead_letters import DeadLetterService
from operators.console.erasure import KINDS, ErasureReport, ErasureService
from operators.db import audit
from operators.management.examples import CommandWithExamples
from scheduling.model import ids
from scheduling.model.instance_messages import GROUP


class Command(CommandWithExamples):
    """Erase on demand; the audit log says that it was done."""

    help = (
        "Delete what is kept of a session, or of all sessions of a tenant or a principal, in Redis "
        "and in the database. Jobs under way are cancelled, open sockets are closed. A repeat "
        "finds nothing."
    )
    examples: ClassVar[str] = """\
examples:
  manage.py erase session s-7F3A91C2
  manage.py erase tenant hospital-north
  manage.py erase principal p-4be1c09a7d52
"""
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=KINDS)
        parser.add_argument("name", help="the id of the session, the tenant or the principal")

    def handle(self, **options: Any) -> None:
        """:raises CommandError: that is no session's id, or Redis or the database is away."""
        kind, name = options["kind"], options["name"]
        if kind == KINDS[0] and not ids.is_session_id(name):
            raise CommandError(f"{name!r} is no id of a session; one looks like s-7F3A91C2")
        try:
            with telling_of_redis():
                report = asyncio.run(_erase(kind, name))
        except DatabaseError as error:
            raise CommandError(f"the database does not answer: {error}") from error
        counted = msgspec.structs.asdict(report)
        audit.record(
            actor=f"command:{getpass.getuser()}", action=f"{kind}.erase", target=name, **counted
        )
        self.stdout.write(", ".join(f"{field} {count}" for field, count in counted.items()))


async def _erase(kind: str, name: str) -> ErasureReport:
    layer = get_channel_layer()  # type: ignore[no-untyped-call]  # Channels has no types

    async def broadcast(body: bytes) -> None:
        await send_to_group(layer, GROUP, body, trouble=REDIS_TROUBLE)

    try:
        async with open_stores() as stores:
            letters = None
            if isinstance(layer, StreamsChannelLayer):
                redelivery = build_redelivery(
                    stores.services,
                    instances=build_instances(stores.infrastructure, stores.configuration.network),
                )
                letters = DeadLetterService(
                    letters=layer.dead_letters, find_channel=redelivery.find_channel
                )
            erasure = build_erasure(stores.infrastructure, stores.services, broadcast=broadcast)
            service = ErasureService(erasure=erasure, dead_letters=letters)
            return await service.erase(kind, name)
    finally:
        for close in ("close_pools", "close"):
            if (closing := getattr(layer, close, None)) is not None:
                await closing()
                break
