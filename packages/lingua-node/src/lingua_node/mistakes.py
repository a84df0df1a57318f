"""Mistakes of whoever writes a node, found before it connects; each says what to write instead."""

import difflib
import dis
import inspect
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, get_args
from urllib.parse import SplitResult, urlsplit

import msgspec

from lingua_node import messages
from lingua_node.intake import AudioForm

NODE_PATH = "/ws/node"
KINDS = ("asr", "nmt", "tts", "tone", "semantic")
# What a session asks for that says nothing of it.
_ASKED_BY_DEFAULT = ("asr", "nmt", "tts")
_STATUSES = ("running", "stopped", "error")
_OTHER_PATHS = ("", "/ws", "/ws/session", "/ws/nodes", "/node", "/nodes")
_RULES = ("any_to_any", "any_to_en", "en_to_any", "specific_pairs")
_NODE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PARTS = {
    "gpus": "Gpu(name=…, memory_gb=…)",
    "nmt_capabilities": "NmtCapability(model_id=…, languages=[…], rule='any_to_any')",
    "pairs": "LanguagePair(src='en', tgt='es')",
}
_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*")


class NodeMistake(ValueError):
    """The node cannot work as it is written; the message says what to write instead."""


Declared = TypeVar("Declared", bound=messages.Part)


def check_services(services: object) -> list[messages.Service]:
    """Return the services as a list.

    :raises NodeMistake: there is none, or one cannot be meant like this
    """
    if isinstance(services, messages.Service):
        raise NodeMistake("services is a list: services=[Service(…)]")
    if not isinstance(services, Sequence) or not services:
        raise NodeMistake("a node offers something: services=[Service(service_id=…, type='asr')]")
    services = [_check_service(service) for service in services]
    names = [service.service_id for service in services]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise NodeMistake(f"each service has an id of its own; twice there: {', '.join(twice)}")
    return services


def check_languages(languages: object) -> messages.Languages:
    """Return the languages, each part of its own kind.

    :raises NodeMistake: one cannot be meant like this
    """
    if not isinstance(languages, messages.Languages):
        raise NodeMistake(f"languages is Languages(asr_languages=[…], …), not {show(languages)}")
    for name in languages.__struct_fields__:
        value = getattr(languages, name)
        if isinstance(value, str):
            raise NodeMistake(f"{name} is a list: {name}=[{show(value)}]")
    declared = check_declared(languages, messages.Languages, "languages")
    for capability in declared.nmt_capabilities or ():
        if capability.rule not in _RULES:
            raise NodeMistake(
                f"rule of an NmtCapability is one of {', '.join(_RULES)}, not {capability.rule!r}"
            )
    return declared


def check_models(models: object) -> list[messages.Model]:
    """Return the models as a list.

    :raises NodeMistake: there is something else in it
    """
    if not isinstance(models, Sequence) or isinstance(models, str):
        raise NodeMistake(f"models is a list: models=[Model(…)], not {show(models)}")
    for model in models:
        if not isinstance(model, messages.Model):
            raise NodeMistake(
                f"a model is Model(model_id=…, kind='asr', version='1'), not {show(model)}"
            )
    return [check_declared(model, messages.Model, "a model") for model in models]


def check_hardware(hardware: object) -> messages.Hardware | None:
    """Return what a machine is said to be made of.

    :raises NodeMistake: it cannot be meant like this
    """
    if hardware is None:
        return None
    if not isinstance(hardware, messages.Hardware):
        raise NodeMistake(f"hardware is Hardware(cpu_cores=…, memory_gb=…), not {show(hardware)}")
    return check_declared(hardware, messages.Hardware, "hardware")


