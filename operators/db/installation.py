"""What operators' views and commands go by; handed in once, when Django starts."""

import dataclasses
from collections.abc import Callable, Sequence

from operators.db.login_provider import LoginProvider
from scheduling.model.shares import Shares
from scheduling.store.keys import Keys
from scheduling.store.redis.connection import Connection
from sockets.client_address import ClientAddresses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Values of the whole installation: the same in a server and in a command beside it.

    `scrapers` are networks that may read the metrics without a token; `requests` are the shares
    of all who ask this process for pages or the API.
    """

    needs_login: bool
    scrapers: Sequence[str]
    clients: ClientAddresses
    requests: Shares
    ticket_ms: int
    listen_ticket_ms: int
    credential_ms: int
    history_days: int
    keys: Keys
    open_connection: Callable[[], Connection]
    single_sign_on: LoginProvider | None = None


# Views and signals are made by Django, and take no collaborator.
_installed: list[Installation] = []


def install(installation: Installation) -> None:
    """Let views and commands of this process go by these values from now on."""
    _installed[:] = [installation]


def get_installation() -> Installation:
    """Return what was handed in when Django started."""
    return _installed[-1]
