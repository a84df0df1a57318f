"""OpenAI's audio paths (RE9)."""

from sessions_app.openai_audio.problems import refuse_as_openai
from sessions_app.openai_audio.recordings import RecordingService
from sockets.endpoints import Answering, Endpoint
from sockets.request_auth import RequestAuth


def build_paths(
    *, recordings: RecordingService, auth: RequestAuth, most_bytes: int
) -> dict[tuple[str, str], Endpoint]:
    """Return the endpoints of ``/v1/audio/transcriptions`` and ``/v1/audio/translations``."""

    def take(answer: Answering) -> Endpoint:
        return Endpoint(
            answer,
            auth=auth,
            most_bytes=most_bytes,
            media_type="multipart/form-data",
            refuse_as=refuse_as_openai,
        )

    return {
        ("/v1/audio/transcriptions", "POST"): take(recordings.transcribe),
        ("/v1/audio/translations", "POST"): take(recordings.translate),
    }
