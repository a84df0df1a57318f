"""The core of one instance, for what a session asks of it."""

from tests.scheduling.conftest import core

__all__ = ["core"]
