"""Who may use the API: tokens, roles, tickets, limits."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.test import AsyncClient, Client
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from operators.api.authentication import LoginAuthentication, TokenAuthentication
from operators.api.roles import IsAdmin, IsOperator, IsViewer
from operators.console import instance
from operators.db import tokens
from operators.db.publisher import CredentialPublisher
from operators.db.publishing import build_publication, publish_now
from operators.models import ApiToken, AuditEntry
from scheduling.access.access import Access, AccessLimits
from scheduling.model.credentials import Scope
from scheduling.model.metrics import Metrics
from scheduling.store.allowances import AllowanceStore
from scheduling.store.credentials import CredentialStore
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from sockets.tickets import read_ticket
from tests.redis_under_test import OwnRedis, open_redis

pytestmark = pytest.mark.django_db
_URL = "/api/v1/tickets"


@pytest.fixture(autouse=True)
def guarded(redis_server: OwnRedis, reinstall: Callable[..., None], prefix: str) -> Iterator[None]:
    reinstall(needs_login=True, redis=redis_server.url, keys=Keys(prefix))
    TokenAuthentication._trusted.clear()
    yield
    instance.link._running = None


def issue(*scopes: Scope, tenant_id: str = "") -> tuple[ApiToken, dict[str, str]]:
    token = ApiToken(name="Desk", scopes=[scope.value for scope in scopes], tenant_id=tenant_id)
    text = tokens.issue(token, actor="somebody")
    return token, {"Authorization": f"Bearer {text}"}


def ask(permission: Any, *, headers: dict[str, str] | None = None, user: Any = None) -> int:
    """Return the status a view behind `permission` answers with."""

    class View(APIView):
        authentication_classes = (TokenAuthentication, LoginAuthentication)
        permission_classes = (permission,)

        def get(self, request: Any) -> Any:
            from rest_framework.response import Response  # noqa: PLC0415 - used here alone

            return Response()

    request = APIRequestFactory().get("/", headers=headers or {})
    if user is not None:
        request.user = user
    return View.as_view()(request).status_code


@pytest.mark.parametrize(
    ("scopes", "statuses"),
    [
        ((Scope.SESSION,), (403, 403, 403)),
        ((Scope.READ,), (200, 403, 403)),
        ((Scope.OPERATE,), (200, 200, 403)),
        ((Scope.ADMIN,), (200, 200, 200)),
    ],
)
def test_a_token_may_what_its_scopes_say(scopes, statuses) -> None:
    _, headers = issue(*scopes)

    asked = [ask(permission, headers=headers) for permission in (IsViewer, IsOperator, IsAdmin)]
    assert tuple(asked) == statuses


@pytest.mark.parametrize(
    ("role", "statuses"),
    [("viewer", (200, 403, 403)), ("operator", (200, 200, 403)), ("admin", (200, 200, 200))],
)
def test_somebody_logged_in_may_what_the_role_says(role, statuses) -> None:
    user = User.objects.create_user(username=role)
    user.groups.add(Group.objects.get(name=role))

    asked = [ask(permission, user=user) for permission in (IsViewer, IsOperator, IsAdmin)]

    assert tuple(asked) == statuses


def test_nobody_in_particular_sees_nothing_unless_authentication_is_off(
    reinstall: Callable[..., None],
) -> None:
    assert ask(IsViewer) == 401
    reinstall(needs_login=False)
    assert ask(IsViewer) == 200
    assert ask(IsOperator) == 401


@pytest.mark.parametrize("text", ["", "nothing", "lat_0123456789ab_" + "A" * 43])
def test_a_wrong_token_is_401(text: str) -> None:
    asked = Client().post(_URL, headers={"Authorization": f"Bearer {text}"})

    assert asked.status_code == 401
    assert asked["WWW-Authenticate"] == 'Bearer realm="lingua"'


def test_a_revoked_token_is_401_a_second_later() -> None:
    token, headers = issue(Scope.SESSION)
    assert Client().post(_URL, headers=headers).status_code == 201

    tokens.revoke(token, actor="somebody")
    TokenAuthentication._trusted.clear()

    assert Client().post(_URL, headers=headers).status_code == 401


def test_a_ticket_speaks_for_the_token_that_asked() -> None:
    token, headers = issue(Scope.SESSION, tenant_id="acme")

    answer = Client().post(_URL, headers=headers)

    ticket = read_ticket(answer.json()["ticket"])
    assert ticket is not None
    assert ticket.principal == token.to_principal()
    assert answer["Cache-Control"] == "no-store"
    assert answer.json()["subprotocols"][0] == "lingua.v1"


def test_a_ticket_of_somebody_logged_in_needs_the_csrf_token() -> None:
    user = User.objects.create_user(username="somebody")
    client, strict = Client(), Client(enforce_csrf_checks=True)
    for one in (client, strict):
        one.force_login(user)

    answer = client.post(_URL)

    ticket = read_ticket(answer.json()["ticket"])
    assert ticket is not None
    assert ticket.principal.credential == f"user-{user.pk}"
    assert strict.post(_URL).status_code == 403


@pytest.mark.req("RM6")
def test_a_ticket_for_a_room_lets_listen_there_alone() -> None:
    token, headers = issue(Scope.SESSION, tenant_id="acme")
    wish = {"room_code": "482913", "room_id": "7f1d"}

    answer = Client().post(_URL, wish, headers=headers, content_type="application/json")

    ticket = read_ticket(answer.json()["ticket"])
    assert ticket is not None
    assert ticket.principal.scopes == (Scope.LISTEN,)
    assert (ticket.principal.room_code, ticket.principal.room_id) == ("482913", "7f1d")
    assert (ticket.principal.credential, ticket.principal.tenant_id) == (token.prefix, "acme")


@pytest.mark.req("RM6")
@pytest.mark.parametrize("room_code", ["", "12345", "1234567", "12a456", "\uff11" * 6, 7])
def test_a_ticket_is_for_a_room_that_can_be(room_code: object) -> None:
    _, headers = issue(Scope.SESSION)

    answer = Client().post(
        _URL, {"room_code": room_code}, headers=headers, content_type="application/json"
    )

    assert answer.status_code == 400
    assert "room_code" in answer.json()


def test_who_may_not_speak_gets_no_ticket(reinstall: Callable[..., None]) -> None:
    _, headers = issue(Scope.READ)

    assert Client().post(_URL, headers=headers).status_code == 403
    assert Client().post(_URL).status_code == 401
    reinstall(needs_login=False)
    assert Client().post(_URL).json()["ticket"] is None


def test_a_change_through_the_api_is_noted_whatever_came_of_it() -> None:
    _, headers = issue(Scope.SESSION)
    Client().post("/api/v1/nodes/none/drain", headers=headers)
    Client().get("/api/v1/nodes/none/drain", headers=headers)

    noted = AuditEntry.objects.filter(action__startswith="api.")
    assert [(entry.action, entry.target, entry.detail) for entry in noted] == [
        ("api.post", "/api/v1/nodes/none/drain", {"status": 403})
    ]


@pytest.fixture
async def access(redis_server: OwnRedis, prefix: str) -> AsyncIterator[Access]:
    connection = Connection(open_redis(redis_server.url), metrics=Metrics())
    keys = Keys(prefix)
    limits = AccessLimits(
        most_connections=1,
        connects_per_s=1,
        connect_burst=1,
        requests_per_s=0.01,
        request_burst=2,
        work_per_s=1,
        work_burst=1,
    )
    made = Access(
        credentials=CredentialStore(connection, keys=keys, life_ms=60_000),
        allowances=AllowanceStore(connection, keys=keys),
        limits=limits,
    )
    instance.link.connect(made)
    yield made
    await connection.close()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.usefixtures("access")
async def test_who_asks_too_often_is_told_when_to_come_back() -> None:
    _, headers = await sync_to_async(issue)(Scope.SESSION)
    client = AsyncClient()

    statuses = [(await client.post(_URL, headers=headers)).status_code for _ in range(2)]
    refused = await client.post(_URL, headers=headers)

    assert statuses == [201, 201]
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 50


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
async def test_everything_is_published_once_and_again_when_redis_lost_it(
    access: Access, redis_server: OwnRedis, redis_client: Any, prefix: str
) -> None:
    token, headers = await sync_to_async(issue)(Scope.SESSION)
    await access.show_token(headers["Authorization"].split()[1], scope=Scope.SESSION)
    connection = Connection(open_redis(redis_server.url), metrics=Metrics())
    keys = Keys(prefix)
    store = CredentialStore(connection, keys=keys, life_ms=60_000)
    publisher = CredentialPublisher(
        access=access,
        credentials=store,
        publication=build_publication(connection, keys=keys, life_ms=60_000),
    )

    passes = [await publisher.run_once(), await publisher.run_once()]
    await redis_client.flushall()
    passes.append(await publisher.run_once())
    known = await store.find(token.prefix)
    await connection.close()
    await sync_to_async(token.refresh_from_db)()

    assert passes == [1, 0, 1]
    assert known == token.to_credential()
    assert token.last_used_at is not None


def test_a_publication_that_finds_no_redis_says_so(reinstall: Callable[..., None]) -> None:
    token, _ = issue(Scope.SESSION)
    reinstall(redis="redis://127.0.0.1:1/0")

    assert not publish_now([token.to_credential()])


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
async def test_publishing_works_beside_a_running_loop(redis_client: Any, prefix: str) -> None:
    token, _ = await sync_to_async(issue)(Scope.SESSION)

    assert publish_now([token.to_credential()])
    assert asyncio.get_running_loop().is_running()
    assert await redis_client.exists(Keys(prefix).access.credential(token.prefix))
