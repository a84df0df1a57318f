"""What the servers serve: the tutorial's chat, and a worker."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chat_project.settings")
http = get_asgi_application()

from channels.routing import (  # noqa: E402 - Django comes first, as in the tutorial
    ChannelNameRouter,
    ProtocolTypeRouter,
    URLRouter,
)
from django.urls import re_path  # noqa: E402 - the same

from chat_project import consumers  # noqa: E402 - the same

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": URLRouter(
            [re_path(r"^ws/chat/(?P<room_name>\w+)/$", consumers.ChatConsumer.as_asgi())]
        ),
        "channel": ChannelNameRouter({"thumbnails": consumers.Thumbnailer.as_asgi()}),
    }
)
