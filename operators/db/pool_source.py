"""What operators own of placement, read from the database for the leader (C14)."""

import functools
import logging
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connection

from operators.db.node_models import Cordon
from operators.db.pool_models import OwnedPool, PoolSwitches, TenantPolicy
from operators.db.probe_models import SpeechProbe, note_found
from operators.db.threads import read_database
from scheduling.model.probes import Probe
from scheduling.placement.pool_config import Owned, PoolRules

logger = logging.getLogger(__name__)


class DatabaseSource:
    """What the admin has; switches left empty are the settings'."""

    def __init__(self, settings: PoolRules, *, probes_nodes: bool = True) -> None:
        self._settings = settings
        self._probes_nodes = probes_nodes
        self._is_down = False
        self._seen: tuple[Any, ...] = ()
        self._probes: tuple[Probe, ...] = ()
        # By language, what came of its probe last and is not kept yet.
        self._found: dict[str, Callable[[], None]] = {}
        self._is_keeping = False

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
        probes = self._read_probes() if self._probes_nodes else ()
        switches = PoolSwitches.objects.first()
        return Owned(
            pools=tuple(pool.to_pool() for pool in OwnedPool.objects.all()),
            tenants=tuple(
                policy.to_rule() for policy in TenantPolicy.objects.select_related("pool")
            ),
            rules=switches.to_rules(self._settings) if switches else self._settings,
            cordons=tuple(cordons),
            probes=probes,
            probed=tuple(probe.language for probe in probes),
        )

    def _read_probes(self) -> tuple[Probe, ...]:
        """Return the probes in use; clips are large, and read again only where one changed."""
        rows = SpeechProbe.objects.filter(enabled=True)
        seen = tuple(rows.values_list("pk", "changed_at"))
        if seen != self._seen:
            read = [(row, row.to_probe()) for row in rows]
            for row, probe in read:
                if probe is None:
                    told = "a probe cannot be used: its clip, words or language are none"
                    logger.warning(told, extra={"probe": str(row)})
            self._probes = tuple(probe for _, probe in read if probe is not None)
            self._seen = seen
        return self._probes

    async def note_probe(self, language: str, *, passed: bool, failed: int) -> None:
        """Keep what came of a probe, for its page; not kept, the page says nothing.

        One after the other, and of many the last: a fleet that joins at once is a write or two.
        """
        self._found[language] = functools.partial(
            note_found, language, passed=passed, failed=failed
        )
        if self._is_keeping:
            return
        self._is_keeping = True
        try:
            while self._found:
                await read_database(self._found.popitem()[1])
        except DatabaseError as error:
            logger.warning("what came of a probe was not kept: %s", error)
        finally:
            self._is_keeping = False
