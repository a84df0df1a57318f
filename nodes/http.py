"""Where nodes without a socket ask (K.1)."""

import msgspec

from nodes import http_messages, messages
from nodes.http_nodes import HttpNodes
from nodes.job_reports import JobReports
from sockets.endpoints import Answering, Call, Endpoint, HttpAnswer
from sockets.reader import MessageReader
from sockets.request_auth import RequestAuth

# What nodes say as they work is read as far as it goes, as over a socket.
_TOLERANT = (
    http_messages.BeatOverHttp,
    http_messages.AckJob,
    http_messages.DeclineJob,
    http_messages.DoneJob,
    http_messages.FailJob,
)


def build_paths(
    *, http_nodes: HttpNodes, reports: JobReports, auth: RequestAuth, most_bytes: int
) -> dict[tuple[str, str], Endpoint]:
    """Return the endpoints of ``/v1/node/*`` and ``/v1/job/*``."""

    async def poll(call: Call[http_messages.PollWork]) -> HttpAnswer:
        fetched = await http_nodes.fetch(call)
        number = f',"number":{fetched.number}' if fetched.frames else ""
        body = f'{{"messages":[{",".join(fetched.frames)}]{number}}}'
        return HttpAnswer(body=body.encode(), on_sent=fetched.settle)

    answers: dict[str, tuple[Answering, type[msgspec.Struct]]] = {
        "/v1/node/register": (http_nodes.register, messages.RegisterNode),
        "/v1/node/heartbeat": (http_nodes.record_heartbeat, http_messages.BeatOverHttp),
        "/v1/node/poll": (poll, http_messages.PollWork),
        "/v1/job/ack": (reports.accept, http_messages.AckJob),
        "/v1/job/decline": (reports.decline, http_messages.DeclineJob),
        "/v1/job/done": (reports.complete, http_messages.DoneJob),
        "/v1/job/fail": (reports.fail, http_messages.FailJob),
    }
    return {
        (path, "POST"): Endpoint(
            answer,
            auth=auth,
            reader=MessageReader(incoming, tolerant=_TOLERANT),
            flaws=reports,
            most_bytes=most_bytes,
        )
        for path, (answer, incoming) in answers.items()
    }
