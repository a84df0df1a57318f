"""Lists of the admin that are filtered by dates."""

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest


class DatedChangeList(ChangeList):
    """A date that lies beyond the ends of time is no fault, but a filter that makes no sense."""

    def get_results(self, request: HttpRequest) -> None:
        try:
            super().get_results(request)
        except OverflowError as error:
            raise IncorrectLookupParameters(error) from error