def check_declared(value: Declared, kind: type[Declared], name: str) -> Declared:
    """Return what is declared as the scheduler will read it.

    :raises NodeMistake: a field is of the wrong kind
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(value), type=kind)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        told = str(error).replace("`", "").replace("$.", "")
        hint = next((f"; write {part}" for word, part in _PARTS.items() if word in told), "")
        raise NodeMistake(f"{name}: {told}{hint}") from None


def check_identity(*, node_id: object, version: object) -> None:
    """Check who a node says it is.

    :raises NodeMistake: no scheduler takes such an id or version
    """
    if node_id is not None and not (isinstance(node_id, str) and _NODE_ID.fullmatch(node_id)):
        raise NodeMistake(
            "node_id is a word of at most 64 letters, digits, dots, dashes and underscores that "
            f"begins with a letter or digit, not {show(node_id)}"
        )
    if not isinstance(version, str) or not version.isprintable():
        raise NodeMistake(f"version is text such as '2.0.0', not {show(version)}")


def check_options(
    *, max_concurrent_jobs: object, audio: object, bounds_bytes: dict[str, Any], **spans_s: Any
) -> None:
    """Check what else a node is made with; `spans_s` are numbers of seconds.

    :raises NodeMistake: an option is of the wrong kind, or out of its range
    """
    if type(max_concurrent_jobs) is not int or max_concurrent_jobs < 1:
        raise NodeMistake(
            f"max_concurrent_jobs must be a whole number of at least 1, not {max_concurrent_jobs!r}"
        )
    if not isinstance(audio, str) or audio not in get_args(AudioForm):
        raise NodeMistake(f"audio is one of {', '.join(get_args(AudioForm))}, not {show(audio)}")
    for name, bound in bounds_bytes.items():
        if type(bound) is not int or bound < 1:
            raise NodeMistake(f"{name} must be a whole number of bytes, not {show(bound)}")
    for name, span in spans_s.items():
        if type(span) not in {int, float} or not 0 < span < math.inf:
            raise NodeMistake(f"{name} must be a number of seconds above 0, not {show(span)}")


def check_flags(**flags: object) -> None:
    """Check what is yes or no.

    :raises NodeMistake: it is neither
    """
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise NodeMistake(f"{name} is True or False, not {show(flag)}")


def check_called(function: object, *, name: str, argument: str) -> None:
    """Check that something can be called with one argument, where there is something.

    :raises NodeMistake: it cannot
    """
    if function is None:
        return
    if not callable(function):
        raise NodeMistake(f"{name} is a function of {argument}, not {show(function)}")
    try:
        inspect.signature(function).bind(object())
    except TypeError as error:
        raise NodeMistake(f"{name} must take one argument, {argument}: {error}") from None
    except ValueError:
        pass  # written in C: it says nothing of its arguments


def check_status(service_id: object, status: object, *, known: Sequence[str]) -> None:
    """Check what is told of a service.

    :raises NodeMistake: there is no such service, or no such status
    """
    if service_id not in known:
        raise NodeMistake(f"no service {show(service_id)} here; there is {', '.join(known)}")
    if status not in _STATUSES:
        raise NodeMistake(f"status is one of {', '.join(_STATUSES)}, not {show(status)}")


def show(value: object) -> str:
    """Return a value as a message has room for it, whatever its own code does."""
    try:
        return ascii(value)[:80]
    except Exception:  # noqa: BLE001 - a value's own code
        return type(value).__name__


def check_handler(handler: Callable[..., Any]) -> None:
    """Check that a handler can be called with a job and returns something.

    :raises NodeMistake: it cannot, or does not
    """
    if not callable(handler):
        raise NodeMistake(f"a handler is a function of one job, not {show(handler)}")
    if inspect.isclass(handler):
        name = handler.__name__
        raise NodeMistake(f"{name} is a class; a handler is a function: is {name}() meant?")
    name = getattr(handler, "__name__", type(handler).__name__)
    called = getattr(handler, "__call__", None)  # noqa: B004 - asked for what it is
    if any(map(inspect.isgeneratorfunction, (handler, called))) or any(
        map(inspect.isasyncgenfunction, (handler, called))
    ):
        raise NodeMistake(
            f"{name} yields; a handler returns one Result, and tells what it has so far by "
            "await job.emit_partial(text)"
        )
    check_called(handler, name=name, argument="the job")
    if _returns_none(handler):
        raise NodeMistake(f"{name} never returns a Result: end it with return Result(text_asr=…)")


def check_stream_handler(handler: Callable[..., Any], *, audio: AudioForm) -> None:
    """Check that a handler can hear audio while it is spoken.

    :raises NodeMistake: it cannot
    """
    check_handler(handler)
    called = getattr(handler, "__call__", None)  # noqa: B004 - asked for what it is
    if not any(map(inspect.iscoroutinefunction, (inspect.unwrap(handler), called))):
        name = getattr(handler, "__name__", type(handler).__name__)
        raise NodeMistake(
            f"{name} hears audio while it is spoken, with `async for piece in job.audio`: "
            f"write `async def {name}`"
        )
    if audio == "opus":
        raise NodeMistake(
            "a stream handler takes audio as 'pcm16' or 'as_sent', or 'none' of it: "
            "pieces of PCM16 are not encoded"
        )


def check_single(*, is_other: bool) -> None:
    """Check that a node has one handler.

    :raises NodeMistake: it has one of the other kind
    """
    if is_other:
        raise NodeMistake(
            "a node has one handler: @node.stream, which takes whole utterances as well, or "
            "@node.job"
        )


def check_url(url: object) -> str:
    """Return a URL that leads to where nodes connect, as far as it can be told from here.

    Blanks and line ends around it, as of a file it came from, are none of it.

    :raises NodeMistake: it does not
    """
    if not isinstance(url, str):
        raise NodeMistake(f"url is text such as ws://127.0.0.1:5010{NODE_PATH}, not {show(url)}")
    url = url.strip()
    if not url.isprintable() or " " in url:
        raise NodeMistake(f"not a WebSocket URL, there are blanks in it: {show(url)}")
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
    if parts.path.rstrip("/") in _OTHER_PATHS or parts.path.endswith("/"):
        raise NodeMistake(
            f"nodes connect at {NODE_PATH}, not at {parts.path or '/'}: "
            f"is {_suggest(parts, scheme=parts.scheme)} meant?"
        )
    if parts.fragment or "#" in url:
        raise NodeMistake(f"nodes connect at {NODE_PATH}; what follows # is not asked for: {url}")
    return url


def check_token(token: object) -> str | None:
    """Return a token without the blanks and line ends of the file it came from.

    :raises NodeMistake: no token looks like this
    """
    if token is None:
        return None
    if not isinstance(token, str):
        hint = ": token.decode()" if isinstance(token, bytes) else ""
        raise NodeMistake(f"token is text, not {type(token).__name__}{hint}")
    bare = token.strip()
    if not bare:
        return None
    if not bare.isascii() or not bare.isprintable() or " " in bare:
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


def _check_service(service: Any) -> messages.Service:
    if not isinstance(service, messages.Service):
        raise NodeMistake(f"a service is Service(service_id=…, type=…), not {show(service)}")
    # Whoever writes a node need not check its types.
    name: Any = service.service_id
    if not isinstance(name, str) or not name:
        raise NodeMistake(f"service_id must be text, not {show(name)}")
    if service.type not in KINDS:
        kind: Any = service.type
        kind = kind if isinstance(kind, str) else ""
        close = difflib.get_close_matches(kind.lower(), KINDS, n=1, cutoff=0.6)
        if close or not kind:
            meant = f": is {close[0]!r} meant?" if close else f"; jobs ask for {', '.join(KINDS)}"
            raise NodeMistake(f"Service {name}: no type {show(service.type)}{meant}")
    if service.status not in _STATUSES:
        raise NodeMistake(
            f"Service {name}: status is one of {', '.join(_STATUSES)}, not {show(service.status)}"
        )
    return check_declared(service, messages.Service, f"Service {name}")


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
