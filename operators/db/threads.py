"""The database from the event loop: in a thread, with a connection that is not kept too long."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from django.db import close_old_connections

T = TypeVar("T")


async def read_database(work: Callable[[], T]) -> T:
    """Return what `work` returns from a thread of its own: the event loop serves jobs meanwhile.

    :raises DatabaseError: the database did not answer
    """
    return await asyncio.to_thread(_in_thread, work)


def _in_thread(work: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return work()
    finally:
        close_old_connections()
