"""A ticket to listen in a room: for a whole audience, and for nothing else (RM6)."""

import msgspec
import pytest

from scheduling.model.credentials import Kind, Scope, draw_token, name_listener
from scheduling.model.errors import AccessDenied, TooManyRequests
from sockets.client_address import ClientAddresses
from sockets.socket_auth import GuardedSocketAuth
from sockets.tickets import sign_ticket
from tests.sockets.credentials import Guard, connect, draw_ticket, name_principal

pytestmark = pytest.mark.req("RM6")


def doors(guard: Guard, scope: Scope) -> GuardedSocketAuth:
    return GuardedSocketAuth(
        access=guard.access, scope=scope, clients=ClientAddresses(), takes_tickets=True
    )


def draw_link(token, *, life_ms: int = 60_000) -> str:
    listener = name_listener(name_principal(token), room_code="482913", room_id="room-1")
    text, _ = sign_ticket(listener, life_ms=life_ms)
    return text


async def test_many_listen_by_one_ticket(guard: Guard) -> None:
    auth = doors(guard, Scope.LISTEN)
    link = f"ticket={draw_link(await guard.publish())}"

    first = await auth.admit(connect(query=link))
    others = [await auth.admit(connect(query=link)) for _ in range(9)]

    assert {peer.principal.room_code for peer in [first, *others]} == {"482913"}
    assert {peer.principal.scopes for peer in [first, *others]} == {(Scope.LISTEN,)}


@pytest.mark.parametrize("scope", [Scope.SESSION, Scope.NODE, Scope.READ])
async def test_a_ticket_to_listen_opens_nothing_else(guard: Guard, scope: Scope) -> None:
    auth = doors(guard, scope)
    link = draw_link(await guard.publish())

    with pytest.raises(AccessDenied) as refused:
        await auth.admit(connect(query=f"ticket={link}"))

    assert refused.value.code == "FORBIDDEN"


async def test_a_ticket_to_listen_ends_with_the_token_behind_it(guard: Guard) -> None:
    auth = doors(guard, Scope.LISTEN)
    token = draw_token(Kind.API)
    await guard.publish(token, revoked=True)

    with pytest.raises(AccessDenied):
        await auth.admit(connect(query=f"ticket={draw_link(token)}"))


async def test_a_ticket_to_listen_has_an_end(guard: Guard) -> None:
    auth = doors(guard, Scope.LISTEN)
    link = draw_link(await guard.publish(), life_ms=-1)

    with pytest.raises(AccessDenied):
        await auth.admit(connect(query=f"ticket={link}"))


async def test_an_audience_is_larger_than_what_one_principal_may_open(guard: Guard) -> None:
    """A principal may have two sockets there, and four connections at once."""
    speakers, listeners = doors(guard, Scope.SESSION), doors(guard, Scope.LISTEN)
    token = await guard.publish()
    link = f"ticket={draw_link(token)}"

    for _ in range(12):
        await listeners.admit(connect(query=link))
    for _ in range(2):
        await speakers.admit(connect(bearer=token.text))

    with pytest.raises(TooManyRequests):
        await speakers.admit(connect(bearer=token.text))


async def test_the_audience_of_a_room_has_a_bound(guard: Guard) -> None:
    auth = doors(guard, Scope.LISTEN)
    link = f"ticket={draw_link(await guard.publish())}"
    guard.access._limits = msgspec.structs.replace(guard.access._limits, most_listeners=3)

    for _ in range(3):
        await auth.admit(connect(query=link))

    with pytest.raises(TooManyRequests):
        await auth.admit(connect(query=link))


@pytest.mark.parametrize("shows", ["token", "ticket"])
async def test_who_may_speak_may_listen(guard: Guard, shows: str) -> None:
    auth = doors(guard, Scope.LISTEN)
    token = await guard.publish()

    shown = (
        connect(bearer=token.text)
        if shows == "token"
        else connect(query=f"ticket={draw_ticket(token)}")
    )
    peer = await auth.admit(shown)

    assert peer.principal is not None
    assert not peer.principal.room_code


async def test_who_may_only_see_statistics_may_not_listen(guard: Guard) -> None:
    auth = doors(guard, Scope.LISTEN)
    token = await guard.publish(scope=Scope.READ)

    with pytest.raises(AccessDenied):
        await auth.admit(connect(bearer=token.text))
