"""What operators see of one instance, with the configuration that shapes it."""

import os
import socket

from lingua.composition.configuration import Configuration
from lingua.settings.version import VERSION
from operators.console.catalog import Catalog
from operators.console.cluster import InstanceView
from operators.console.console import Console, Parts
from scheduling.model import clock


def build_console(instance_id: str, parts: Parts, configuration: Configuration) -> Console:
    """Build the console of the instance that is being composed, on its event loop."""
    return Console(
        parts=parts,
        catalog=Catalog(
            base_url=configuration.console.model_hub_url,
            storage_path=configuration.console.model_hub_path,
            refresh_s=configuration.console.catalog_refresh_s,
        ),
        instance=InstanceView(
            instance_id=instance_id,
            hostname=socket.gethostname(),
            pid=os.getpid(),
            version=VERSION,
            started_at_ms=clock.now_ms(),
        ),
        key_prefix=configuration.redis.key_prefix,
        stats_interval_s=configuration.network.stats_interval_s,
        pause_ms=configuration.sessions.limits.segmentation.pause_ms,
        needs_login=configuration.access.guards_sessions,
    )
