"""The ASGI application for any server; nothing of ours is built before lifespan startup."""

import os
from typing import cast

from django.core.asgi import get_asgi_application
from django.utils.module_loading import import_string

from lingua import settings
from lingua.serving.asgi_router import AsgiRouter
from lingua.serving.asgi_types import AsgiApp
from lingua.serving.lifespan import Application, Lifespan
from lingua.serving.pages import load_late
from lingua.serving.peer_languages import PeerLanguages
from lingua.serving.request_bodies import bound_bodies
from lingua.serving.site_guard import SiteGuard


async def _build_application() -> Application:
    """Import and call the builder only now: its event loop is the one that will use it."""
    application: Application = await import_string(settings.LINGUA_APPLICATION)()
    return application


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lingua.settings")
application = AsgiRouter(
    lifespan=Lifespan(
        build=_build_application,
        startup_timeout_s=settings.LINGUA_STARTUP_TIMEOUT_S,
        stop_timeout_s=settings.LINGUA_CLOSE_TIMEOUT_S,
    ),
    guard=SiteGuard(
        hosts=settings.ALLOWED_HOSTS,
        origins=settings.CSRF_TRUSTED_ORIGINS,
        session_origins=settings.LINGUA_SESSION_ORIGINS,
    ),
    languages=PeerLanguages(
        folder=settings.LOCALE_PATHS[0],
        catalogs=settings.LINGUA_CATALOGS,
        cookie=settings.LANGUAGE_COOKIE_NAME,
    ),
    http=bound_bodies(
        load_late(cast("AsgiApp", get_asgi_application())),
        max_bytes=settings.LINGUA_HTTP_MAX_BODY_BYTES,
    ),
)
