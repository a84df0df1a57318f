"""The operators' pages in four groups, as each page's head shows them."""

from typing import Any

from django.utils.translation import gettext_lazy as _

# Each page has an address, a title, and a template of its name.
GROUPS = (
    (
        _("Overview"),
        (("dashboard", _("Dashboard")), ("live", _("Live")), ("languages", _("Languages"))),
    ),
    (_("Speak"), (("talk", _("Talk")), ("room", _("Room")))),
    (
        _("Fleet"),
        (
            ("fleet", _("Nodes")),
            ("cluster", _("Cluster")),
            ("coverage", _("Coverage")),
            ("scaling", _("Fleet size")),
            ("pools", _("Pools")),
            ("models", _("Models")),
            ("compute-power", _("Compute power")),
        ),
    ),
    (
        _("Jobs"),
        (
            ("jobs", _("Jobs")),
            ("why", _("Why")),
            ("dead-letters", _("Dead letters")),
            ("api-guide", _("API")),
        ),
    ),
)
PAGES = tuple(name for _group, pages in GROUPS for name, _title in pages)


def list_groups(current: str) -> list[dict[str, Any]]:
    """Return the groups with their pages; that of the page `current` is marked, and the page."""
    return [
        {
            "title": title,
            "first": pages[0][0],
            "is_current": any(name == current for name, _title in pages),
            "pages": [
                {"name": name, "title": text, "is_current": name == current} for name, text in pages
            ],
        }
        for title, pages in GROUPS
    ]
