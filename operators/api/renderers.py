"""Answer with JSON that is encoded already, or encode it now."""

from collections.abc import Mapping
from typing import Any

import msgspec
from rest_framework.renderers import JSONRenderer


class EncodedRenderer(JSONRenderer):
    """Passes bytes on as they are: the statistics are encoded once, not once a request."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if isinstance(data, bytes):
            return data
        return msgspec.json.encode(data, enc_hook=str)
