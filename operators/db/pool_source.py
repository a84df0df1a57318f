"""What operators own of placement, read from the database for the leader (C14)."""

import logging

from django.db import DatabaseError, connection

from operators.db.node_models import Cordon
from operators.db.pool_models import OwnedPool, PoolSwitches, TenantPolicy
from operators.db.threads import read_database
from scheduling.placement.pool_config import Owned, PoolRules

logger = logging.getLogger(__name__)


class DatabaseSource:
    """What the admin has; switches left empty are the settings'."""

    def __init__(self, settings: PoolRules) -> None:
        self._settings = settings
        self._is_down = False

    async def read(self) -> Owned | None:
        """Return all of it, None while the database cannot say."""
        try:
            owned = await read_database(self._read)
        except DatabaseError as error:
            if not self._is_down:
                logger.warning(
                    "what operators own cannot be read; what is in force stays: %s", error
                )
            self._is_down = True
            return None
        self._is_down = False
        return owned

    def _read(self) -> Owned:
        try:
            return self._read_rows()
        except DatabaseError:
            if OwnedPool._meta.db_table in connection.introspection.table_names():  # noqa: SLF001 - Django's public name for it is this one
                raise
            # Nobody has made the tables yet, so nobody owns anything.
            return Owned(rules=self._settings)

    def _read_rows(self) -> Owned:
        cordons = Cordon.objects.values_list("node_id", flat=True)
        switches = PoolSwitches.objects.first()
        return Owned(
            pools=tuple(pool.to_pool() for pool in OwnedPool.objects.all()),
            tenants=tuple(
                policy.to_rule() for policy in TenantPolicy.objects.select_related("pool")
            ),
            rules=switches.to_rules(self._settings) if switches else self._settings,
            cordons=tuple(cordons),
        )
