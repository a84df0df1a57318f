"""Tickets: a signed, short-lived, one-use stand-in for a credential that a browser may show."""

import binascii
import secrets

import msgspec
from django.core import signing

from scheduling.model import clock
from scheduling.model.credentials import Principal

# Characters that a query, a header and a subprotocol all take as they are.
_SEPARATOR = "."
_SALT = "lingua.ticket"


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a ticket speaks for, and until when."""

    ticket_id: str
    principal: Principal
    expires_at_ms: int


def sign_ticket(principal: Principal, *, life_ms: int) -> tuple[str, Ticket]:
    """Return a new ticket's text, and what it says."""
    ticket = Ticket(
        ticket_id=secrets.token_hex(16),
        principal=principal,
        expires_at_ms=clock.now_ms() + life_ms,
    )
    return _signer().sign_object(msgspec.to_builtins(ticket)), ticket


def read_ticket(text: str) -> Ticket | None:
    """Return what a ticket of ours says, or None; the caller checks its end."""
    try:
        return msgspec.convert(_signer().unsign_object(text), Ticket)
    except (signing.BadSignature, binascii.Error, ValueError, msgspec.ValidationError):
        return None


def _signer() -> signing.Signer:
    return signing.Signer(sep=_SEPARATOR, salt=_SALT)
