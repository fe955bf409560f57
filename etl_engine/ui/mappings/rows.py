"""A mapping as the list shows it."""

from dataclasses import dataclass

from etl_engine.services.mapping_drafts import Summary
from etl_engine.ui.mappings.address import mapping_address
from etl_engine.ui.runs.address import PATH as RUNS
from etl_engine.ui.runs.address import run_address
from etl_engine.ui.runs.looks import status_of
from etl_engine.ui.runs.words import short
from etl_engine.ui.words import counted

_QUERY_SHOWN = 120
LAKE = "The built-in lake"
_MODES = {"append": "appends", "replace": "replaces", "merge": "merges"}


@dataclass
class Row:
    """One mapping."""

    id: str
    address: str
    name: str
    description: str
    source: str
    source_type: str
    destination: str
    destination_type: str
    table: str
    schema: str
    mode: str
    query: str
    rules: str
    changed: str
    schedule: str
    runs: str
    status: str = ""
    last: str = ""  # when its last run began
    last_run: str = ""
    loaded: str = ""
    rejected: str = ""


def row_of(one: Summary) -> Row:
    mapping, last = one.mapping, one.last
    row = Row(
        id=mapping.id,
        address=mapping_address(mapping.id),
        name=mapping.name,
        description=mapping.description or "",
        source=one.source.name if one.source else "a connection that is gone",
        source_type=one.source.db_type if one.source else "",
        destination=one.destination.name if one.destination else LAKE,
        destination_type=one.destination.db_type if one.destination else "lake",
        table=mapping.destination_table or "",
        schema=one.schema or "a schema that is gone",
        mode=_MODES[mapping.write_mode],
        query=" ".join(mapping.source_query.split())[:_QUERY_SHOWN],
        rules=counted(one.rules, "column mapping"),
        changed=mapping.updated_at.isoformat(),
        schedule=f"/schedules?new={mapping.id}",
        runs=f"{RUNS}?mapping={mapping.id}",
    )
    if last is not None:
        row.status, row.last, row.last_run = status_of(last), last.created_at.isoformat(), run_address(last.id)
        row.loaded = short(last.counters.loaded) if last.started_at else ""
        row.rejected = short(last.counters.rejected) if last.counters.rejected else ""
    return row
