"""Pools, tenants and switches of placement in a file, for people who keep them in git.

A file is checked whole before anything is changed: every fault of it is told at once, by its path.
"""

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

import tomli_w
from django.core.exceptions import ValidationError
from django.db import models, transaction

from operators.db.older_pool_files import OLDER_TABLE, translate
from operators.db.pool_models import OwnedPool, PoolSwitches, TenantPolicy, list_switches

MOST_BYTES = 8 * 1024 * 1024
_MOST_POOLS, _MOST_TENANTS, _MOST_FAULTS = 1_000, 100_000, 200
_POOL_FIELDS = ("pool_id", "name", "kind", "required", "languages", "nodes")
_TENANT_FIELDS = ("tenant_id", "pool", "max_jobs", "jobs_per_s", "burst", "min_slots", "weight")
_LISTS = {"required", "languages", "nodes"}
_TABLES = {"switches", "pools", "tenants"}

Entry = dict[str, Any]


class FaultyFile(Exception):
    """A file that cannot be applied; `faults` says all that is wrong with it."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults[:_MOST_FAULTS]
        more = len(faults) - len(self.faults)
        if more:
            self.faults.append(f"and {more} more")
        super().__init__("\n".join(self.faults))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FiledPools:
    """What a file says, checked; `notes` are what of an older one goes elsewhere."""

    pools: list[Entry]
    tenants: list[Entry]
    switches: Entry | None
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(slots=True, kw_only=True)
class Changes:
    """How many rows of a kind were added, changed, removed, and stayed as they were."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    kept: int = 0

    def __str__(self) -> str:
        return (
            f"{self.added} added, {self.changed} changed, {self.removed} removed,"
            f" {self.kept} as they were"
        )


def read_file(content: bytes) -> FiledPools:
    """Return what a file says; an older one, of ``[scheduler.phase3]``, is translated.

    :raises FaultyFile: anything is wrong with it
    """
    if len(content) > MOST_BYTES:
        raise FaultyFile([f"the file has more than {MOST_BYTES} bytes"])
    try:
        told = tomllib.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise FaultyFile([f"the file is no TOML: {error}"]) from error
    faults: list[str] = []
    notes: tuple[str, ...] = ()
    if OLDER_TABLE in told:
        told, notes = translate(told, faults)
    faults += [
        f"{name}: a file has {', '.join(sorted(_TABLES))}, or {OLDER_TABLE}.phase3 of an older one"
        for name in told.keys() - _TABLES
    ]
    pools = _read_entries(told, "pools", _POOL_FIELDS, most=_MOST_POOLS, faults=faults)
    tenants = _read_entries(told, "tenants", _TENANT_FIELDS, most=_MOST_TENANTS, faults=faults)
    switches = _read_switches(told.get("switches"), faults)
    _check_all(pools, OwnedPool, "pools", faults)
    _check_all(tenants, TenantPolicy, "tenants", faults)
    if faults:
        raise FaultyFile(faults)
    return FiledPools(pools=pools, tenants=tenants, switches=switches, notes=notes)


def apply_file(file: FiledPools, *, prune: bool, dry_run: bool) -> dict[str, Changes]:
    """Make the database say what the file says; with `prune` nothing else, too.

    :raises FaultyFile: a tenant names a pool that neither the file nor the database has
    """
    with transaction.atomic():
        known = {pool.pool_id: pool for pool in OwnedPool.objects.select_for_update()}
        _check_pools_named(file, set() if prune else set(known))
        told = {
            "pools": _apply(OwnedPool, file.pools, "pool_id", {}),
            "tenants": Changes(),
            "switches": _apply_switches(file.switches, prune=prune),
        }
        pools = {pool.pool_id: pool for pool in OwnedPool.objects.all()}
        told["tenants"] = _apply(TenantPolicy, file.tenants, "tenant_id", pools)
        if prune:
            # Tenants first: their pools are protected for as long.
            told["tenants"].removed = _prune(TenantPolicy, file.tenants, "tenant_id")
            told["pools"].removed = _prune(OwnedPool, file.pools, "pool_id")
        if dry_run:
            transaction.set_rollback(True)
    return told


def write_file() -> str:
    """Return what the database says, as a file; rows are in the order of their ids."""
    told: dict[str, Any] = {}
    switches = PoolSwitches.objects.first()
    if switches is not None:
        named = {name: getattr(switches, name) for name in list_switches()}
        told["switches"] = {
            name: value for name, value in sorted(named.items()) if value not in {None, ""}
        }
    told["pools"] = [
        _describe(pool, _POOL_FIELDS) for pool in OwnedPool.objects.order_by("pool_id")
    ]
    tenants = TenantPolicy.objects.select_related("pool").order_by("tenant_id")
    told["tenants"] = [_describe(tenant, _TENANT_FIELDS) for tenant in tenants]
    return tomli_w.dumps({name: value for name, value in told.items() if value})


def _describe(row: models.Model, fields: Iterable[str]) -> Entry:
    told: Entry = {}
    for name in fields:
        value = getattr(row, name)
        if isinstance(value, OwnedPool):
            value = value.pool_id
        if value not in (None, "", []):
            told[name] = value
    return told


