"""The audit log's chain: each entry is sealed with the one before, so none goes unnoticed."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models import F

from operators.db.token_models import AuditChain, AuditEntry

_PAGE = 500


def append(**said: Any) -> AuditEntry:
    """Write an entry at the end of the chain; writers of all processes come one after the other."""
    with transaction.atomic():
        entry = AuditEntry(**said)
        # The first thing is a write: its lock, on SQLite the database's, makes others wait here.
        if not _count_up():
            # Of several who write the first entry at once each finds none: the others wait here.
            AuditChain.objects.get_or_create(pk=1, defaults={"last_number": 0})
            _count_up()
        chain = AuditChain.objects.get(pk=1)
        entry.number = chain.last_number
        entry.digest = seal(entry, before=chain.last_digest)
        entry.save()
        AuditChain.objects.filter(pk=1).update(last_digest=entry.digest)
    return entry


def _count_up() -> int:
    return AuditChain.objects.filter(pk=1).update(last_number=F("last_number") + 1)


def seal(entry: AuditEntry, *, before: str) -> str:
    """Return the digest of an entry and of all before it."""
    return hashlib.sha256(f"{before}\n{_write(describe(entry))}".encode()).hexdigest()


def describe(entry: AuditEntry) -> dict[str, Any]:
    """Return what an entry says, as it is sealed."""
    return {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target,
        "address": entry.address,
        "detail": entry.detail,
    }


def find_head() -> tuple[int, str]:
    """Return the number and the seal of the last entry: what somebody keeps elsewhere."""
    last = AuditEntry.objects.filter(number__isnull=False).order_by("number").last()
    return (last.number or 0, last.digest) if last else (0, "")


def list_faults(*, count: int = 0, head: str = "") -> Iterator[str]:
    """Yield a sentence for each entry that was changed, or is missing.

    :param count: the number of an entry that was the last when `head`, its seal, was noted
    """
    chain = AuditChain.objects.filter(pk=1).first() or AuditChain()
    expected, before = 1, ""
    # Entries of before there was a chain have no number, but none was written after its first.
    first = AuditEntry.objects.filter(number__isnull=False).order_by("number").first()
    if first is not None:
        for entry in AuditEntry.objects.filter(number__isnull=True, pk__gt=first.pk):
            yield f"an entry has lost its number: {entry}"
    if count and not AuditEntry.objects.filter(number=count, digest=head).exists():
        yield f"entry {count} is not the one that was noted"
    for entry in list_entries():
        number = entry.number or 0
        if number != expected:
            yield _name_gap(expected, number - 1)
        elif entry.digest != seal(entry, before=before):
            yield f"entry {number} was changed after it was written: {entry}"
        expected, before = number + 1, entry.digest
    if expected <= chain.last_number:
        yield _name_gap(expected, chain.last_number)
    elif before != chain.last_digest:
        yield f"entry {expected - 1} is not the one that was written last"


def list_entries(*, after: int = 0) -> Iterator[AuditEntry]:
    """Yield the entries of the chain in order; those of before there was one are not in it."""
    while True:
        page = list(AuditEntry.objects.filter(number__gt=after).order_by("number")[:_PAGE])
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].number or 0


def _name_gap(first: int, last: int) -> str:
    return (
        f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"
    )


def _write(said: dict[str, Any]) -> str:
    return json.dumps(said, sort_keys=True, ensure_ascii=False)
