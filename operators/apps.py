"""The Django application of operators: tokens, roles, the audit log, the API."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OperatorsConfig(AppConfig):
    """What operators see and do; never on the path of a job."""

    name = "operators"
    verbose_name = _("Operators")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen for what the admin and logins do, once all applications are there."""
        from operators.db import signals  # noqa: PLC0415 - models are not ready before this moment

        signals.connect()
