"""The utterances of one session that have no answer yet, and since when."""

from scheduling.model import clock
from scheduling.model.jobs import Request
from sessions_app.in_flight import InFlight


class PendingRequests:
    """Requests by their job, oldest first; the process counts them too, while it may not leave."""

    __slots__ = (
        "_in_flight",
        "_requests",
    )

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self._requests: dict[str, tuple[Request, float]] = {}

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._requests

    def __len__(self) -> int:
        return len(self._requests)

    def begin(self, request: Request) -> None:
        """Wait for an answer from now on."""
        job_id = request.assignment.job_id
        self._requests[job_id] = request, clock.steady_ms()
        self._in_flight.begin(job_id)

    def end(self, job_id: str) -> Request | None:
        """Wait for it no longer: a job has its answer, or nobody wants it."""
        self._in_flight.end(job_id)
        return self.give_up(job_id)

    def give_up(self, job_id: str) -> Request | None:
        """Take no answer any longer; the process stays until `end`."""
        found = self._requests.pop(job_id, None)
        return found[0] if found else None

    def find(self, job_id: str) -> Request | None:
        """Return what was asked for with a job."""
        found = self._requests.get(job_id)
        return found[0] if found else None

    def list_all(self, *, older_than_ms: float = 0) -> list[Request]:
        """Return what has been waited for that long at least."""
        before = clock.steady_ms() - older_than_ms
        return [request for request, since in self._requests.values() if since <= before]

    def list_of(self, utterance_index: int) -> list[Request]:
        """Return what is waited for of one utterance, in each of its languages."""
        return [
            request
            for request, _ in self._requests.values()
            if request.assignment.utterance_index == utterance_index
        ]

    def leave(self) -> None:
        """The process need not stay for any of them."""
        for job_id in self._requests:
            self._in_flight.end(job_id)

    def forget(self) -> None:
        """They are answered elsewhere."""
        self._requests.clear()
