"""Operators' pages, loaded when somebody first asks for one: an instance may never show any."""

import asyncio

from django.urls import get_resolver

from lingua.serving.asgi_types import AsgiApp, Receive, Scope, Send


def load_late(application: AsgiApp) -> AsgiApp:
    """Return Django's `application` behind a first request that loads all paths in a thread.

    They import REST framework, the API's description and the admin's forms, which takes half a
    second and 24 MB: on the event loop, sockets would wait for that long.
    """
    are_loaded = False

    async def loaded(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal are_loaded
        if not are_loaded:
            # Of several that ask at once each comes here; Python imports a module once.
            await asyncio.to_thread(_load)
            are_loaded = True
        await application(scope, receive, send)

    return loaded


def _load() -> None:
    _ = get_resolver().url_patterns
