"""What instances send each other: an envelope to one inbox, or the same to all."""

import msgspec

from scheduling.model.events import ToNode, ToSession
from scheduling.model.instances import InstanceRecord
from scheduling.model.jobs import Need
from scheduling.model.lines import LineFigures
from scheduling.model.nodes import Node
from scheduling.model.rooms import ToRoom

GROUP = "lingua.fleet"
MOST_HOPS = 3


class ForNode(msgspec.Struct, frozen=True, tag="for_node"):
    """An event for a node's connection; with `conn_epoch`, only for that very connection."""

    node_id: str
    event: ToNode
    conn_epoch: int | None = None
    hops: int = 0


class ForSession(msgspec.Struct, frozen=True, tag="for_session"):
    """An event for a speaker's connection."""

    session_id: str
    event: ToSession
    hops: int = 0


class ForRoom(msgspec.Struct, frozen=True, tag="for_room"):
    """What everybody in a room is told."""

    event: ToRoom


class FleetNews(msgspec.Struct, frozen=True, omit_defaults=True, tag="fleet_news"):
    """What changed at nodes, to everybody; `loads` are hints, `gone` names ended connections.

    `lines` are all lines of the sender, by kind, where it says something of them; `waits` is what
    jobs need that have just joined them.
    """

    sender: str
    nodes: tuple[Node, ...] = ()
    gone: tuple[tuple[str, int], ...] = ()
    loads: dict[str, int] = {}
    lines: dict[str, LineFigures] | None = None
    waits: tuple[Need, ...] = ()


class SessionErased(msgspec.Struct, frozen=True, tag="session_erased"):
    """What was said in a session is erased, to everybody: nobody keeps it, and its socket ends."""

    session_id: str


class PeerCame(msgspec.Struct, frozen=True, tag="peer_came"):
    """An instance has started, to everybody."""

    record: InstanceRecord


class PeerLeft(msgspec.Struct, frozen=True, tag="peer_left"):
    """An instance leaves in order, to everybody."""

    instance_id: str


Envelope = ForNode | ForSession | ForRoom | FleetNews | SessionErased | PeerCame | PeerLeft

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Envelope).decode
