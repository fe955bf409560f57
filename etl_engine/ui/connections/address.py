"""The address of the list says it all: search, filters, order, view and page."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast, get_args
from urllib.parse import urlencode

from etl_engine.services.connections import Query, SortField, Status

PAGE_SIZE = 48  # fills rows of 2, 3 and 4 cards
NEWEST = "-updated_at"
# The orders a person can choose. A leading minus is downwards.
ORDERS = {
    NEWEST: "Recently changed",
    "name": "Name, A to Z",
    "-name": "Name, Z to A",
    "db_type": "Type",
    "-last_tested_at": "Recently tested",
    "-last_test_ms": "Slowest first",
}
_KIND = re.compile("[a-z0-9_-]{1,40}")
_LONGEST_SEARCH = 200


@dataclass(frozen=True)
class View:
    """One way to look at the list."""

    text: str = ""
    kinds: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    sort: str = NEWEST
    table: bool = False
    page: int = 1

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> "View":
        """The view of an address. What it does not understand, it leaves out: an old link still shows a list."""
        page, sort = parameters.get("page", ""), parameters.get("sort", NEWEST)
        return cls(
            text=parameters.get("q", "")[:_LONGEST_SEARCH],
            kinds=tuple(dict.fromkeys(filter(_KIND.fullmatch, parameters.get("type", "").split(",")))),
            statuses=_statuses(parameters.get("status", "")),
            sort=sort if _field(sort) in get_args(SortField) else NEWEST,
            table=parameters.get("view") == "table",
            page=max(int(page), 1) if re.fullmatch("[0-9]{1,6}", page, re.ASCII) else 1,
        )

    @property
    def filtered(self) -> bool:
        return bool(self.kinds or self.statuses)

    def query(self) -> Query:
        return Query(
            text=self.text,
            db_types=self.kinds,
            statuses=self.statuses,
            sort=cast(SortField, _field(self.sort)),
            descending=self.sort.startswith("-"),
            limit=PAGE_SIZE,
            offset=(self.page - 1) * PAGE_SIZE,
        )

    def address(self, **changes: Any) -> str:
        """The address of this view with changes. All but another page begins at the first page again."""
        view = replace(self, **({"page": 1} | changes))
        said = {
            "q": view.text,
            "type": ",".join(view.kinds),
            "status": ",".join(view.statuses),
            "sort": view.sort if view.sort != NEWEST else "",
            "view": "table" if view.table else "",
            "page": str(view.page) if view.page > 1 else "",
        }
        query = urlencode({name: value for name, value in said.items() if value}, safe=",")
        return f"/?{query}" if query else "/"

    def with_kind(self, db_type: str) -> str:
        """The address that adds this kind to the filter, or takes it out."""
        return self.address(kinds=_toggled(self.kinds, db_type))

    def with_status(self, status: Status) -> str:
        return self.address(statuses=_toggled(self.statuses, status))


def _field(sort: str) -> str:
    return sort.removeprefix("-")


def _statuses(text: str) -> tuple[Status, ...]:
    return tuple(status for status in get_args(Status) if status in text.split(","))


def _toggled(chosen: tuple[Any, ...], one: Any) -> tuple[Any, ...]:
    return tuple(other for other in chosen if other != one) if one in chosen else (*chosen, one)
