"""The Django application of the house: it composes what Django itself makes."""

from django.apps import AppConfig


class LinguaConfig(AppConfig):
    """Hands the settings to views, signals and commands, in servers and commands alike."""

    name = "lingua"

    def ready(self) -> None:
        """Install what operators' code goes by, once all applications are there."""
        from lingua.composition.installation import (  # noqa: PLC0415 - models are not ready before this moment
            install_operators,
        )

        install_operators()
