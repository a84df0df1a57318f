"""Secrets kept out of what is written down: logs, error pages, dumps of settings."""

import re
from typing import Any

from django.views.debug import SafeExceptionReporterFilter

_MASK = "***"
_SECRETS = (
    # Tokens of ours, wherever they stand: what remains is the prefix that people know them by.
    (re.compile(r"\b(l[na]t_[0-9a-f]{12})_[A-Za-z0-9_-]{8,}"), rf"\1_{_MASK}"),
    # An address with a ticket or a token in its query.
    (re.compile(r"([?&](?:ticket|token|access_token)=)[^&\s\"']+", re.IGNORECASE), rf"\1{_MASK}"),
    # A bearer in a header or in a subprotocol.
    (re.compile(r"(\bbearer[ .])(?!l[na]t_)[^\s\"',]+", re.IGNORECASE), rf"\1{_MASK}"),
    # The password of an address: redis://:secret@host, postgresql://name:secret@host. One with a
    # slash or another @ in it is no address, and a secret all the same.
    (
        re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@\"']*:)(?:(?!://)[^\s\"'])+@", re.IGNORECASE),
        rf"\1{_MASK}@",
    ),
)


def mask_secrets(text: str) -> str:
    """Return the text without secrets."""
    for pattern, masked in _SECRETS:
        text = pattern.sub(masked, text)
    return text


class SecretsFilter(SafeExceptionReporterFilter):
    """Django's filter of settings by name, and ours of addresses by what is in them."""

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        """Return what may be shown of a setting."""
        cleansed = super().cleanse_setting(key, value)
        return mask_secrets(cleansed) if isinstance(cleansed, str) else cleansed
