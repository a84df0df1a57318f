"""`lingua-node doctor`: what is here, what is missing, and what to do about it."""

import asyncio
import importlib.metadata
import importlib.util
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from lingua_node import mistakes, opus, program, troubles
from lingua_node.http_address import find_base
from lingua_node.http_caller import HttpCaller, HttpRefused
from lingua_node.http_client import HttpClient
from lingua_node.node import Transport

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_ANSWERS_WITHIN_S = 10.0
_MOST_BYTES = 1024 * 1024
# What the reference node needs, and no other: its program, and how it comes.
_PROGRAMS = {
    "apertium": "apt install apertium apertium-eng-spa",
    "espeak-ng": "apt install espeak-ng",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; `is_wrong` where a node cannot work so."""

    what: str
    words: str
    is_wrong: bool = False
    is_here: bool = True

    def __str__(self) -> str:
        mark = "WRONG" if self.is_wrong else ("ok" if self.is_here else "-")
        return f"{mark:5}  {self.what:12} {self.words}"


def examine(
    *, file: str | None, url: str, token: str | None, transport: Transport | None
) -> list[Finding]:
    """Look at everything."""
    findings = [
        Finding(what="Python", words=sys.version.split()[0]),
        Finding(what="lingua-node", words=importlib.metadata.version("lingua-node")),
        *_look_at_parts(),
    ]
    try:
        path = program.find_file(file)
        node, told = program.load_node(path)
    except mistakes.NodeMistake as mistake:
        is_wrong = file is not None or "cannot be run" in str(mistake)
        findings.append(
            Finding(what="your node", words=str(mistake), is_wrong=is_wrong, is_here=False)
        )
    else:
        is_ready = node.calls.is_ready
        words = f"{path}: {node.offer}" if is_ready else f"{path}: no handler, @node.job is missing"
        findings.append(Finding(what="your node", words=words, is_wrong=not is_ready))
        findings += [
            Finding(what="your node", words=doubt, is_here=False)
            for doubt in mistakes.list_doubts(node.offer.services, node.offer.languages)
        ]
        url, token = told.url or url, told.token or token
        transport = transport or node.transport
    knock = _ask if transport == "http" else _knock
    findings.append(asyncio.run(knock(url, token)))
    return findings


def _look_at_parts() -> Iterator[Finding]:
    has_opus = opus.is_available()
    words = "libopus is here" if has_opus else "speakers may send Opus: apt install libopus0"
    yield Finding(what="Opus", words=words, is_here=has_opus)
    for module in ("moonshine_voice", "pocketsphinx"):
        is_here = importlib.util.find_spec(module) is not None
        words = "is here" if is_here else "only the reference node needs it: lingua-node[speech]"
        yield Finding(what=module[:12], words=words, is_here=is_here)
    for name, how in _PROGRAMS.items():
        found = shutil.which(name)
        words = found or f"only the reference node needs it: {how}"
        yield Finding(what=name, words=words, is_here=found is not None)


async def _ask(url: str, token: str | None) -> Finding:
    """See whether a scheduler takes requests of nodes; none is made that it could act on."""
    try:
        url = find_base(url)
        caller = HttpCaller(HttpClient(url, token=token, most_bytes=_MOST_BYTES))
        try:
            await caller.ask("/v1/node/poll", {}, tries=1, timeout_s=_ANSWERS_WITHIN_S)
        finally:
            caller.close()
        words = f"{troubles.describe(url)} takes anything: is that the scheduler's address?"
    except mistakes.NodeMistake as mistake:
        words = str(mistake)
    except (OSError, HttpRefused) as error:
        if isinstance(error, HttpRefused) and error.code == "INVALID_MESSAGE":
            return Finding(what="scheduler", words=f"{troubles.describe(url)} answers, over HTTP")
        words = troubles.explain(error, url=url, has_token=token is not None)
    return Finding(what="scheduler", words=words, is_wrong=True)


async def _knock(url: str, token: str | None) -> Finding:
    """See whether a scheduler answers where nodes connect; nothing is registered."""
    try:
        url = mistakes.check_url(url)
        async with (
            asyncio.timeout(_ANSWERS_WITHIN_S),
            connect(
                url,
                additional_headers={"Authorization": f"Bearer {token}"} if token else None,
                proxy=None if urlsplit(url).hostname in _LOOPBACK else True,
            ),
        ):
            return Finding(what="scheduler", words=f"{troubles.describe(url)} answers")
    except mistakes.NodeMistake as mistake:
        words = str(mistake)
    except (OSError, WebSocketException) as error:
        words = troubles.explain(error, url=url, has_token=token is not None)
    return Finding(what="scheduler", words=words, is_wrong=True)
