"""Who reads one tenant sees what is that tenant's, on pages and in the API, and nothing else."""

import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from operators.api.navigation import PAGES
from operators.db.login_provider import LoginProvider
from operators.db.single_sign_on import admit
from operators.db.tenant_readers import find_tenant
from tests.manage import manage
from tests.security.fortress import INIT, Fortress, bearer
from tests.security.people import Person
from tests.security.test_tenants import _OF_ONE_TENANT
from tests.waiting import eventually

_PASSWORD = "a password of somebody at acme"  # noqa: S105 - of a test's own server
_MAKE = f"""
from django.contrib.auth.models import Group, User
user = User.objects.create_user("reader", password="{_PASSWORD}", is_staff=True)
user.groups.add(Group.objects.get_or_create(name="tenant:acme")[0])
"""


@pytest.mark.req("RE10")
async def test_a_tenants_reader_is_shown_its_own_and_refused_all_else(
    uvicorn_fortress: Fortress,
) -> None:
    fortress = uvicorn_fortress
    manage("shell", "-c", _MAKE, **fortress.variables)
    reader = Person(address=fortress.instance.address)
    assert (await reader.log_in("reader", _PASSWORD)).status == 302
    sessions = {}
    tokens = {name: fortress.issue("api", name, "--tenant", name) for name in ("acme", "globex")}
    async with (
        connect(fortress.url("/ws/session"), additional_headers=bearer(tokens["acme"])) as own,
        connect(fortress.url("/ws/session"), additional_headers=bearer(tokens["globex"])) as other,
    ):
        for name, socket in (("acme", own), ("globex", other)):
            await socket.send(json.dumps(INIT))
            sessions[name] = json.loads(await socket.recv())["session_id"]

        async def lists_own() -> bool:
            return sessions["acme"] in (await reader.get("/api/v1/sessions")).text

        await eventually(lists_own)
        assert sessions["globex"] not in (await reader.get("/api/v1/sessions")).text
        found = {
            name: (await reader.get(f"/api/v1/sessions/{session_id}")).status
            for name, session_id in sessions.items()
        }
    assert found == {"acme": 200, "globex": 404}

    seer = fortress.issue("api", "desk", "--scope", "read")
    described = await reader_of_all(fortress, seer)
    statuses = {}
    for path in described:
        named = path.format_map(
            dict.fromkeys(("job_id", "session_id", "node_id", "pool_id", "letter_id", "id"), "x")
        )
        statuses[path] = (await reader.get(named)).status
    assert {path for path, status in statuses.items() if status != 403} == _OF_ONE_TENANT
    pages = {name: (await reader.get(f"/{name}")).status for name in PAGES}
    assert {name for name, status in pages.items() if status == 200} == {"jobs"}
    assert set(pages.values()) == {200, 302}
    cookie = f"sessionid={reader.cookie('sessionid')}"
    with pytest.raises(InvalidStatus, match="403"):
        await connect(fortress.url("/ws/live"), additional_headers={"Cookie": cookie})


async def reader_of_all(fortress: Fortress, token: str) -> list[str]:
    """Return every address of the API that is read."""
    reply = await Person(address=fortress.instance.address).get(
        "/api/schema?format=json", Authorization=f"Bearer {token}"
    )
    paths = json.loads(reply.text)["paths"]
    return [path for path, item in paths.items() if "get" in item and path.startswith("/api/")]


@pytest.mark.req("RE10")
@pytest.mark.django_db
def test_a_claim_makes_somebody_the_reader_of_one_tenant() -> None:
    trust = LoginProvider(
        issuer="https://login.example.org",
        client_id="lingua",
        client_secret="",
        claim="groups",
        session_s=60,
        roles={"acme-people": "tenant:acme", "globex-people": "tenant:globex"},
    )
    claims = {"iss": trust.issuer, "aud": trust.client_id, "sub": "ann"}

    of_acme = admit({**claims, "groups": ["acme-people"]}, trust)
    assert find_tenant(of_acme) == "acme"
    of_both = admit({**claims, "groups": ["acme-people", "globex-people"]}, trust)
    assert find_tenant(of_both) == ""
