"""The audit log: each entry is sealed with the one before, whoever writes, and none is missed."""

import asyncio
import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from operators.db import audit
from operators.db.token_models import AuditChain
from operators.models import AuditEntry
from tests.manage import NO_REDIS, manage
from tests.server.database import lay_database

pytestmark = [pytest.mark.django_db, pytest.mark.req("ED13")]


def _write(count: int) -> None:
    for index in range(count):
        audit.record(actor="mira", action="node.drain", target=f"n-{index}", reason="ü\u2028")


def _run(*arguments: str) -> str:
    told = StringIO()
    call_command("audit", *arguments, stdout=told)
    return told.getvalue()


def _name_faults() -> list[str]:
    told = StringIO()
    with pytest.raises(CommandError):
        call_command("audit", "verify", stdout=told)
    return told.getvalue().splitlines()


def test_a_log_that_nobody_touched_is_whole() -> None:
    assert "0 entries" in _run("verify")
    _write(3)

    assert "3 entries" in _run("verify")
    assert list(AuditEntry.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3]


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "somebody"},
        {"action": "login"},
        {"target": "n-7"},
        {"address": "192.0.2.1"},
        {"detail": {}},
        {"at": "2020-01-01T00:00:00Z"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_entry_that_was_changed_is_named(change: dict[str, object]) -> None:
    _write(4)
    AuditEntry.objects.filter(number=2).update(**change)

    [fault] = _name_faults()
    assert fault.startswith("entry 2 was changed")


@pytest.mark.parametrize(
    ("gone", "fault"),
    [
        ((1,), "entry 1 is missing"),
        ((2, 3), "entries 2 to 3 are missing"),
        ((4,), "entry 4 is missing"),
        ((1, 2, 3, 4), "entries 1 to 4 are missing"),
    ],
)
def test_an_entry_that_was_removed_is_named(gone: tuple[int, ...], fault: str) -> None:
    _write(4)
    AuditEntry.objects.filter(number__in=gone).delete()

    assert _name_faults() == [fault]


def test_an_entry_that_was_sealed_anew_is_betrayed_by_the_next() -> None:
    from operators.db.audit_chain import seal  # noqa: PLC0415 - used here alone

    _write(3)
    first, second, _ = AuditEntry.objects.order_by("number")
    second.actor = "somebody"
    digest = seal(second, before=first.digest)
    AuditEntry.objects.filter(number=2).update(actor="somebody", digest=digest)

    [fault] = _name_faults()
    assert fault.startswith("entry 3 was changed")


def test_a_copy_holds_every_entry_with_its_seal_and_goes_on_where_another_ended() -> None:
    _write(3)
    rows = [json.loads(line) for line in _run("export").splitlines()]

    assert [row["number"] for row in rows] == [1, 2, 3]
    assert rows[0]["detail"] == {"reason": "ü\u2028"}
    assert len({row["digest"] for row in rows}) == 3
    assert [json.loads(line) for line in _run("export", "--after", "1").splitlines()] == rows[1:]


async def test_writers_of_several_processes_make_one_chain(tmp_path: Path) -> None:
    lay_database(tmp_path)
    variables = {"LINGUA_VAR_DIR": str(tmp_path), "REDIS_URL": NO_REDIS}

    async def issue(name: str) -> None:
        await asyncio.to_thread(manage, "token", "create", "node", name, **variables)

    await asyncio.gather(*(issue(f"writer {index}") for index in range(4)))

    assert "4 entries" in await asyncio.to_thread(manage, "audit", "verify", **variables)


def test_an_entry_that_lost_its_number_is_named() -> None:
    _write(3)
    AuditEntry.objects.filter(number=2).update(number=None)

    faults = _name_faults()

    assert "entry 2 is missing" in faults
    assert any(fault.startswith("an entry has lost its number") for fault in faults)


def test_a_log_set_back_with_its_chain_is_not_what_was_noted() -> None:
    _write(3)
    noted = _run("verify").rpartition("next time: ")[2].split()
    _write(1)
    assert "4 entries" in _run("verify", *noted)
    AuditEntry.objects.all()._raw_delete("default")
    AuditChain.objects.all().delete()
    assert "0 entries" in _run("verify"), "nothing in the database tells"

    with pytest.raises(CommandError):
        _run("verify", *noted)
    _write(3)
    with pytest.raises(CommandError):
        _run("verify", *noted)


def test_half_of_what_was_noted_is_refused() -> None:
    with pytest.raises(CommandError, match="belong together"):
        _run("verify", "--count", "3")
