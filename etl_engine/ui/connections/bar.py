"""What stands around the list: counts, filters, orders and pages, each with the address that a click leads to."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast, get_args

from etl_engine.services.connection_overview import Overview
from etl_engine.services.connections import Status
from etl_engine.ui.components.pagination import Step
from etl_engine.ui.connections.address import ORDERS, PAGE_SIZE, View
from etl_engine.ui.theme import TEST_STATUS, UNTESTED, Look
from etl_engine.ui.words import counted

_COLUMNS = (
    ("Name", "name"),
    ("Status", "last_test_status"),
    ("Type", "db_type"),
    ("Host and database", ""),
    ("Last test", "-last_tested_at"),
    ("Speed", "-last_test_ms"),
)
_NEAR = 1  # pages shown on both sides of this one


@dataclass
class Chip:
    """A filter."""

    key: str
    label: str
    count: str
    address: str
    active: bool = False
    tone: str = ""


@dataclass
class Column:
    """A heading of the table."""

    title: str
    address: str = ""
    sorted: str = "none"  # as aria-sort says it


@dataclass
class Choice:
    """An order to choose."""

    value: str
    label: str


@dataclass
class Bar:
    """Everything around the rows."""

    total: int = 0
    matching: int = 0
    shown: str = ""  # the same as people write it
    subtitle: str = "The databases that ETL Engine reads from and writes to."
    hidden: str = ""  # "3 connections are hidden by filters"
    text: str = ""
    filtered: bool = False
    narrowed: bool = False
    kinds: list[Chip] = field(default_factory=list)
    statuses: list[Chip] = field(default_factory=list)
    everything: str = "/"  # the address without filters
    unnarrowed: str = "/"  # and without the search
    sort: str = ""
    orders: list[Choice] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    pages: list[Step] = field(default_factory=list)
    before: str = ""
    after: str = ""
    extent: str = ""


def bar_of(view: View, found: Overview) -> Bar:
    hidden = found.found.total - found.matching
    last = max(-(-found.matching // PAGE_SIZE), 1)
    page = min(view.page, last)
    first = (page - 1) * PAGE_SIZE
    return Bar(
        total=found.total,
        matching=found.matching,
        shown=f"{found.matching:,}",
        subtitle=_subtitle(found) if found.total else Bar.subtitle,
        hidden=_hidden(hidden) if view.filtered and hidden else "",
        text=view.text,
        filtered=view.filtered,
        narrowed=view.filtered or bool(view.text),
        kinds=_kinds(view, found),
        statuses=_status_chips(view, found),
        everything=view.address(kinds=(), statuses=()),
        unnarrowed=view.address(kinds=(), statuses=(), text=""),
        sort=view.sort if view.sort in ORDERS else "",
        orders=[Choice(value, label) for value, label in ORDERS.items()],
        columns=[_column(view, sort, title) for title, sort in _COLUMNS],
        pages=list(_pages(view, page, last)) if last > 1 else [],
        before=view.address(page=page - 1) if page > 1 else "",
        after=view.address(page=page + 1) if page < last else "",
        extent=f"{first + 1:,}–{first + len(found.items):,} of {found.matching:,}" if found.items else "",
    )


def _subtitle(found: Overview) -> str:
    """How many there are, and how they are: of all that the search finds."""
    words = ((TEST_STATUS["success"], "success"), (TEST_STATUS["failed"], "failed"), (UNTESTED, "untested"))
    states = [f"{found.found.statuses.get(key, 0):,} {look.word.lower()}" for look, key in words]
    known = [said for said in states if not said.startswith("0 ")]
    if found.found.total == found.total:
        return f"{counted(found.total, 'connection')} · {', '.join(known)}"
    return f"{found.found.total:,} of {counted(found.total, 'connection')} found"


def _hidden(number: int) -> str:
    return f"{counted(number, 'connection')} {'is' if number == 1 else 'are'} hidden by filters."


def _kinds(view: View, found: Overview) -> list[Chip]:
    """Kinds that there are, and those asked for even if there is none."""
    counts = found.found.db_types
    shown = [name for name in found.titles if counts.get(name) or name in view.kinds]
    shown += [name for name in view.kinds if name not in found.titles]
    return [
        Chip(
            name,
            found.titles.get(name, name).split(" / ")[0],
            f"{counts.get(name, 0):,}",
            view.with_kind(name),
            name in view.kinds,
        )
        for name in shown
    ]


def _status_chips(view: View, found: Overview) -> list[Chip]:
    looks: dict[str, Look] = {**TEST_STATUS, "untested": UNTESTED}
    counts = found.found.statuses
    return [
        Chip(
            key,
            looks[key].word,
            f"{counts.get(key, 0):,}",
            view.with_status(cast(Status, key)),
            key in view.statuses,
            looks[key].tone,
        )
        for key in get_args(Status)
        if counts.get(key) or key in view.statuses
    ]


def _column(view: View, sort: str, title: str) -> Column:
    if not sort:
        return Column(title)
    name = sort.removeprefix("-")
    here = view.sort.removeprefix("-") == name
    turned = name if view.sort.startswith("-") else f"-{name}"
    state = ("descending" if view.sort.startswith("-") else "ascending") if here else "none"
    return Column(title, view.address(sort=turned if here else sort), state)


def _pages(view: View, page: int, last: int) -> Iterable[Step]:
    """The first, the last, and those around this one; a gap for the others."""
    shown = sorted({1, last, *range(max(page - _NEAR, 1), min(page + _NEAR, last) + 1)})
    for before, number in zip([0, *shown], shown, strict=False):
        if number - before > 1:
            yield Step(0)
        yield Step(number, view.address(page=number), number == page)
