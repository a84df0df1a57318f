"""What peers are told is in the language they prefer; codes and English stay as they are."""

import json
from typing import Any

import pytest

from lingua import settings
from lingua.serving.peer_languages import PeerLanguages, Sentences
from sockets.outbound import WRITE_TEXT

pytestmark = pytest.mark.req("RE5")
_CHINESE = "没有音频。"
_ENGLISH = "There is no audio."
_LANGUAGES = PeerLanguages(
    folder=settings.LOCALE_PATHS[0],
    catalogs=settings.LINGUA_CATALOGS,
    cookie=settings.LANGUAGE_COOKIE_NAME,
)


def _scope(kind: str = "http", **headers: str) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": kind, "headers": named}


async def _tell(scope: dict[str, Any], *events: dict[str, Any]) -> list[dict[str, Any]]:
    sent: list[Any] = []

    async def keep(event: Any) -> None:
        sent.append(event)

    _, send = _LANGUAGES.wrap(scope, keep)
    for event in events:
        await send(event)
    return sent


def _frame(**fields: Any) -> dict[str, Any]:
    return {"type": "websocket.send", "text": json.dumps(fields)}


@pytest.mark.parametrize(
    "header",
    ["zh", "zh-CN", "zh-TW,zh;q=0.8", "ZH-hans", "fr,zh;q=0.5,en;q=0.3", "en;q=0.2, zh-cn;q=0.9"],
)
async def test_who_prefers_chinese_reads_it(header: str) -> None:
    frame = _frame(type="error", code="NO_SUCH_JOB", message=_ENGLISH, details=None)

    (sent,) = await _tell(_scope("websocket", accept_language=header), frame)

    told = json.loads(sent["text"])
    assert told == {"type": "error", "code": "NO_SUCH_JOB", "message": _CHINESE, "details": None}


@pytest.mark.parametrize(
    "header",
    ["", "en", "en-GB,zh;q=0.9", "fr", "xx-klingon", "zh;q=0", "zh;q=much", ";;,,=", "*", "é" * 9],
)
async def test_any_other_gets_what_there_was_byte_for_byte(header: str) -> None:
    frame = _frame(type="error", message=_ENGLISH)

    async def keep(_event: Any) -> None: ...

    scope = _scope("websocket", accept_language=header)
    assert _LANGUAGES.wrap(scope, keep) == (scope, keep)
    assert await _tell(scope, frame) == [frame]


async def test_what_was_chosen_on_the_pages_goes_before_the_browser() -> None:
    frame = _frame(type="error", message=_ENGLISH)
    cookie = "csrftoken=x; lingua_language=en; sessionid=y"
    (sent,) = await _tell(_scope("websocket", cookie=cookie, accept_language="zh"), frame)
    assert sent is frame

    chosen = cookie.replace("=en", "=zh-hans")
    (sent,) = await _tell(_scope("websocket", cookie=chosen, accept_language="en"), frame)
    assert _CHINESE in sent["text"]


async def test_a_language_nobody_has_in_the_cookie_leaves_it_to_the_browser() -> None:
    scope = _scope("websocket", cookie="lingua_language=tlh", accept_language="zh")

    (sent,) = await _tell(scope, _frame(message=_ENGLISH))

    assert _CHINESE in sent["text"]


async def test_a_frame_with_nothing_for_people_is_not_touched() -> None:
    result = {"type": "websocket.send", "text": '{"type":"translation_result", "text_asr":"a  b"}'}
    sound = {"type": "websocket.send", "bytes": b"\0\1"}
    accepted = {"type": "websocket.accept"}

    sent = await _tell(_scope("websocket", accept_language="zh"), accepted, result, sound)

    assert [one is other for one, other in zip(sent, (accepted, result, sound), strict=True)]


async def test_a_server_that_takes_text_at_once_takes_it_so_too() -> None:
    written: list[str] = []
    scope = _scope("websocket", accept_language="zh")
    scope["extensions"] = {WRITE_TEXT: {"write": written.append}, "other": {}}

    async def keep(_event: Any) -> None: ...

    told, _ = _LANGUAGES.wrap(scope, keep)
    told["extensions"][WRITE_TEXT]["write"](json.dumps({"message": _ENGLISH}))

    assert json.loads(written[0])["message"] == _CHINESE
    assert told["extensions"]["other"] == {}


async def test_hints_are_told_too_and_unknown_sentences_stay() -> None:
    hint = _frame(type="ui_event", hint="The room is over.")
    words = _frame(type="error", message="A sentence that no catalogue has.")

    sent = await _tell(_scope("websocket", accept_language="zh"), hint, words)

    assert json.loads(sent[0]["text"])["hint"] == "房间已结束。"
    assert sent[1] is words


def test_what_is_filled_in_stands_where_the_language_wants_it() -> None:
    sentences = Sentences({"{1} of {2} went.": "共 {2} 去 {1}。", "{1} went.": "{1} 走了。"})

    assert sentences.say("3 of 10 went.") == "共 10 去 3。"
    assert sentences.say("a\\1{2} went.") == "a\\1{2} 走了。"
    assert sentences.say("Nobody came.") == "Nobody came."


def test_without_a_catalogue_there_is_english(tmp_path: Any) -> None:
    assert Sentences.load(tmp_path, "zh_Hans").say(_ENGLISH) == _ENGLISH


@pytest.mark.parametrize("parts", [1, 3])
async def test_an_answer_that_refuses_is_told_with_its_new_length(parts: int) -> None:
    body = json.dumps({"error": {"message": _ENGLISH, "code": "x"}, "detail": "其他"}).encode()
    size = len(body) // parts + 1
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    start = {
        "type": "http.response.start",
        "status": 404,
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))],
    }
    bodies = [
        {"type": "http.response.body", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, start=1)
    ]

    begun, ended = await _tell(_scope(accept_language="zh"), start, *bodies)

    told = json.loads(ended["body"])
    assert told == {"error": {"message": _CHINESE, "code": "x"}, "detail": "其他"}
    assert dict(begun["headers"])[b"content-length"] == b"%d" % len(ended["body"])


@pytest.mark.parametrize("body", [b"", b"{", b"[1, 2]", b'"no"', b"\xff"])
async def test_an_answer_that_is_no_object_passes_as_it_is(body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"7")]
    start = {"type": "http.response.start", "status": 500, "headers": headers}

    sent = await _tell(
        _scope(accept_language="zh"), start, {"type": "http.response.body", "body": body}
    )

    assert sent == [start, {"type": "http.response.body", "body": body}]
