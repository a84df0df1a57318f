"""What the head of every page shows, also of those that tell of an error."""

from typing import Any

from django import template
from django.contrib.auth.models import AbstractBaseUser
from django.db import DatabaseError

from operators.api.navigation import list_groups

register = template.Library()


@register.simple_tag(takes_context=True)
def page_groups(context: template.Context) -> list[dict[str, Any]]:
    """Return the groups of pages; none is marked where no page of theirs is shown."""
    return list_groups(str(context.get("page", "")))


@register.simple_tag(takes_context=True)
def who_is_here(context: template.Context) -> AbstractBaseUser | None:
    """Return who is logged in; nobody where that cannot be found out."""
    user = getattr(context.get("request"), "user", None)
    try:
        return user if user is not None and user.is_authenticated else None
    except DatabaseError:
        return None
