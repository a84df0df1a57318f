"""Whom operators' logins are believed from; imported before Django's apps are there."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LoginProvider:
    """A provider of logins, and what its claims are worth here: roles by group."""

    issuer: str
    client_id: str
    client_secret: str = dataclasses.field(repr=False)
    claim: str
    roles: Mapping[str, str]
    session_s: float