def _read_entries(
    told: Mapping[str, Any],
    table: str,
    fields: tuple[str, ...],
    *,
    most: int,
    faults: list[str],
) -> list[Entry]:
    """Return the entries of a table that have an id of their own; the others are faults."""
    entries = told.get(table, [])
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        faults.append(f"{table}: write [[{table}]] above each")
        return []
    if len(entries) > most:
        faults.append(f"{table}: there are {len(entries)}; {most} may be")
        return []
    named: dict[str, int] = {}
    own = fields[0]
    for number, entry in enumerate(entries, 1):
        place = f"{table}[{number}]"
        faults += [
            f"{place}.{name}: there is no such field; there are {', '.join(fields)}"
            for name in sorted(entry.keys() - set(fields))
        ]
        faults += [
            f"{place}.{name}: {wrong}"
            for name, value in entry.items()
            if name in fields and (wrong := _find_wrong_type(name, value))
        ]
        key = entry.get(own)
        if not isinstance(key, str):
            if own not in entry:
                faults.append(f"{place}.{own}: missing")
        elif key in named:
            faults.append(f"{place}.{own}: {key!r} stands in {table}[{named[key]}] as well")
        else:
            named[key] = number
    return entries


def _find_wrong_type(name: str, value: Any) -> str:
    if name in _LISTS:
        is_right = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return "" if is_right else "a list of texts"
    if name in {"jobs_per_s", "weight"}:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if is_number else "a number"
    if name in {"max_jobs", "burst", "min_slots"}:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return "" if is_number else "a whole number"
    return "" if isinstance(value, str) else "a text"


def _read_switches(told: Any, faults: list[str]) -> Entry | None:
    if told is None:
        return None
    if not isinstance(told, dict):
        faults.append("switches: write [switches] above them")
        return None
    known = list_switches()
    faults += [
        f"switches.{name}: there is no such switch; there are {', '.join(known)}"
        for name in sorted(told.keys() - set(known))
    ]
    sound = {}
    for name, value in told.items():
        if name not in known:
            continue
        field = PoolSwitches._meta.get_field(name)  # noqa: SLF001 - Django's public name for it is this one
        wanted = {"BooleanField": bool, "CharField": str}.get(field.get_internal_type(), int)
        if type(value) is not wanted:
            kind = {bool: "true or false", str: "a text", int: "a whole number"}[wanted]
            faults.append(f"switches.{name}: {kind}")
        else:
            sound[name] = value
    _check(PoolSwitches(**sound), "switches", faults)
    return sound


def _check_all(
    entries: list[Entry], model: type[models.Model], table: str, faults: list[str]
) -> None:
    """Check entries as the admin does; those whose types are wrong have been told of."""
    names = {field.name for field in model._meta.get_fields()}  # noqa: SLF001 - as above
    for number, entry in enumerate(entries, 1):
        sound = {
            name: value
            for name, value in entry.items()
            if name in names and name != "pool" and not _find_wrong_type(name, value)
        }
        missing: set[str] = {
            name for name in ("pool_id", "tenant_id") if name in names and name not in sound
        }
        _check(model(**sound), f"{table}[{number}]", faults, exclude=missing)


def _check(
    row: models.Model, place: str, faults: list[str], *, exclude: set[str] | None = None
) -> None:
    try:
        row.full_clean(exclude=exclude, validate_unique=False)
    except ValidationError as error:
        for name, messages in error.message_dict.items():
            where = place if name == "__all__" else f"{place}.{name}"
            faults += [f"{where}: {message}" for message in messages]


def _check_pools_named(file: FiledPools, known: set[str]) -> None:
    """Check that every pool a tenant is sent to exists.

    :raises FaultyFile: one does not
    """
    known |= {entry["pool_id"] for entry in file.pools}
    faults = [
        f"tenants[{number}].pool: there is no pool {entry['pool']!r}"
        for number, entry in enumerate(file.tenants, 1)
        if entry.get("pool") and entry["pool"] not in known
    ]
    if faults:
        raise FaultyFile(faults)


def _apply(model: Any, entries: list[Entry], key: str, pools: Mapping[str, OwnedPool]) -> Changes:
    changes = Changes()
    rows = {getattr(row, key): row for row in model.objects.all()}
    for entry in entries:
        wanted = model(**{name: value for name, value in entry.items() if name != "pool"})
        if entry.get("pool"):
            wanted.pool = pools[entry["pool"]]
        row = rows.get(entry[key])
        if row is None:
            wanted.save()
            changes.added += 1
        elif _differs(row, wanted):
            wanted.pk = row.pk
            wanted.save()
            changes.changed += 1
        else:
            changes.kept += 1
    return changes


def _apply_switches(switches: Entry | None, *, prune: bool) -> Changes:
    """Set the switches as they are told; those left out are the installation's settings again."""
    row = PoolSwitches.objects.first()
    if switches is None and not (prune and row is not None):
        return Changes(kept=1 if row else 0)
    if switches is None:
        PoolSwitches.objects.all().delete()
        return Changes(removed=1)
    wanted = PoolSwitches(**switches)
    if row is None:
        wanted.save()
        return Changes(added=1)
    if not _differs(row, wanted):
        return Changes(kept=1)
    wanted.pk = row.pk
    wanted.save()
    return Changes(changed=1)


def _differs(row: models.Model, wanted: models.Model) -> bool:
    fields = [field for field in row._meta.concrete_fields if not field.primary_key]  # noqa: SLF001 - as above
    return any(field.value_from_object(row) != field.value_from_object(wanted) for field in fields)


def _prune(model: Any, entries: list[Entry], key: str) -> int:
    gone = model.objects.exclude(**{f"{key}__in": [entry[key] for entry in entries]})
    count: int = gone.count()
    gone.delete()
    return count
