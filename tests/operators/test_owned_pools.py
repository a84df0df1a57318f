"""What operators own of placement: checked when saved, in force within a second."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.test import Client

from operators.db.node_models import Cordon
from operators.db.pool_source import DatabaseSource
from operators.models import AuditEntry, OwnedPool, PoolSwitches, TenantPolicy
from scheduling.placement.pool_config import Owned, PoolRules
from scheduling.placement.pools import PoolKind

pytestmark = pytest.mark.django_db


def log_in(role: str) -> Client:
    user = User.objects.create_user(username=f"a-{role}", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


FILLED = {
    "pool_id": "voices",
    "name": "Voices",
    "kind": "capability",
    "required": ["asr", "tone"],
    "languages": "en, de",
    "nodes": "",
}


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"pool_id": "p-1", "required": ["asr"]}, "pool_id", "made by Lingua"),
        ({"pool_id": "a b", "required": ["asr"]}, "pool_id", "letters"),
        ({"pool_id": "x", "required": []}, "required", "at least one service"),
        ({"pool_id": "x", "required": ["as"]}, "required", "no service is called as"),
        ({"pool_id": "x", "required": ["asr"], "nodes": ["n-1"]}, "nodes", "only a tenant pool"),
        ({"pool_id": "x", "required": ["asr"], "languages": ["?"]}, "languages", "no language"),
        ({"pool_id": "x", "kind": "tenant", "nodes": ["n 1"]}, "nodes", "letters"),
        ({"pool_id": "x", "required": "asr"}, "required", "a list"),
    ],
)
@pytest.mark.req("P11")
def test_a_pool_that_cannot_work_says_why(fields, field: str, told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        OwnedPool(**fields).full_clean()
    assert told in " ".join(refused.value.message_dict[field])


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"max_jobs": 2, "min_slots": 3}, "min_slots", "stand empty"),
        ({"weight": 0}, "weight", "never be served"),
        ({"jobs_per_s": -1}, "jobs_per_s", "greater than or equal"),
        ({"jobs_per_s": float("inf")}, "jobs_per_s", "Not a rate"),
        ({"burst": 0}, "burst", "greater than or equal"),
    ],
)
def test_a_tenant_policy_that_contradicts_itself_says_why(fields, field: str, told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TenantPolicy(tenant_id="acme", **fields).full_clean()
    assert told in " ".join(refused.value.message_dict[field])


def test_switches_that_cancel_each_other_say_so() -> None:
    with pytest.raises(ValidationError, match="switch one of the two off"):
        PoolSwitches(strict_eligibility=True, tenant_fallback=True).full_clean()


def test_switches_left_empty_are_those_of_the_settings() -> None:
    settings = PoolRules(max_pools=7, spread=True)
    switches = PoolSwitches(auto_language=False, match_mode="exact", spread=False)

    assert switches.to_rules(settings) == PoolRules(
        max_pools=7, spread=False, auto_language=False, match_mode="exact"
    )
    assert PoolSwitches().to_rules(settings) == settings


def test_an_operator_makes_finds_changes_and_deletes_pools_in_the_admin() -> None:
    client = log_in("operator")
    url = "/admin/operators/ownedpool/"

    assert client.post(f"{url}add/", FILLED).status_code == 302
    pool = OwnedPool.objects.get()
    assert pool.to_pool().languages == ("de", "en")
    assert "voices" in client.get(url, {"q": "Voi", "kind": "capability"}).content.decode()
    page = client.get(f"{url}{pool.pk}/change/").content.decode()
    assert 'value="en de"' in page
    client.post(f"{url}{pool.pk}/change/", FILLED | {"pool_id": "other", "name": "Tones"})
    pool.refresh_from_db()
    assert (pool.pool_id, pool.name) == ("voices", "Tones")
    TenantPolicy.objects.create(tenant_id="acme", pool=pool)
    client.post(f"{url}{pool.pk}/delete/", {"post": "yes"})
    assert OwnedPool.objects.count() == 1, "a tenant is sent there"
    TenantPolicy.objects.all().delete()
    client.post(f"{url}{pool.pk}/delete/", {"post": "yes"})
    assert OwnedPool.objects.count() == 0
    noted = AuditEntry.objects.filter(action__startswith="admin.").order_by("pk")
    assert [entry.action for entry in noted] == ["admin.add", "admin.change", "admin.delete"]


def test_a_page_tells_what_is_wrong_with_a_pool() -> None:
    client = log_in("operator")

    page = client.post("/admin/operators/ownedpool/add/", FILLED | {"required": []})

    assert "needs at least one service" in page.content.decode()


@pytest.mark.parametrize("model", ["ownedpool", "tenantpolicy", "poolswitches"])
def test_a_viewer_sees_pools_and_changes_none(model: str) -> None:
    client = log_in("viewer")

    assert client.get(f"/admin/operators/{model}/").status_code == 200
    assert client.get(f"/admin/operators/{model}/add/").status_code == 403


def test_there_is_one_row_of_switches() -> None:
    client = log_in("operator")
    url = "/admin/operators/poolswitches/"

    assert client.post(f"{url}add/", {"auto_language": "false"}).status_code == 302
    assert client.get(f"{url}add/").status_code == 403
    assert "auto_language=False" in client.get(url).content.decode()


def _fill() -> None:
    Cordon.objects.create(node_id="node-1")
    pool = OwnedPool.objects.create(pool_id="voices", required=["tone", "asr"])
    TenantPolicy.objects.create(tenant_id="acme", pool=pool, max_jobs=3)
    PoolSwitches.objects.create(auto_language=False)


@pytest.mark.req("P11")
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
async def test_the_source_reads_what_operators_own() -> None:
    await sync_to_async(_fill)()
    owned = await DatabaseSource(PoolRules(max_pools=9)).read()

    assert isinstance(owned, Owned)
    assert [(pool.pool_id, pool.kind, pool.required) for pool in owned.pools] == [
        ("voices", PoolKind.CAPABILITY, ("asr", "tone"))
    ]
    assert [(tenant.tenant_id, tenant.pool_id) for tenant in owned.tenants] == [("acme", "voices")]
    assert owned.rules == PoolRules(max_pools=9, auto_language=False)
    assert owned.cordons == ("node-1",)
