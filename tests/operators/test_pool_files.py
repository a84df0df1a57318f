"""Pools, tenants and switches from a file and into one, by `manage.py pools` (RE11, G6)."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from operators.models import AuditEntry, OwnedPool, PoolSwitches, TenantPolicy

pytestmark = pytest.mark.django_db
WHOLE = """
[switches]
mode = "two_level"
strict_eligibility = true
pool_count = 8

[[pools]]
pool_id = "gold"
name = "Für Gäste \\"A\\""
kind = "tenant"
required = ["asr", "nmt"]
languages = ["en", "pt-BR"]
nodes = ["berlin-1"]

[[pools]]
pool_id = "plain"
required = ["asr"]

[[tenants]]
tenant_id = "acme"
pool = "gold"
max_jobs = 5
jobs_per_s = 2.5
burst = 3
min_slots = 1
weight = 2.0

[[tenants]]
tenant_id = "other"
"""
OLDER = """
[server]
port = 5010

[scheduler.phase3]
enabled = true
mode = "two_level"
pool_count = 16
hash_seed = 7
fallback_scan_all_pools = false
pool_match_scope = "core_only"
pool_match_mode = "contains"
strict_pool_eligibility = true
auto_generate_language_pools = false

[scheduler.phase3.auto_pool_config]
min_nodes_per_pool = 2
pool_naming = "pair"

[[scheduler.phase3.pools]]
pool_id = 1
name = "zh-en"
required_services = ["asr", "nmt", "tts"]
[scheduler.phase3.pools.language_requirements]
asr_languages = ["zh", "en"]
tts_languages = ["zh"]
nmt_requirements = { languages = ["zh", "en"], rule = "any_to_any" }

[[scheduler.phase3.tenant_overrides]]
tenant_id = "tenant-A"
pool_id = 1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pools.toml"


def run(*arguments: Any) -> str:
    out = io.StringIO()
    call_command("pools", *map(str, arguments), stdout=out, stderr=out)
    return out.getvalue()


def load(file: Path, text: str, *options: str) -> str:
    file.write_text(text, encoding="utf-8")
    return run("import", file, *options)


def list_faults(file: Path, text: str, *options: str) -> str:
    before = run("export")
    with pytest.raises(CommandError) as refused:
        load(file, text, *options)
    assert refused.value.returncode == 1
    assert "nothing was changed" in str(refused.value)
    assert run("export") == before
    return str(refused.value)


@pytest.mark.req("RE11")
def test_what_was_written_is_read_as_the_same(file: Path) -> None:
    assert "pools: 2 added" in load(file, WHOLE)
    written = run("export")
    OwnedPool.objects.all().update(name="another")
    TenantPolicy.objects.filter(tenant_id="other").delete()

    told = load(file, written)

    assert "pools: 0 added, 2 changed, 0 removed, 0 as they were" in told
    assert "tenants: 1 added, 0 changed, 0 removed, 1 as they were" in told
    assert run("export") == written
    assert OwnedPool.objects.get(pool_id="gold").nodes == ["berlin-1"]
    assert TenantPolicy.objects.get(tenant_id="acme").pool.pool_id == "gold"


@pytest.mark.req("RE11")
def test_an_import_is_audited_and_a_trial_changes_nothing(file: Path) -> None:
    told = load(file, WHOLE, "--dry-run")
    assert "pools: 2 added" in told
    assert "Nothing was changed" in told
    assert not OwnedPool.objects.exists()
    assert not PoolSwitches.objects.exists()
    assert not AuditEntry.objects.exists()

    load(file, WHOLE)

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target) == ("pools.import", "pools.toml")
    assert "2 added" in entry.detail["pools"]


@pytest.mark.req("RE11")
def test_what_a_file_does_not_name_is_removed_where_that_was_asked_for(file: Path) -> None:
    load(file, WHOLE)
    less = '[[pools]]\npool_id = "plain"\nrequired = ["asr"]\n'
    load(file, less)
    assert OwnedPool.objects.count() == 2

    told = load(file, less, "--prune")

    assert "pools: 0 added, 0 changed, 1 removed, 1 as they were" in told
    assert not TenantPolicy.objects.exists()
    assert not PoolSwitches.objects.exists()


