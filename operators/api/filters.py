"""What an address of the API asks of rows in the database, and the rows as pages want them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet

from operators.api import given_moments

_Row = TypeVar("_Row", bound=Model)


class BadFilter(Exception):
    """A filter is none; its text says which, for people."""


def read_filters(asked: Mapping[str, str], *, exact: Iterable[str], moment: str) -> dict[str, Any]:
    """Return look-ups: what must be equal, and `moment` from `since` on and before `until`.

    :raises BadFilter: a text that no row can have, or no moment
    """
    chosen: dict[str, Any] = {name: asked[name] for name in exact if asked.get(name)}
    if any("\0" in value for value in chosen.values()):
        raise BadFilter("A text has no null in it.")
    for name, lookup in (("since", f"{moment}__gte"), ("until", f"{moment}__lt")):
        if asked.get(name):
            chosen[lookup] = given_moments.read(asked[name])
            if chosen[lookup] is None:
                raise BadFilter(f"{name} is no moment such as 2026-01-31T12:00:00Z")
    return chosen


class Rows(Generic[_Row]):
    """A query as pages want it: counted, sliced, described."""

    def __init__(
        self, query: "QuerySet[_Row]", *, describe: Callable[[_Row], dict[str, Any]]
    ) -> None:
        self._query = query
        self._describe = describe

    def count(self) -> int:
        return self._query.count()

    def __getitem__(self, part: slice) -> list[dict[str, Any]]:
        return [self._describe(row) for row in self._query[part]]
