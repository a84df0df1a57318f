"""What Redis says when it refuses or is lost, in its own words."""

import os
import re
import ssl
from collections.abc import Iterator

from redis import exceptions

_UNNAMED = "NOAUTH Authentication required."
_NO_REPLY = "no reply in time"
# redis-py makes a class of the first word of a reply, and drops the word.
_FIRST_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.AuthenticationError, "WRONGPASS"),
    (exceptions.NoPermissionError, "NOPERM"),
    (exceptions.ReadOnlyError, "READONLY"),
    (exceptions.OutOfMemoryError, "OOM"),
    (exceptions.BusyLoadingError, "LOADING"),
    (exceptions.MasterDownError, "MASTERDOWN"),
    (exceptions.ClusterDownError, "CLUSTERDOWN"),
    (exceptions.TryAgainError, "TRYAGAIN"),
)
# A script's own commands are refused within an error of the script: before and after Redis 7.
_IN_A_SCRIPT = re.compile(
    r".*@user_script: ?\d+: -?|\.? ?script: \w+, on @user_script:\d+\.?$", re.DOTALL
)
# Who has not said who it is, is told so by whatever it asks first.
_UNKNOWN_CALLER = ("HELLO must be called", "Authentication required")


def spell_out(error: BaseException) -> str:
    """Return the words of whatever lies at the root of an error, without any address.

    What Redis replied comes before what the operating system says, and that before our own words.
    """
    chain = list(_list_causes(error))
    for read in (_read_reply, _read_certificate, _read_system, _read_timeout):
        for each in chain:
            words = read(each)
            if words:
                return " ".join(words.split())
    return str(chain[-1]) or type(chain[-1]).__name__


def tell_of(error: BaseException) -> str:
    """Return a sentence for operators: that Redis refuses, or does not answer, and its words."""
    refuses = any(_read_reply(each) for each in _list_causes(error))
    return f"Redis {'refuses' if refuses else 'does not answer'}: {spell_out(error)}"


def _list_causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _read_reply(error: BaseException) -> str:
    text = _IN_A_SCRIPT.sub("", str(error))
    if isinstance(error, exceptions.AuthenticationError) and text.startswith(_UNKNOWN_CALLER):
        return _UNNAMED
    for kind, word in _FIRST_WORDS:
        if isinstance(error, kind):
            return text if text.startswith(word) else f"{word} {text}"
    return text if isinstance(error, exceptions.ResponseError) else ""


def _read_certificate(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    return f"TLS: {error.reason}" if isinstance(error, ssl.SSLError) and error.reason else ""


def _read_system(error: BaseException) -> str:
    if not isinstance(error, OSError) or isinstance(error, TimeoutError) or not error.errno:
        return ""
    # The number of a name that is not known is none of the system's.
    return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)


def _read_timeout(error: BaseException) -> str:
    return _NO_REPLY if isinstance(error, (TimeoutError, exceptions.TimeoutError)) else ""
