"""What Django tells of operators' doings, written into the audit log."""

import logging
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.db.models.signals import post_save

from operators.db import audit
from operators.db.publishing import publish_now
from operators.db.tokens import MODELS, describe_person
from scheduling.model import clock
from scheduling.model.shares import Shares
from sockets.client_address import name_sender

logger = logging.getLogger(__name__)

# Failed logins that leave an entry: one of an address and six in all an hour, a few more at once.
failed_here = Shares(per_s=1 / 3600, burst=2)
failed_anywhere = Shares(per_s=6 / 3600, burst=20)
_SHOWN_MAX = 150
_VERBS = {ADDITION: "add", CHANGE: "change", DELETION: "delete"}


def connect() -> None:
    """Listen; connecting twice changes nothing."""
    post_save.connect(_note_admin_action, sender=LogEntry, dispatch_uid="audit admin")
    post_save.connect(_note_person, sender=get_user_model(), dispatch_uid="publish person")
    user_logged_in.connect(_note_login, dispatch_uid="audit login")
    user_logged_out.connect(_note_logout, dispatch_uid="audit logout")
    user_login_failed.connect(_note_failed_login, dispatch_uid="audit failed login")


def _note_admin_action(*, instance: LogEntry, created: bool, **_: Any) -> None:
    content_type = instance.content_type
    if not created or content_type is None or content_type.model_class() in MODELS:
        # Tokens write their own entries, from wherever they are changed.
        return
    verb = _VERBS.get(instance.action_flag, str(instance.action_flag))
    audit.record(
        actor=instance.user.get_username(),
        action=f"admin.{verb}",
        target=f"{content_type.app_label}.{content_type.model}:{instance.object_id}",
        object=instance.object_repr,
        change=instance.get_change_message(),
    )


def _note_person(
    *, instance: Any, created: bool, raw: bool, update_fields: frozenset[str] | None, **_: Any
) -> None:
    """Shut out somebody whose account was switched off, or let them in again."""
    is_login = update_fields is not None and "is_active" not in update_fields
    if not created and not raw and not is_login:
        transaction.on_commit(lambda: _publish(instance))


def _publish(user: Any) -> None:
    publish_now([describe_person(user, version=clock.now_ms())])


def _note_login(*, user: Any, **_: Any) -> None:
    audit.record(actor=user.get_username(), action="login")


def _note_logout(*, user: Any, **_: Any) -> None:
    if user is not None:
        audit.record(actor=user.get_username(), action="logout")


def _note_failed_login(*, credentials: dict[str, Any], **_: Any) -> None:
    """Write the first of an address; strangers do not say how many rows there will be."""
    actor = str(credentials.get("username", ""))
    if failed_here.take(name_sender(audit.address.get())) or failed_anywhere.take(""):
        logger.warning("a login failed", extra={"actor": actor[:_SHOWN_MAX]})
    else:
        audit.record(actor=actor, action="login.failed")