@pytest.mark.req("RE11")
def test_every_fault_of_a_file_is_told_and_nothing_is_changed(file: Path) -> None:
    load(file, WHOLE)
    told = list_faults(
        file,
        """
        colour = "red"
        [switches]
        mode = "three_level"
        spread = "yes"
        hedge = true
        pool_count = 100000
        [[pools]]
        pool_id = "gold"
        required = ["asr", "dance"]
        kind = "tenant"
        size = 3
        [[pools]]
        pool_id = "gold"
        required = ["asr"]
        [[pools]]
        pool_id = "p-own"
        required = "asr"
        [[pools]]
        name = "without"
        required = ["asr"]
        languages = ["english please", "auto"]
        [[pools]]
        pool_id = "empty"
        nodes = ["a b"]
        [[tenants]]
        tenant_id = "acme"
        weight = 0
        max_jobs = 1
        min_slots = 9
        burst = -1
        [[tenants]]
        tenant_id = "acme"
        jobs_per_s = inf
        max_jobs = true
        """,
    )
    for place in (
        *("colour: ", "switches.mode: ", "switches.spread: ", "switches.hedge: "),
        *("switches.pool_count: ", "pools[1].required: no service is called dance"),
        *("pools[1].size: ", "pools[2].pool_id: 'gold' stands in pools[1]"),
        *("pools[3].pool_id: ", "pools[3].required: ", "pools[4].pool_id: missing"),
        *("pools[4].languages: ", "pools[5].nodes: ", "tenants[1].weight: "),
        *("tenants[1].burst: ", "tenants[2].tenant_id: 'acme' stands in tenants[1]"),
        *("tenants[2].jobs_per_s: ", "tenants[2].max_jobs: "),
    ):
        assert place in told, place


@pytest.mark.req("RE11")
@pytest.mark.parametrize("options", [(), ("--prune",)])
def test_a_tenant_of_a_pool_that_there_is_not_is_a_fault(
    file: Path, options: tuple[str, ...]
) -> None:
    TenantPolicy.objects.create(tenant_id="kept")
    text = '[[tenants]]\ntenant_id = "a"\npool = "x"\n[[tenants]]\ntenant_id = "b"\npool = "y"\n'

    told = list_faults(file, text, *options)

    assert "tenants[1].pool: there is no pool 'x'" in told
    assert "tenants[2].pool: there is no pool 'y'" in told


@pytest.mark.req("RE11")
@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[[pools]\n", "line 1"),
        ("pools = 3\n", "pools: "),
        ("pools = [3]\n", "pools: "),
        ("switches = 1\n", "switches: "),
        ("a = 1\na = 2\n", "no TOML"),
        ("x = " + "[" * 5_000, "no TOML"),
        ("".join(f'[[pools]]\npool_id="{n}"\nrequired=["asr"]\n' for n in range(1_001)), "1001"),
        ("[scheduler]\nnode_timeout = 3\n", "scheduler.phase3"),
        ("scheduler = 3\n", "scheduler.phase3"),
        ("[scheduler.phase3]\ncolour = 1\n", "scheduler.phase3.colour"),
        ("[scheduler.phase3]\npools = 1\n", "scheduler.phase3.pools"),
        ("[[scheduler.phase3.tenant_overrides]]\ntenant_id = 'a'\n", "tenant_overrides[1].pool_id"),
    ],
)
def test_what_is_no_such_file_is_refused_with_where(file: Path, text: str, word: str) -> None:
    assert word in list_faults(file, text)


@pytest.mark.req("RE11")
def test_files_that_cannot_be_read_at_all_are_refused(file: Path) -> None:
    with pytest.raises(CommandError, match="nothing was changed"):
        run("import", file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CommandError, match="no TOML"):
        run("import", file)


@pytest.mark.req("RE11", "G6")
def test_an_older_schedulers_file_is_read(file: Path) -> None:
    told = load(file, OLDER)

    pool = OwnedPool.objects.get()
    assert (pool.pool_id, pool.name, pool.languages) == ("1", "zh-en", ["en", "zh"])
    assert pool.required == ["asr", "nmt", "tts"]
    assert TenantPolicy.objects.get(tenant_id="tenant-A").pool == pool
    switches = PoolSwitches.objects.get()
    assert (switches.auto_language, switches.min_nodes_per_pool) == (False, 2)
    assert (switches.strict_eligibility, switches.fallback_scan_all) == (True, False)
    assert "LINGUA_POOLS_HASH_SEED=7" in told
