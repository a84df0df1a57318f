"""Composition of those who listen in rooms: by socket, and by server-sent events."""

import dataclasses
import re

from lingua.composition.access import AccessParts
from lingua.composition.configuration import ListenerConfiguration
from lingua.composition.services import Services
from lingua.composition.stores import Infrastructure
from lingua.serving.asgi_types import AsgiApp, Receive, Scope, Send
from sessions_app.listening.event_stream import CaptionStream
from sessions_app.listening.listener_seats import ListenerSeats
from sockets.outbound import OutboundLimits

_CAPTIONS = re.compile(r"/rooms/([^/]{1,64})/captions")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ListeningParts:
    """Who listens here, and the ways to listen."""

    seats: ListenerSeats
    events: CaptionStream
    outbound: OutboundLimits

    def serve_beside(self, others: AsgiApp) -> AsgiApp:
        """Return an application that serves captions as well as what `others` serve."""
        events = self.events

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            found = _CAPTIONS.fullmatch(scope["path"])
            if found is None:
                await others(scope, receive, send)
            else:
                await events.serve(scope, receive, send, room_code=found[1])

        return serve


def build_listening(
    infrastructure: Infrastructure,
    services: Services,
    configuration: ListenerConfiguration,
    *,
    access: AccessParts,
) -> ListeningParts:
    """Build what seats listeners and tells them what is said."""
    seats = ListenerSeats(
        rooms=services.rooms.rooms,
        captions=services.rooms.captions,
        metrics=infrastructure.metrics,
    )
    return ListeningParts(
        seats=seats,
        events=CaptionStream(seats=seats, auth=access.listen_auth, limits=configuration.outbound),
        outbound=configuration.outbound,
    )
