"""Speakers and callers are refused in the language they prefer, by a real server."""

import asyncio
import json
import urllib.error
import urllib.request

import pytest
from websockets.asyncio.client import connect

from tests.e2e.servers import Lingua

_SAID = [("zh-CN", "消息格式无效"), ("en", "Invalid message"), ("fr", "Invalid message")]
pytestmark = pytest.mark.req("RE5")


@pytest.mark.parametrize(("header", "said"), _SAID)
async def test_a_speaker_reads_why_it_was_refused(header: str, said: str, lingua: Lingua) -> None:
    async with connect(
        lingua.url("/ws/session"), proxy=None, additional_headers={"Accept-Language": header}
    ) as socket:
        await socket.send(json.dumps({"type": "client_heartbeat", "session_id": "s-none"}))
        refused = json.loads(await socket.recv())

    assert (refused["type"], refused["code"]) == ("error", "INVALID_MESSAGE")
    assert refused["message"].startswith(said)


@pytest.mark.parametrize("path", ["/v1/job/job-none", "/api/v1/jobs/job-none"])
async def test_a_caller_reads_why_it_was_refused(path: str, lingua: Lingua) -> None:
    def ask(header: str) -> dict[str, str]:
        address = f"http://{lingua.instance.address}{path}"
        request = urllib.request.Request(address, headers={"Accept-Language": header})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)  # noqa: S310 - it is our own server's
        with refused.value as error:
            told: dict[str, str] = json.loads(error.read())
        return told

    chinese, english = [await asyncio.to_thread(ask, header) for header in ("zh", "en")]

    assert chinese["error"] == english["error"] == "NO_SUCH_JOB"
    assert any(told.startswith("没有此编号的任务") for told in chinese.values())
    assert "No job has this id, or it was forgotten." in english.values()
