"""Who asks, of a request that stands for itself."""

from typing import Any

import msgspec
import pytest

from scheduling.model.credentials import Kind, Scope, draw_token
from scheduling.model.errors import AccessDenied, Refusal, TooManyRequests
from scheduling.model.shares import Shares
from sockets.client_address import ClientAddresses
from sockets.request_auth import GuardedRequestAuth, OpenRequestAuth
from tests.sockets.credentials import Guard, connect, draw_ticket, name_principal


def open_auth(*, burst: int = 100, flawed_burst: int = 100) -> OpenRequestAuth:
    return OpenRequestAuth(
        clients=ClientAddresses(),
        shares=Shares(per_s=0.01, burst=burst),
        flawed=Shares(per_s=0.01, burst=flawed_burst),
    )


def request_auth(guard: Guard, strangers: OpenRequestAuth | None = None) -> GuardedRequestAuth:
    return GuardedRequestAuth(
        access=guard.access,
        scope=Scope.SESSION,
        clients=ClientAddresses(),
        strangers=strangers or open_auth(),
    )


async def refuse(guard: Guard, scope: dict[str, Any]) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await request_auth(guard).identify(scope)
    return refused.value


@pytest.mark.parametrize("scope", [connect(), connect(bearer="anything")])
async def test_where_authentication_is_off_nobody_has_to_say_who_asks(
    scope: dict[str, Any],
) -> None:
    auth = open_auth(burst=1)

    assert await auth.identify(scope) is None


@pytest.mark.req("ED12")
async def test_where_authentication_is_off_an_address_asks_only_so_often() -> None:
    auth = open_auth(burst=2)
    here, there = ({**connect(), "client": (address, 1)} for address in ("10.0.0.1", "10.0.0.2"))

    for _ in range(2):
        assert await auth.identify(here) is None
    with pytest.raises(TooManyRequests) as refused:
        await auth.identify(here)

    assert refused.value.details["retry_after_ms"] > 1_000
    assert await auth.identify(there) is None


@pytest.mark.req("J16", "I-49")
async def test_who_shows_a_token_is_its_principal(guard: Guard) -> None:
    token = await guard.publish()

    assert await request_auth(guard).identify(connect(bearer=token.text)) == name_principal(token)


@pytest.mark.req("J15")
@pytest.mark.parametrize(
    "scope",
    [
        connect(),
        connect(bearer="lat_short"),
        connect(bearer=draw_token(Kind.API).text),
        connect(headers=((b"authorization", b"Basic bG50OnNlY3JldA=="),)),
        connect(headers=((b"cookie", b"sessionid=forged"),)),
    ],
    ids=["nothing", "no token", "unknown", "another kind", "a cookie"],
)
async def test_who_shows_no_token_of_ours_is_not_heard(guard: Guard, scope: dict[str, Any]) -> None:
    assert (await refuse(guard, scope)).code == "UNAUTHORIZED"


@pytest.mark.req("J15")
async def test_two_tokens_are_none(guard: Guard) -> None:
    token = await guard.publish()
    header = (b"authorization", f"Bearer {token.text}".encode())

    assert (await refuse(guard, connect(headers=(header, header)))).code == "UNAUTHORIZED"


async def test_a_ticket_is_for_sockets_alone(guard: Guard) -> None:
    token = await guard.publish()
    ticket = draw_ticket(token)

    for scope in (connect(bearer=ticket), connect(query=f"ticket={ticket}")):
        assert (await refuse(guard, scope)).code == "UNAUTHORIZED"


async def test_a_right_prefix_with_a_wrong_secret_is_not_heard(guard: Guard) -> None:
    token = await guard.publish()
    guessed = f"{token.prefix}_{'A' * 43}"

    assert (await refuse(guard, connect(bearer=guessed))).code == "UNAUTHORIZED"


@pytest.mark.req("J15")
@pytest.mark.parametrize("how", [{"revoked": True}, {"ended": True}])
async def test_a_token_that_is_over_is_not_heard(guard: Guard, how: dict[str, bool]) -> None:
    token = await guard.publish(**how)

    assert (await refuse(guard, connect(bearer=token.text))).code == "UNAUTHORIZED"


@pytest.mark.req("J15")
@pytest.mark.parametrize("scope", [one for one in Scope if one is not Scope.SESSION])
async def test_a_token_for_something_else_is_forbidden(guard: Guard, scope: Scope) -> None:
    token = await guard.publish(scope=scope)

    assert (await refuse(guard, connect(bearer=token.text))).code == "FORBIDDEN"


@pytest.mark.req("J16")
async def test_a_principal_that_asks_too_often_is_told_when_to_come_back(guard: Guard) -> None:
    token = await guard.publish()
    asking = request_auth(guard)
    for _ in range(2):
        await asking.identify(connect(bearer=token.text))

    refusal = await refuse(guard, connect(bearer=token.text))

    assert refusal.code == "RATE_LIMITED"
    assert 0 < refusal.details["retry_after_ms"] <= 1_000_000


@pytest.mark.req("J16")
async def test_two_tokens_of_one_principal_share_its_allowance(guard: Guard) -> None:
    one, other = await guard.publish(), await guard.publish()
    await request_auth(guard).identify(connect(bearer=one.text))
    await request_auth(guard).identify(connect(bearer=other.text))

    assert (await refuse(guard, connect(bearer=one.text))).code == "RATE_LIMITED"


async def test_who_may_not_ask_uses_up_nothing(guard: Guard) -> None:
    token = await guard.publish()
    foreign = await guard.publish(scope=Scope.READ)
    for _ in range(3):
        await refuse(guard, connect(bearer=foreign.text))

    assert await request_auth(guard).identify(connect(bearer=token.text)) == name_principal(token)


@pytest.mark.req("ED12")
async def test_who_shows_no_token_is_told_to_wait_as_a_stranger_is(guard: Guard) -> None:
    auth = request_auth(guard, open_auth(burst=2))

    for _ in range(2):
        with pytest.raises(AccessDenied):
            await auth.identify(connect())
    with pytest.raises(TooManyRequests):
        await auth.identify(connect())


@pytest.mark.req("ED12")
async def test_bodies_that_cannot_be_read_as_they_are_count_by_their_bytes(guard: Guard) -> None:
    # A small one is one frame; one of 160 KiB is ten more, and forty for the work.
    auth = request_auth(guard, open_auth(flawed_burst=60))
    one = name_principal(draw_token(Kind.API))
    other = msgspec.structs.replace(one, principal_id="p-2")

    auth.pay_for_flawed(connect(), one, size=160 * 1024)
    with pytest.raises(TooManyRequests) as refused:
        auth.pay_for_flawed(connect(), one, size=160 * 1024)

    assert refused.value.details["retry_after_ms"] > 1_000
    for _ in range(9):
        auth.pay_for_flawed(connect(), one, size=100)
    auth.pay_for_flawed(connect(), other, size=8 * 1024 * 1024)
    with pytest.raises(TooManyRequests):
        auth.pay_for_flawed(connect(), other, size=0)
