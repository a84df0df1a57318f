"""Lists of the admin: filtered by dates, and by what rows have."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.contrib.admin.filters import AllValuesFieldListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from django.contrib.admin.filters import _ListFilterChoices


class DatedChangeList(ChangeList):
    """A date that lies beyond the ends of time is no fault, but a filter that makes no sense."""

    def get_results(self, request: HttpRequest) -> None:
        try:
            super().get_results(request)
        except OverflowError as error:
            raise IncorrectLookupParameters(error) from error


class NamedValuesFilter(AllValuesFieldListFilter):
    """What rows have, by name: an empty text is a link that nobody sees."""

    def choices(self, changelist: ChangeList) -> Iterator["_ListFilterChoices"]:
        for choice in super().choices(changelist):
            choice["display"] = choice["display"] or _("none")
            yield choice
