"""The Django app: what CHANNEL_LAYERS tells this layer is refused when a program starts."""

import inspect
from typing import Any

from channels.exceptions import InvalidChannelLayerError
from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.management import ManagementUtility

from channels_streams.aliases import find_faults


class ChannelsStreamsConfig(AppConfig):
    """Commands hear of faults by their system check; servers, which check nothing, do not start."""

    name = "channels_streams"
    verbose_name = "Channel layer on Redis Streams"

    def ready(self) -> None:
        """Look at every alias.

        :raises InvalidChannelLayerError: this is a server, and an alias is told what cannot be
        """
        checks.register(check_layers)
        faults = [] if _is_command() else _list_faults()
        if faults:
            raise InvalidChannelLayerError("; ".join(faults) + ".")


def check_layers(**_: Any) -> list[checks.CheckMessage]:
    """Return each fault as `manage.py check` shows it."""
    return [checks.Error(fault, id="channels_streams.E001") for fault in _list_faults()]


def _list_faults() -> list[str]:
    return list(find_faults(getattr(settings, "CHANNEL_LAYERS", {})))


def _is_command() -> bool:
    """Say whether Django is set up for a command, which runs the system check itself.

    Nothing but who called says so: a server, a worker of tasks or a test may have any name.
    """
    frame, command = inspect.currentframe(), ManagementUtility.execute.__code__
    while frame is not None and frame.f_code is not command:
        frame = frame.f_back
    return frame is not None
