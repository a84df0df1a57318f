"""Work that nobody waits for: kept until it ends, and heard of when it fails."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from scheduling.model.errors import Refusal

logger = logging.getLogger(__name__)


class Background:
    """Runs coroutines beside the caller; timers in Redis repair what one leaves undone."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    def run(self, work: Coroutine[Any, Any, object], *, name: str) -> None:
        """Start `work`; nobody asks what it returns, and its failure is logged under `name`."""
        task: asyncio.Task[object] = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, Refusal):
            logger.warning("%s: %s", task.get_name(), error)
        else:
            logger.error("%s failed", task.get_name(), exc_info=error)
