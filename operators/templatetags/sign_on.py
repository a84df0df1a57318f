"""What the page of logins offers beside names and passwords."""

from django import template

from operators.db.installation import get_installation

register = template.Library()


@register.simple_tag
def has_single_sign_on() -> bool:
    """Say whether operators log in at a provider, too."""
    return get_installation().single_sign_on is not None
