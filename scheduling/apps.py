"""The Django application of what operators own in the database."""

from django.apps import AppConfig


class SchedulingConfig(AppConfig):
    """Models and admin of pools, tenants and node credentials; never on the path of a job."""

    name = "scheduling"
    default_auto_field = "django.db.models.BigAutoField"
