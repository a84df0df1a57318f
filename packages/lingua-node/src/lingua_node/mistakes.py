"""Mistakes of whoever writes a node, found before it connects; each says what to write instead."""

import difflib
import dis
import inspect
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args
from urllib.parse import SplitResult, urlsplit

from lingua_node import messages
from lingua_node.intake import AudioForm

NODE_PATH = "/ws/node"
KINDS = ("asr", "nmt", "tts", "tone", "semantic")
# What a session asks for that says nothing of it.
_ASKED_BY_DEFAULT = ("asr", "nmt", "tts")
_STATUSES = ("running", "stopped", "error")
_OTHER_PATHS = ("", "/ws", "/ws/session", "/ws/nodes", "/node", "/nodes")
_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*")


class NodeMistake(ValueError):
    """The node cannot work as it is written; the message says what to write instead."""


def check_services(services: object) -> list[messages.Service]:
    """Return the services as a list.

    :raises NodeMistake: there is none, or one cannot be meant like this
    """
    if isinstance(services, messages.Service):
        raise NodeMistake("services is a list: services=[Service(…)]")
    if not isinstance(services, Sequence) or not services:
        raise NodeMistake("a node offers something: services=[Service(service_id=…, type='asr')]")
    for service in services:
        _check_service(service)
    names = [service.service_id for service in services]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise NodeMistake(f"each service has an id of its own; twice there: {', '.join(twice)}")
    return list(services)


def check_options(
    *, languages: object, max_concurrent_jobs: object, audio: object, heartbeat_s: object
) -> None:
    """Check what else a node is made with.

    :raises NodeMistake: an option is of the wrong kind, or out of its range
    """
    if not isinstance(languages, messages.Languages):
        raise NodeMistake(f"languages is Languages(asr_languages=[…], …), not {languages!r:.80}")
    for name in languages.__struct_fields__:
        value = getattr(languages, name)
        if isinstance(value, str):
            raise NodeMistake(f"{name} is a list: {name}=[{value!r}]")
    if type(max_concurrent_jobs) is not int or max_concurrent_jobs < 1:
        raise NodeMistake(
            f"max_concurrent_jobs must be a whole number of at least 1, not {max_concurrent_jobs!r}"
        )
    if audio not in get_args(AudioForm):
        raise NodeMistake(f"audio is one of {', '.join(get_args(AudioForm))}, not {audio!r}")
    if not isinstance(heartbeat_s, int | float) or not 0 < heartbeat_s < math.inf:
        raise NodeMistake(f"heartbeat_s must be a number of seconds above 0, not {heartbeat_s!r}")


def check_handler(handler: Callable[..., Any]) -> None:
    """Check that a handler can be called with a job and returns something.

    :raises NodeMistake: it cannot, or does not
    """
    if not callable(handler):
        raise NodeMistake(f"a handler is a function of one job, not {handler!r:.80}")
    name = getattr(handler, "__name__", type(handler).__name__)
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        raise NodeMistake(
            f"{name} yields; a handler returns one Result, and tells what it has so far by "
            "await job.emit_partial(text)"
        )
    try:
        inspect.signature(handler).bind(object())
    except TypeError as error:
        raise NodeMistake(f"{name} must take one argument, the job: {error}") from None
    except ValueError:
        pass  # written in C: it says nothing of its arguments
    if _returns_none(handler):
        raise NodeMistake(f"{name} never returns a Result: end it with return Result(text_asr=…)")


