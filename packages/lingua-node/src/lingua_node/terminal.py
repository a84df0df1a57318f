"""What a node says on the terminal: its log, unless the program has a say in that itself."""

import logging

_LIBRARY = "lingua_node"


def show_log() -> None:
    """Let the library's log reach the terminal where nobody has arranged for logs."""
    log = logging.getLogger(_LIBRARY)
    if log.hasHandlers():
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    if log.level == logging.NOTSET:
        log.setLevel(logging.INFO)
