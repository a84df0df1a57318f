"""Where a scheduler takes requests of nodes: its own address, or that of its node socket."""

from urllib.parse import urlsplit

from lingua_node.mistakes import NODE_PATH, NodeMistake, show

_HTTP = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_EXAMPLE = "http://127.0.0.1:5010"


def find_base(url: object) -> str:
    """Return what the paths of requests are added to.

    The address of the node socket leads there too: it is the same server.

    :raises NodeMistake: it is no address of a scheduler
    """
    if not isinstance(url, str):
        raise NodeMistake(f"url is text such as {_EXAMPLE}, not {show(url)}")
    url = url.strip()
    if not url.isprintable() or " " in url:
        raise NodeMistake(f"not a URL, there are blanks in it: {show(url)}")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        raise NodeMistake(f"not a URL: {url}: {error}") from None
    scheme = _HTTP.get(parts.scheme)
    if scheme is None or not parts.hostname:
        raise NodeMistake(f"over HTTP a scheduler is named as {_EXAMPLE}, not {url}")
    if parts.query or parts.fragment:
        raise NodeMistake(f"what follows ? or # is not asked for: {url}")
    path = parts.path.rstrip("/").removesuffix(NODE_PATH)
    if path.endswith(("/v1/node", "/v1")) or "/v1/node/" in path:
        raise NodeMistake(f"{parts.path} is added by itself: is {scheme}://{parts.netloc} meant?")
    host = parts.netloc.rpartition("@")[2]
    return f"{scheme}://{host}{path}"
