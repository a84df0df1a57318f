"""The pages of rooms: for who speaks in one, and for who opens a link to listen."""

import io
import re

import segno
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

# As `sockets.tickets` writes them.
_TICKET = re.compile(r"[A-Za-z0-9._-]{0,1500}")


@require_safe
def show_listeners_page(request: HttpRequest, room_code: str) -> HttpResponseBase:
    """Return the page of who listens: whoever has the link may see it, and it shows nothing yet."""
    return render(request, "operators/listen.html", {"room_code": room_code})


@require_safe
def draw_link(request: HttpRequest, room_code: str) -> HttpResponseBase:
    """Return the QR code of a link to listen in a room, as SVG.

    The ticket stands behind the link's `#`: browsers send it nowhere.
    """
    ticket = request.GET.get("ticket", "")
    if _TICKET.fullmatch(ticket) is None:
        return HttpResponse(status=400)
    link = request.build_absolute_uri(f"/room/{room_code}") + (f"#{ticket}" if ticket else "")
    drawn = io.BytesIO()
    segno.make_qr(link, error="m" if not ticket else "l").save(
        drawn, kind="svg", scale=4, border=4, dark="#000", light="#fff", xmldecl=False
    )
    return HttpResponse(
        drawn.getvalue(), content_type="image/svg+xml", headers={"Cache-Control": "no-store"}
    )
