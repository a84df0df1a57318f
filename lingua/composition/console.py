"""What operators see of one instance, with the settings that shape it."""

import os
import socket

from lingua import settings
from lingua.settings.version import VERSION
from operators.console.catalog import Catalog
from operators.console.cluster import InstanceView
from operators.console.console import Console, Parts
from scheduling.model import clock


def build_console(instance_id: str, parts: Parts) -> Console:
    """Build the console of the instance that is being composed, on its event loop."""
    return Console(
        parts=parts,
        catalog=Catalog(
            base_url=settings.LINGUA_MODEL_HUB_URL,
            storage_path=settings.LINGUA_MODEL_HUB_STORAGE_PATH,
            refresh_s=settings.LINGUA_CATALOG_REFRESH_S,
        ),
        instance=InstanceView(
            instance_id=instance_id,
            hostname=socket.gethostname(),
            pid=os.getpid(),
            version=VERSION,
            started_at_ms=clock.now_ms(),
        ),
        key_prefix=settings.LINGUA_KEY_PREFIX,
        stats_interval_s=settings.LINGUA_STATS_INTERVAL_S,
        pause_ms=settings.LINGUA_SEGMENT_PAUSE_MS,
        needs_login=settings.LINGUA_SESSION_AUTH,
    )
