"""manage.py dlq: messages between instances that nobody read; list, show, replay, purge (T7)."""

import asyncio
import json
from argparse import ArgumentParser
from typing import Any

from channels.layers import get_channel_layer
from channels_streams.dead_letters import DeadLetter, DeadLetters
from channels_streams.layer import StreamsChannelLayer
from django.core.management import BaseCommand, CommandError

from lingua.commands.store_access import open_stores, telling_of_redis
from lingua.composition.network import build_instances, build_redelivery
from operators.console.dead_letters import DeadLetterService
from operators.management.numbers import parse_count


class Command(BaseCommand):
    """Look after dead letters."""

    help = (
        "Dead letters are events for a node or a speaker that its instance did not take before it "
        "ended. replay sends each to whoever holds the connection now, once, and refuses what is "
        "over; repeating a command is harmless."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True)
        listing = what.add_parser("list", help="one line each, the oldest first")
        listing.add_argument("--limit", type=parse_count, default=100)
        what.add_parser("show", help="everything about one").add_argument("letter_id")
        for name, text in (("replay", "send again"), ("purge", "remove")):
            command = what.add_parser(name, help=text)
            command.add_argument("letter_id", nargs="*", help="default: all")
            command.add_argument("--dry-run", action="store_true", help="change nothing")

    def handle(self, **options: Any) -> None:
        """:raises CommandError: no dead letters are kept, or not that one, or Redis is away."""
        layer = get_channel_layer()  # type: ignore[no-untyped-call]  # Channels has no types
        if not isinstance(layer, StreamsChannelLayer):
            raise CommandError("only the Streams channel layer keeps dead letters")
        with telling_of_redis():
            lines = asyncio.run(_run(layer, options))
        for line in lines:
            self.stdout.write(line)


async def _run(layer: StreamsChannelLayer, options: dict[str, Any]) -> list[str]:
    try:
        match options["what"]:
            case "list":
                found = await layer.dead_letters.list_letters(limit=options["limit"])
                return [_describe(letter) for letter in found]
            case "show":
                return await _show(layer.dead_letters, options["letter_id"])
            case "replay":
                return await _replay(layer.dead_letters, options)
            case _:
                count = await layer.dead_letters.purge(
                    letter_ids=options["letter_id"] or None, dry_run=options["dry_run"]
                )
                return [f"{count} {'would be ' if options['dry_run'] else ''}removed"]
    finally:
        await layer.close_pools()


async def _show(letters: DeadLetters, letter_id: str) -> list[str]:
    letter = await letters.find_letter(letter_id)
    if letter is None:
        raise CommandError(f"no dead letter {letter_id}")
    facts = {
        name: getattr(letter, name)
        for name in letter.__dataclass_fields__
        if name not in {"payload", "message"}
    }
    return [json.dumps(facts | {"payload_bytes": len(letter.payload)}, indent=2)]


async def _replay(letters: DeadLetters, options: dict[str, Any]) -> list[str]:
    ids = options["letter_id"] or [found.letter_id for found in await letters.list_letters()]
    async with open_stores() as stores:
        redelivery = build_redelivery(
            stores.services,
            instances=build_instances(stores.infrastructure, stores.configuration.network),
        )
        service = DeadLetterService(letters=letters, find_channel=redelivery.find_channel)
        return [
            f"{letter_id} {await service.replay(letter_id, dry_run=options['dry_run'])}"
            for letter_id in ids
        ]


def _describe(letter: DeadLetter) -> str:
    fields = " ".join(f"{name}={text}" for name, text in sorted(letter.fields.items()))
    return f"{letter.letter_id}  {letter.reason}  {letter.event_type}  {fields}"
