"""Hand the values that operators' views and commands go by to them."""

import functools

from lingua.composition.connections import open_connection
from lingua.composition.settings_reader import read_configuration
from operators.db.installation import Installation, install
from scheduling.model.metrics import Metrics
from scheduling.model.shares import Shares
from scheduling.store.keys import Keys
from sockets.client_address import ClientAddresses


def install_operators() -> None:
    """Let operators' code go by the settings; nothing is connected yet."""
    configuration = read_configuration()
    access = configuration.access
    install(
        Installation(
            needs_login=access.guards_sessions,
            scrapers=access.scrapers,
            clients=ClientAddresses(proxies=access.proxies),
            requests=Shares(per_s=access.limits.requests_per_s, burst=access.limits.request_burst),
            ticket_ms=access.ticket_ms,
            listen_ticket_ms=access.listen_ticket_ms,
            credential_ms=access.credential_ms,
            history_days=configuration.history.days,
            single_sign_on=access.single_sign_on,
            keys=Keys(configuration.redis.key_prefix),
            open_connection=functools.partial(
                open_connection, configuration.redis, metrics=Metrics()
            ),
        )
    )
