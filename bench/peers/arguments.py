"""How a peer's processes learn the address of their Redis: a file, for they share no arguments."""

from pathlib import Path

URL_FILE = Path(__file__).parent.parent.parent / "var" / "peers" / "redis-url"


def read_url() -> str:
    """Return the address of the Redis of this run."""
    return URL_FILE.read_text().strip()
