"""Operators' commands to nodes: to a node's slot at once, into the database what must last."""

from operators.console.console import Console
from operators.console.fleet import FleetService
from operators.db.node_models import note_command

COMMANDS = (
    *("drain", "resume", "cordon", "disconnect", "shutdown", "reload_config"),
    *("quarantine", "absolve"),
)


def give_command(
    console: Console, service: FleetService, node_id: str, *, action: str, actor: str
) -> bool:
    """Give one of `COMMANDS` from a thread; False where nobody knows the node.

    :raises DependencyDown: Redis did not answer
    :raises DatabaseError: a cordon could not be kept, or not be ended
    """
    known = bool(console.ask(service.command(node_id, action=action)))
    if known or action == "resume":
        return note_command(node_id, action=action, actor=actor) or known
    return False
