"""Sync views that reach into the chat: say, kick, ask the worker, let a forked child say."""

import multiprocessing

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.safestring import mark_safe


def say(_request: HttpRequest, room: str, words: str) -> HttpResponse:
    message = {"type": "chat.message", "message": mark_safe(words)}  # noqa: S308 - a test's words
    async_to_sync(get_channel_layer().group_send)(f"chat_{room}", message)
    return HttpResponse("said")


def kick(_request: HttpRequest, room: str, channel: str) -> HttpResponse:
    async_to_sync(get_channel_layer().group_discard)(f"chat_{room}", channel)
    return HttpResponse("kicked")


def ask(_request: HttpRequest, number: int, channel: str) -> HttpResponse:
    async_to_sync(get_channel_layer().send)(
        "thumbnails", {"type": "generate", "id": number, "answer_to": channel}
    )
    return HttpResponse("asked")


def fork(_request: HttpRequest, channel: str) -> HttpResponse:
    layer = get_channel_layer()

    def work() -> None:
        async_to_sync(layer.send)(channel, {"type": "chat.message", "message": "from a child"})

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
    # Python ends a child that was forked in a pool's thread with 1, whatever it did.
    return HttpResponse("forked")


urlpatterns = [
    path("say/<room>/<words>", say),
    path("kick/<room>/<channel>", kick),
    path("ask/<int:number>/<channel>", ask),
    path("fork/<channel>", fork),
]
