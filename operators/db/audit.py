"""The audit log: who did what to which, from where."""

import contextvars
import logging
from typing import Any

from django.db import DatabaseError

from operators.db import audit_chain

logger = logging.getLogger(__name__)

# The address of the request that is being answered, empty outside of one.
address: contextvars.ContextVar[str] = contextvars.ContextVar("address", default="")
_NAME_MAX, _TARGET_MAX, _ACTION_MAX = 150, 200, 64


def record(*, actor: str, action: str, target: str = "", **detail: Any) -> None:
    """Write one entry; a database that does not answer is told in the process log instead."""
    try:
        audit_chain.append(
            actor=actor[:_NAME_MAX],
            action=action[:_ACTION_MAX],
            target=target[:_TARGET_MAX],
            address=address.get(),
            detail=detail,
        )
    except DatabaseError:
        logger.exception("not in the audit log: %s %s %s %s", actor, action, target, detail)
