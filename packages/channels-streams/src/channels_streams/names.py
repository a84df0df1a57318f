"""Channel and group names: which are valid, and whose a process-specific one is."""

import re

MAX_NAME_LENGTH = 100
_CHANNEL = re.compile(r"[a-zA-Z\d\-_.]+(\![\d\w\-_.]*)?", re.ASCII)
_GROUP = re.compile(r"[a-zA-Z\d\-_.]+", re.ASCII)
_RULE = (
    f"{{}} name must be a valid unicode string with length < {MAX_NAME_LENGTH} containing only "
    "ASCII alphanumerics, hyphens, underscores, or periods."
)


def check_channel(name: object) -> None:
    """Refuse what is no channel name.

    :raises TypeError: it is none
    """
    if not (isinstance(name, str) and len(name) < MAX_NAME_LENGTH and _CHANNEL.fullmatch(name)):
        raise TypeError(_RULE.format("Channel"))


def check_group(name: object) -> None:
    """Refuse what is no group name.

    :raises TypeError: it is none
    """
    if not (isinstance(name, str) and len(name) < MAX_NAME_LENGTH and _GROUP.fullmatch(name)):
        raise TypeError(_RULE.format("Group"))


def is_process_specific(channel: str) -> bool:
    """Say whether only one process receives on this channel."""
    return "!" in channel


def find_owner(channel: str) -> str:
    """Return the inbox id in a process-specific name: it stands between the last dot and the `!`.

    A normal channel has no owner: the empty string.
    """
    before, mark, _ = channel.partition("!")
    return before.rpartition(".")[2] if mark else ""
