"""A connection as the list shows it."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

from etl_engine.model.connection import TestStatus
from etl_engine.services.connection_overview import Saved
from etl_engine.ui.connection_form.ladder import product
from etl_engine.ui.connections.sparkline import Sparkline, sparkline
from etl_engine.ui.words import duration


@dataclass
class Row:
    """One connection: no secret, not even its mask."""

    id: str
    name: str
    db_type: str
    title: str  # of its kind, short enough for a badge
    place: str
    database: str
    username: str
    status: str  # success | failed | "" for untested
    tested_at: str = ""  # ISO 8601: the browser says the age, and keeps it right
    latency: str = ""
    cause: str = ""  # why the last test failed
    server: str = ""  # "PostgreSQL 16.4"
    version: str = ""  # all that it calls itself
    spark: Sparkline = field(default_factory=Sparkline)
    slot: str = ""  # which element of the page shows it


def row_of(found: Saved) -> Row:
    values = {name: getattr(found, name, None) for name in ("host", "port", "database", "username")}
    host = str(values["host"] or "")
    place = f"[{host}]:{values['port']}" if ":" in host else f"{host}:{values['port']}"
    failed = found.last_test_status == TestStatus.FAILED
    return Row(
        id=found.id,
        name=found.name,
        db_type=found.db_type,
        title=_name(found),
        place=place if host else "",
        database=str(values["database"] or _place_of_files(found)),
        username=str(values["username"] or ""),
        status=found.last_test_status or "",
        tested_at=found.last_tested_at.isoformat() if found.last_tested_at else "",
        latency=duration(found.last_test_ms) if found.last_test_ms is not None and not failed else "",
        cause=(found.last_test_message or "") if failed else "",
        server=product(found.kind.title, found.last_test_version) if found.last_test_version else "",
        version=found.last_test_version or "",
        spark=sparkline(found.tests),
    )


def _place_of_files(found: Saved) -> str:
    """Of kinds that have files in place of a database."""
    parts = [getattr(found, name, None) for name in ("bucket", "folder", "prefix")]
    return "/".join(str(part) for part in parts if part)


def placed(rows: list[Row], shown: Mapping[str, str]) -> None:
    """Give every row its slot: the one that shows it already, else the first that is free.

    Within a view an element stays with its connection, and keeps its focus; with another view the elements are used
    again for others, since changing texts costs a browser half of what making elements costs.
    """
    taken = {shown[row.id] for row in rows if row.id in shown}
    free = (slot for slot in map(str, itertools.count()) if slot not in taken)
    for row in rows:
        row.slot = shown.get(row.id) or next(free)


def _name(found: Saved) -> str:
    """Of "MySQL / MariaDB" the one that answered; before the first answer the first."""
    names = found.kind.title.split(" / ")
    return next((name for name in names if name.casefold() in (found.last_test_version or "").casefold()), names[0])
