"""Who comes in at a socket, with what shown where, and how others are told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.model.credentials import Kind, Scope, draw_token
from scheduling.model.errors import (
    AccessDenied,
    DependencyDown,
    Refusal,
    TooManyRequests,
)
from sockets.client_address import ClientAddresses
from sockets.socket_auth import (
    SUBPROTOCOL,
    GuardedSocketAuth,
    OpenSocketAuth,
    Peer,
    find_bearer,
    find_header,
    reject,
)
from tests.sockets.credentials import Guard, connect, draw_ticket, name_principal

HOME = "https://app.example"


def speakers(guard: Guard) -> GuardedSocketAuth:
    """The authentication of speakers: tokens and tickets."""
    return GuardedSocketAuth(
        access=guard.access,
        scope=Scope.SESSION,
        clients=ClientAddresses(),
        takes_tickets=True,
    )


def nodes(guard: Guard) -> GuardedSocketAuth:
    """The authentication of nodes: tokens alone."""
    return GuardedSocketAuth(access=guard.access, scope=Scope.NODE, clients=ClientAddresses())


def offer(shown: str) -> tuple[str, str]:
    return (SUBPROTOCOL, f"lingua.bearer.{shown}")


async def refuse(auth: GuardedSocketAuth, scope: dict[str, Any]) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await auth.admit(scope)
    return refused.value


async def tell(refusal: Refusal, scope: dict[str, Any]) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    await reject(scope, send, refusal=refusal)
    return told


@pytest.mark.parametrize("scope", [connect(), connect(bearer="anything"), {}])
async def test_where_authentication_is_off_everybody_comes_in_as_nobody(
    scope: dict[str, Any],
) -> None:
    auth = OpenSocketAuth()

    peer = await auth.admit(scope)
    auth.leave(peer)

    assert (peer.principal, peer.subprotocol) == (None, None)


@pytest.mark.req("I-49")
@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
async def test_who_shows_a_token_in_the_header_is_its_principal(guard: Guard, kind: str) -> None:
    token = await guard.publish(scope=Scope.NODE)
    header = (b"authorization", f"{kind} {token.text} ".encode())

    peer = await nodes(guard).admit(connect(headers=(header,)))

    assert peer.principal == name_principal(token, scope=Scope.NODE)
    assert peer.subprotocol is None


@pytest.mark.req("I-49")
async def test_a_browser_shows_its_ticket_as_the_second_of_a_pair(guard: Guard) -> None:
    token = await guard.publish()

    peer = await speakers(guard).admit(connect(offered=offer(draw_ticket(token))))

    assert (peer.principal, peer.subprotocol) == (name_principal(token), SUBPROTOCOL)


@pytest.mark.req("ED13")
async def test_a_token_is_not_taken_as_a_subprotocol(guard: Guard) -> None:
    token = await guard.publish()

    refusal = await refuse(speakers(guard), connect(offered=offer(token.text)))

    assert refusal.code == "UNAUTHORIZED"


@pytest.mark.req("I-49")
async def test_a_ticket_may_stand_in_the_address(guard: Guard) -> None:
    token = await guard.publish()

    peer = await speakers(guard).admit(connect(query=f"x=1&ticket={draw_ticket(token)}"))

    assert (peer.principal, peer.subprotocol) == (name_principal(token), None)


async def test_the_header_outweighs_what_else_is_shown(guard: Guard) -> None:
    token, other = await guard.publish(), await guard.publish()

    peer = await speakers(guard).admit(
        connect(bearer=token.text, offered=offer(other.text), query=f"ticket={draw_ticket(other)}")
    )

    assert peer.principal == name_principal(token)


async def test_a_wrong_token_in_the_header_is_not_made_good_by_a_ticket(guard: Guard) -> None:
    token = await guard.publish()
    wrong = draw_token(Kind.API)

    refusal = await refuse(
        speakers(guard), connect(bearer=wrong.text, query=f"ticket={draw_ticket(token)}")
    )

    assert refusal.code == "UNAUTHORIZED"


async def test_a_token_in_the_address_is_not_taken(guard: Guard) -> None:
    token = await guard.publish()

    refusal = await refuse(speakers(guard), connect(query=f"ticket={token.text}"))

    assert refusal.code == "UNAUTHORIZED"


async def test_a_credential_offered_without_its_pair_is_not_taken(guard: Guard) -> None:
    token = await guard.publish()

    refusal = await refuse(speakers(guard), connect(offered=(f"lingua.bearer.{token.text}",)))

    assert refusal.code == "UNAUTHORIZED"


@pytest.mark.parametrize("how", ["subprotocol", "address"])
async def test_nodes_may_show_no_tickets(guard: Guard, how: str) -> None:
    token = await guard.publish(scope=Scope.NODE)
    ticket = draw_ticket(token)
    scope = (
        connect(offered=offer(ticket))
        if how == "subprotocol"
        else connect(query=f"ticket={ticket}")
    )

    assert (await refuse(nodes(guard), scope)).code == "UNAUTHORIZED"


@pytest.mark.req("J15")
@pytest.mark.parametrize(
    "scope",
    [
        connect(),
        connect(bearer="lat_short"),
        connect(headers=((b"authorization", b"Basic bG50OnNlY3JldA=="),)),
        connect(offered=(SUBPROTOCOL,)),
        connect(query="ticket="),
        connect(query="ticket=forged.signature"),
    ],
    ids=["nothing", "no token", "another kind", "no second", "empty", "forged"],
)
async def test_who_shows_nothing_of_ours_stays_out(guard: Guard, scope: dict[str, Any]) -> None:
    assert (await refuse(speakers(guard), scope)).code == "UNAUTHORIZED"


@pytest.mark.req("J15")
@pytest.mark.parametrize("how", [{"revoked": True}, {"ended": True}])
@pytest.mark.parametrize("shown", ["token", "ticket"])
async def test_a_credential_that_is_over_admits_nobody(
    guard: Guard, how: dict[str, bool], shown: str
) -> None:
    token = await guard.publish(**how)
    scope = (
        connect(bearer=token.text)
        if shown == "token"
        else connect(query=f"ticket={draw_ticket(token)}")
    )

    assert (await refuse(speakers(guard), scope)).code == "UNAUTHORIZED"


@pytest.mark.req("J15")
async def test_a_credential_for_something_else_is_forbidden(guard: Guard) -> None:
    token = await guard.publish(scope=Scope.READ)

    assert (await refuse(speakers(guard), connect(bearer=token.text))).code == "FORBIDDEN"


@pytest.mark.req("I-49")
async def test_a_ticket_is_good_once(guard: Guard) -> None:
    ticket = draw_ticket(await guard.publish())
    auth = speakers(guard)
    await auth.admit(connect(query=f"ticket={ticket}"))

    assert (await refuse(auth, connect(query=f"ticket={ticket}"))).code == "UNAUTHORIZED"


@pytest.mark.parametrize("life_ms", [0, -60_000])
async def test_a_ticket_past_its_end_is_useless(guard: Guard, life_ms: int) -> None:
    ticket = draw_ticket(await guard.publish(), life_ms=life_ms)

    assert (await refuse(speakers(guard), connect(query=f"ticket={ticket}"))).code == "UNAUTHORIZED"


async def test_a_ticket_of_a_token_that_nobody_published_is_useless(guard: Guard) -> None:
    ticket = draw_ticket(draw_token(Kind.API))

    assert (await refuse(speakers(guard), connect(query=f"ticket={ticket}"))).code == "UNAUTHORIZED"


async def test_a_principal_opens_as_many_sockets_as_it_may(guard: Guard) -> None:
    scope = connect(bearer=(await guard.publish()).text)
    auth = speakers(guard)
    await auth.admit(scope)
    await auth.admit(scope)

    refusal = await refuse(auth, scope)

    assert refusal.code == "RATE_LIMITED"
    assert refusal.details["retry_after_ms"] > 0


async def test_a_socket_that_is_gone_makes_room(guard: Guard) -> None:
    scope = connect(bearer=(await guard.publish()).text)
    auth = speakers(guard)
    first = await auth.admit(scope)
    await auth.admit(scope)

    auth.leave(first)

    assert (await auth.admit(scope)).principal is not None


def test_nothing_is_left_of_a_peer_who_was_nobody(guard: Guard) -> None:
    speakers(guard).leave(Peer())

    assert list(guard.access.admissions) == []


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], ""),
        ([(b"x", b"1")], "1"),
        ([(b"y", b"1")], ""),
        ([(b"x", b"1"), (b"x", b"2")], ""),
        ([(b"x", b"\xe9")], "é"),
    ],
)
def test_a_header_that_is_sent_twice_is_none(
    headers: list[tuple[bytes, bytes]], found: str
) -> None:
    assert find_header({"headers": headers}, b"x") == found


@given(shown=st.binary())
def test_no_bytes_in_a_header_are_a_fault(shown: bytes) -> None:
    assert isinstance(find_bearer({"headers": [(b"authorization", shown)]}), str)


@pytest.mark.req("J15")
@pytest.mark.parametrize(
    "refusal", [AccessDenied(), TooManyRequests(), AccessDenied(forbidden=True)]
)
async def test_a_program_is_rejected_before_the_socket_opens(refusal: Refusal) -> None:
    assert await tell(refusal, connect()) == [{"type": "websocket.close"}]


@pytest.mark.req("J15")
@pytest.mark.parametrize(
    ("refusal", "code", "reason"),
    [
        (AccessDenied(), 4401, "UNAUTHORIZED"),
        (AccessDenied(forbidden=True), 4403, "FORBIDDEN"),
        (TooManyRequests(), 4429, "RATE_LIMITED"),
        (DependencyDown(), 1013, "SCHEDULER_DEPENDENCY_DOWN"),
    ],
)
async def test_a_browser_is_told_by_a_close_code(refusal: Refusal, code: int, reason: str) -> None:
    assert await tell(refusal, connect(origin=HOME)) == [
        {"type": "websocket.accept", "subprotocol": None},
        {"type": "websocket.close", "code": code, "reason": reason},
    ]


@pytest.mark.req("G1")
async def test_an_outage_is_told_as_such_to_programs_too() -> None:
    _, closed = await tell(DependencyDown(), connect())

    assert closed["code"] == 1013


@pytest.mark.parametrize(
    ("offered", "named"), [(offer("x"), SUBPROTOCOL), (("other",), None), ((), None)]
)
async def test_a_browser_that_offered_the_pair_hears_its_name_in_the_refusal(
    offered: tuple[str, ...], named: str | None
) -> None:
    accepted, _ = await tell(AccessDenied(), connect(origin=HOME, offered=offered))

    assert accepted["subprotocol"] == named
