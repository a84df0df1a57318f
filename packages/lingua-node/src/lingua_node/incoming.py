"""What a scheduler says to a node, handed to who acts on it, whichever way it came."""

import logging

from lingua_node import messages
from lingua_node.identity import Identity
from lingua_node.work import JobRunner

logger = logging.getLogger(__name__)


async def take(
    message: messages.FromScheduler | None, *, runner: JobRunner, identity: Identity
) -> None:
    """Act on one message; None is a frame that could not be read.

    :raises Disconnected: the answer could not be sent
    :raises AttemptGone: the job is another attempt's by now
    """
    match message:
        case messages.AssignJob():
            await runner.assign(message)
        case messages.SpokenAudio() | messages.CloseJob():
            runner.hear(message)
        case messages.CancelJob():
            await runner.cancel(message.job_id)
        case messages.ControlNode(command="shutdown"):
            logger.info("the scheduler asks us to leave: %s", message.reason)
            identity.drain()
        case messages.ControlNode():
            logger.info("ignored node_control %s", message.command)
        case messages.NodeStatus():
            logger.info("the scheduler sees us as %s: %s", message.status, message.reason)
        case messages.ServerError():
            logger.warning("the scheduler reports %s: %s", message.code, message.message)
        case messages.NodeRegistered() | messages.PairingCode() | None:
            pass
