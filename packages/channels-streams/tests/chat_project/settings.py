"""The least that Django and Channels need; Redis and the prefix come from the environment."""

import os

SECRET_KEY = "the chat of a test"  # noqa: S105 - nothing is signed with it but tests' cookies
DEBUG = True
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["daphne", "channels", "channels_streams"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "chat_project.urls"
ASGI_APPLICATION = "chat_project.asgi.application"
WSGI_APPLICATION = None
USE_TZ = True
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_streams.layer.StreamsChannelLayer",
        "CONFIG": {
            "hosts": [os.environ["CHAT_REDIS_URL"]],
            "prefix": os.environ["CHAT_PREFIX"],
        },
    }
}
