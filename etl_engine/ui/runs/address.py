"""The address of the list of runs says it all: search, filters, and where the page begins."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast, get_args
from urllib.parse import urlencode

from etl_engine.model.execution import Status, SubjectKind
from etl_engine.services.executions import Position, Query

PATH = "/runs"
PAGE_SIZE = 40
_LONGEST_SEARCH = 200
_ID = re.compile("[0-9a-f]{24}")


@dataclass(frozen=True)
class View:
    """One way to look at the runs."""

    text: str = ""
    statuses: tuple[Status, ...] = ()
    kinds: tuple[SubjectKind, ...] = ()
    subject: str = ""  # of this mapping only
    schedule: str = ""  # of this schedule only
    after: Position | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> "View":
        """The view of an address. What it does not understand, it leaves out: an old link still shows a list."""
        asked = {name: parameters.get(name, "").split(",") for name in ("status", "kind")}
        ids = {name: parameters.get(name, "") for name in ("mapping", "schedule")}
        return cls(
            text=parameters.get("q", "")[:_LONGEST_SEARCH],
            statuses=tuple(one for one in Status if one.value in asked["status"]),
            kinds=cast(tuple[SubjectKind, ...], tuple(one for one in get_args(SubjectKind) if one in asked["kind"])),
            subject=ids["mapping"] if _ID.fullmatch(ids["mapping"]) else "",
            schedule=ids["schedule"] if _ID.fullmatch(ids["schedule"]) else "",
            after=_position(parameters.get("before", "")),
        )

    @property
    def filtered(self) -> bool:
        return bool(self.statuses or self.kinds or self.subject or self.schedule)

    def query(self) -> Query:
        return Query(
            text=self.text,
            statuses=self.statuses,
            kinds=self.kinds,
            subject_id=self.subject,
            trigger_id=self.schedule,
            limit=PAGE_SIZE,
            after=self.after,
        )

    def address(self, **changes: Any) -> str:
        """The address of this view with changes. All but another page begins at the newest again."""
        view = replace(self, **({"after": None} | changes))
        said = {
            "q": view.text,
            "status": ",".join(view.statuses),
            "kind": ",".join(view.kinds),
            "mapping": view.subject,
            "schedule": view.schedule,
            "before": f"{view.after.created_at.isoformat()}~{view.after.id}" if view.after else "",
        }
        query = urlencode({name: value for name, value in said.items() if value}, safe=",")
        return f"{PATH}?{query}" if query else PATH

    def with_status(self, status: Status) -> str:
        """The address that adds this status to the filter, or takes it out."""
        return self.address(statuses=_toggled(self.statuses, status))

    def with_kind(self, kind: SubjectKind) -> str:
        return self.address(kinds=_toggled(self.kinds, kind))


def run_address(execution_id: str) -> str:
    return f"{PATH}/{execution_id}"


def run_of(path: str) -> str:
    """The run that a path names, or nothing."""
    found = re.fullmatch(f"{PATH}/([0-9a-f]{{24}})/?", path)
    return found[1] if found else ""


def is_list(path: str) -> bool:
    return path.rstrip("/") == PATH


def _position(text: str) -> Position | None:
    at, _, execution_id = text.partition("~")
    if not _ID.fullmatch(execution_id):
        return None
    try:
        moment = dt.datetime.fromisoformat(at.replace(" ", "+"))
    except ValueError:
        return None
    return Position(moment, execution_id) if moment.tzinfo else None


def _toggled(chosen: tuple[Any, ...], one: Any) -> tuple[Any, ...]:
    return tuple(other for other in chosen if other != one) if one in chosen else (*chosen, one)
