"""The admin's style sheets and scripts, from where their packages hold them.

So a laptop needs no `collectstatic`; in production the proxy serves the collected files.
"""

import asyncio
import mimetypes
from pathlib import Path

from django.contrib.staticfiles import finders
from django.core.exceptions import SuspiciousFileOperation
from django.http import Http404, HttpRequest, HttpResponse

_CACHE_CONTROL = "max-age=3600"


async def serve_static(_request: HttpRequest, path: str) -> HttpResponse:
    """Answer with one small file, whole: a stream would be read by a thread piece by piece.

    :raises Http404: no application brings such a file
    """
    content = await asyncio.to_thread(_read, path)
    kind, _ = mimetypes.guess_type(path)
    return HttpResponse(
        content,
        content_type=kind or "application/octet-stream",
        headers={"Cache-Control": _CACHE_CONTROL},
    )


def _read(path: str) -> bytes:
    try:
        found = finders.find(path)
    except (SuspiciousFileOperation, ValueError):  # out of the directory; a zero byte in the name
        found = None
    if not found or not Path(found).is_file():
        raise Http404(f"no static file {path}")
    return Path(found).read_bytes()
