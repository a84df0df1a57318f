"""With authentication on everything still works: the SDK's node, a program, a browser's ticket."""

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.manage import ROOT
from tests.security.fortress import DEADLINE_S, INIT, Fortress, bearer, prefix_of
from tests.waiting import eventually, keeps_to

_AUDIO = base64.b64encode(b"\1\0" * 8_000).decode()


async def _await_result(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            frame: dict[str, Any] = json.loads(await socket.recv())
            if frame["type"] == "translation_result":
                return frame


async def _speak(socket: ClientConnection) -> dict[str, Any]:
    """Open a session, say something and return the result."""
    await socket.send(json.dumps(INIT))
    opened = json.loads(await asyncio.wait_for(socket.recv(), DEADLINE_S))
    utterance = {
        "type": "utterance",
        "session_id": opened["session_id"],
        "utterance_index": 0,
        "src_lang": "en",
        "tgt_lang": "es",
        "manual_cut": True,
        "audio": _AUDIO,
        "audio_format": "pcm16",
        "sample_rate": 16000,
    }
    await socket.send(json.dumps(utterance))
    return await _await_result(socket)


def _ask_for_ticket(fortress: Fortress, headers: dict[str, str]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://{fortress.instance.address}/api/v1/tickets", method="POST", headers=headers
    )
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:  # noqa: S310 - as above
        told: dict[str, Any] = json.load(answer)
        return told


async def test_speech_flows_between_those_who_may_come_in(fortress: Fortress) -> None:
    node_token = fortress.issue("node", "simulated")
    api_token = fortress.issue("api", "speakers")
    node = await asyncio.to_thread(_start_node, fortress, node_token)
    try:
        async with connect(
            fortress.url("/ws/session"), additional_headers=bearer(api_token)
        ) as socket:
            by_token = await _speak(socket)
        told = await asyncio.to_thread(_ask_for_ticket, fortress, bearer(api_token))
        async with connect(fortress.url(f"/ws/session?ticket={told['ticket']}")) as socket:
            by_ticket = await _speak(socket)
        told = await asyncio.to_thread(_ask_for_ticket, fortress, bearer(api_token))
        offered: Any = told["subprotocols"]
        async with connect(fortress.url("/ws/session"), subprotocols=offered) as socket:
            by_subprotocol = await _speak(socket)
    finally:
        node.kill()
        node.communicate()

    assert by_token["text_translated"]
    assert by_ticket["text_translated"]
    assert by_subprotocol["text_translated"]


def _start_node(fortress: Fortress, token: str) -> subprocess.Popen[str]:
    """Start the SDK's simulated node and wait until it says that it is registered."""
    node = subprocess.Popen(
        [
            *(sys.executable, "-m", "lingua_node", "simulate", "--nodes", "1"),
            *("--service-ms", "10", "--url", fortress.url("/ws/node"), "--verbose"),
        ],
        cwd=ROOT,
        env={**os.environ, "LINGUA_NODE_TOKEN": token},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert node.stdout is not None
    for line in node.stdout:
        if re.search(r"registered as", line):
            return node
    raise AssertionError("the node ended")


async def test_a_socket_opened_by_a_ticket_ends_with_the_token_behind_it(
    fortress: Fortress,
) -> None:
    async def revoke() -> float:
        token = fortress.manage("token", "create", "api", "gives a ticket away")
        told = await asyncio.to_thread(_ask_for_ticket, fortress, bearer(token))
        async with connect(fortress.url(f"/ws/session?ticket={told['ticket']}")) as socket:
            await asyncio.to_thread(fortress.manage, "token", "revoke", prefix_of(token))
            told_at = time.monotonic()
            await asyncio.wait_for(socket.wait_closed(), DEADLINE_S)
            took_s = time.monotonic() - told_at
        assert socket.close_code == 4401
        # The API trusts a token it has just seen for a second.
        await eventually(lambda: asyncio.to_thread(_is_unauthorized, fortress, token))
        return took_s

    await keeps_to(2, revoke)


def _is_unauthorized(fortress: Fortress, token: str) -> bool:
    try:
        _ask_for_ticket(fortress, bearer(token))
    except urllib.error.HTTPError as error:
        with error:
            return error.code == HTTPStatus.UNAUTHORIZED
    return False