def check_url(url: str) -> None:
    """Check that a URL leads to where nodes connect, as far as it can be told from here.

    :raises NodeMistake: it does not
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        raise NodeMistake(f"not a WebSocket URL: {url}: {error}") from None
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        better = _suggest(parts, scheme="wss" if parts.scheme == "https" else "ws")
        hint = (
            f"; is {better} meant?"
            if parts.hostname
            else f" such as ws://127.0.0.1:5010{NODE_PATH}"
        )
        raise NodeMistake(f"not a WebSocket URL: {url}{hint}")
    if parts.path.rstrip("/") in _OTHER_PATHS:
        raise NodeMistake(
            f"nodes connect at {NODE_PATH}, not at {parts.path or '/'}: "
            f"is {_suggest(parts, scheme=parts.scheme)} meant?"
        )


def check_token(token: str | None) -> str | None:
    """Return a token without the blanks and line ends of the file it came from.

    :raises NodeMistake: no token looks like this
    """
    if token is None or not token.strip():
        return None
    bare = token.strip()
    if not bare.isascii() or not bare.isprintable():
        raise NodeMistake("the token has characters that no token has; was the whole line copied?")
    return bare


def list_doubts(
    services: Sequence[messages.Service], languages: messages.Languages
) -> Iterator[str]:
    """Yield what is allowed, and will surprise whoever waits for a job."""
    kinds = {service.type for service in services}
    if lacking := [kind for kind in _ASKED_BY_DEFAULT if kind not in kinds]:
        yield (
            f"this node lacks {', '.join(lacking)}: a session that asks for nothing special wants "
            f"{', '.join(_ASKED_BY_DEFAULT)}, so its jobs go elsewhere"
        )
    named = {
        "asr": ("asr_languages", bool(languages.asr_languages)),
        "tts": ("tts_languages", bool(languages.tts_languages)),
        "nmt": (
            "supported_language_pairs or nmt_capabilities",
            bool(languages.supported_language_pairs or languages.nmt_capabilities),
        ),
    }
    for kind, (name, has_any) in named.items():
        if kind in kinds and not has_any:
            yield f"{kind} is offered without languages, so no job fits: set {name} of Languages"
    for kind in sorted(kinds.difference(KINDS)):
        yield f"no job asks for a service of type {kind!r}; jobs ask for {', '.join(KINDS)}"
    for tag in sorted({tag for tag in _list_tags(languages) if not _TAG.fullmatch(tag)}):
        yield f"{tag!r} is no language tag such as en or zh-CN"


def _check_service(service: Any) -> None:
    if not isinstance(service, messages.Service):
        raise NodeMistake(f"a service is Service(service_id=…, type=…), not {service!r:.80}")
    # Whoever writes a node need not check its types.
    name: Any = service.service_id
    if not isinstance(name, str) or not name:
        raise NodeMistake(f"service_id must be text, not {name!r:.80}")
    if service.type not in KINDS:
        kind: Any = service.type
        kind = kind if isinstance(kind, str) else ""
        close = difflib.get_close_matches(kind.lower(), KINDS, n=1, cutoff=0.6)
        if close or not kind:
            meant = f": is {close[0]!r} meant?" if close else f"; jobs ask for {', '.join(KINDS)}"
            raise NodeMistake(f"Service {service.service_id}: no type {service.type!r}{meant}")
    if service.status not in _STATUSES:
        raise NodeMistake(
            f"Service {service.service_id}: status is one of {', '.join(_STATUSES)}, "
            f"not {service.status!r:.80}"
        )


def _returns_none(handler: Callable[..., Any]) -> bool:
    """Say whether a Python function ends without a value wherever it ends."""
    code = getattr(inspect.unwrap(handler), "__code__", None)
    if code is None:
        return False
    steps = [step for step in dis.get_instructions(code) if step.opname != "CACHE"]
    values = [
        step.argval if step.opname == "RETURN_CONST" else _value_before(steps, number)
        for number, step in enumerate(steps)
        if step.opname in {"RETURN_VALUE", "RETURN_CONST"}
    ]
    return bool(values) and all(value is None for value in values)


def _value_before(steps: Sequence[dis.Instruction], number: int) -> object:
    before = steps[number - 1] if number else None
    return before.argval if before is not None and before.opname == "LOAD_CONST" else ...


def _list_tags(languages: messages.Languages) -> Iterator[str]:
    for tags in (languages.asr_languages, languages.tts_languages, languages.semantic_languages):
        yield from tags or ()
    for pair in languages.supported_language_pairs or ():
        yield from (pair.src, pair.tgt)
    for capability in languages.nmt_capabilities or ():
        yield from capability.languages


def _suggest(parts: SplitResult, *, scheme: str) -> str:
    host = parts.netloc.rpartition("@")[2]
    return f"{scheme}://{host}{NODE_PATH}"
