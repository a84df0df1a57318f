"""Tokens issued, rotated and revoked: in the database, the audit log, and before sockets."""

import datetime as dt
import secrets
from typing import TypeVar

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from operators.db import audit, datetimes
from operators.db.publishing import publish_now
from operators.db.token_models import ApiToken, NodeToken, Token
from scheduling.model import clock
from scheduling.model.credentials import (
    PERSON,
    Credential,
    Principal,
    Scope,
    digest_secret,
    draw_token,
)

AnyToken = TypeVar("AnyToken", bound=Token)
MODELS: tuple[type[NodeToken] | type[ApiToken], ...] = (NodeToken, ApiToken)


def issue(token: AnyToken, *, actor: str) -> str:
    """Save a new token and return its text, which is kept nowhere."""
    token.principal_id = token.principal_id or f"{token.kind.value}-{secrets.token_hex(8)}"
    drawn = draw_token(token.kind)
    token.prefix, token.digest = drawn.prefix, digest_secret(drawn.secret)
    token.created_by = actor
    _save(token, actor=actor, action="token.issue")
    return drawn.text


def rotate(token: AnyToken, *, overlap: dt.timedelta, actor: str) -> tuple[AnyToken, str]:
    """Issue a successor with the same rights and identity; the old one ends after `overlap`.

    :raises ValueError: the token is revoked or expired, so there is nothing to carry on
    """
    if token.state != "valid":
        raise ValueError(f"{token.prefix} is {token.state}: issue a new token instead")
    left = None
    if token.expires_at is not None:
        left = datetimes.add(datetimes.now(), token.expires_at - token.created_at)
    successor = type(token)(
        name=token.name,
        principal_id=token.principal_id,
        expires_at=left,
        **{field: getattr(token, field) for field in _OWN_FIELDS[type(token)]},
    )
    end = datetimes.add(datetimes.now(), overlap)
    with transaction.atomic():
        text = issue(successor, actor=actor)
        token.expires_at = end if token.expires_at is None else min(end, token.expires_at)
        _save(token, actor=actor, action="token.rotate", successor=successor.prefix)
    return successor, text


def revoke(token: Token, *, actor: str) -> None:
    """End a token now; its open sockets are closed within two seconds."""
    if token.revoked_at is None:
        token.revoked_at = datetimes.now()
        _save(token, actor=actor, action="token.revoke")


def find(prefix: str) -> Token | None:
    """Return the token with a prefix, None where there is none."""
    for model in MODELS:
        token = model.objects.filter(prefix=prefix).first()
        if token is not None:
            return token
    return None


def list_credentials() -> list[Credential]:
    """Return every credential that sockets may meet."""
    # Taken before people are read: whoever is shut out meanwhile was published with a later one.
    version = clock.now_ms()
    tokens = [token for model in MODELS for token in model.objects.all()]
    people = [describe_person(user, version=version) for user in get_user_model().objects.all()]
    return [token.to_credential() for token in tokens] + people


def describe_person(user: AbstractBaseUser, *, version: int) -> Credential:
    """Return the credential of somebody who is logged in: a ticket speaks for it.

    Of people no change is counted: `version` is the moment they were looked at, in ms.
    """
    return Credential(
        principal=Principal(
            principal_id=f"{PERSON}{user.pk}",
            credential=f"{PERSON}{user.pk}",
            scopes=(Scope.SESSION,),
        ),
        digest="",
        version=version,
        revoked=not user.is_active,
    )


_OWN_FIELDS: dict[type[Token], tuple[str, ...]] = {
    NodeToken: ("node_id", "tenant_id"),
    ApiToken: ("scopes", "tenant_id"),
}


def _save(token: Token, *, actor: str, action: str, **detail: str) -> None:
    token.version = max(token.version + 1, clock.now_ms())
    token.full_clean()
    with transaction.atomic():
        token.save()
        audit.record(actor=actor, action=action, target=token.prefix, name=token.name, **detail)
        transaction.on_commit(lambda: _publish(token))


def _publish(token: Token) -> None:
    publish_now([token.to_credential()])
