"""What PostgreSQL says in the middle of the work, by SQLSTATE, as an error that names the thing and the repair."""

import re
from typing import TYPE_CHECKING

import psycopg2

from etl_engine.connectors.fault import said
from etl_engine.connectors.names import double_quoted
from etl_engine.errors import (
    Cancelled,
    ConnectorError,
    ContextValue,
    Missing,
    Refused,
    Rejected,
    Throttled,
    Unreachable,
)

if TYPE_CHECKING:
    from etl_engine.connectors.pg.session import Session

_KIND = "postgresql"
_GONE = ("08", "57P01", "57P02", "57P03")
_FULL = {"53300": "The server has no connection left", "53200": "The server is out of memory"}
_AGAIN = {
    "40001": "The server could not serialise the transaction",
    "40P01": "The server ended a deadlock at our cost",
    "55P03": "A lock that is needed is held by somebody else",
    "40003": "The server does not know how the statement ended",
}
_HINTS = {
    "23502": "Let the column take NULL, or leave these rows out with --query.",
    "22001": "Widen the column of the target.",
    "22003": "Widen the column of the target.",
    "22P02": "Give the column of the target the type of the source.",
    "22021": "The text has bytes that the target's encoding cannot hold: repair it in the source.",
    "22P05": "The text has characters that the target's encoding cannot hold.",
    "53100": "Free space on the server, and run the copy again.",
    "53000": "Give the server more of that resource, and run the copy again.",
    "25006": "Use SELECT only; a query that changes data is not copied.",
    "42601": "Correct the query.",
    "42501": "Ask the owner for the right.",
}
_COLUMN = re.compile(r"COPY .+, line \d+, column ([^:\n]+)")
_SCHEMA_OR_TABLE = re.compile(r"(?:for|of|in|to) (table|view|relation|schema|sequence|function) \"?([^\"]+)\"?")


def translated(error: psycopg2.Error, session: "Session", doing: str = "") -> Exception:
    """The product's error for a driver's. `doing` is a phrase such as 'reading public.orders'."""
    state = error.pgcode or ""
    diag = error.diag
    told = said(diag.message_primary or str(error) or "the connection broke", "")
    detail = said(" ".join(filter(None, (diag.message_detail, _place(diag)))), "")
    sentence = f"{told}{f' ({detail})' if detail else ''}{f', while {doing}' if doing else ''}"
    if state == "57014":
        return Cancelled("The copy was stopped")
    if session.connection.closed or state.startswith(_GONE) or not state:
        return Unreachable(
            f"{session.where} ended the connection: {sentence}", kind=_KIND, native_code=state, hint="Run it again."
        )
    if state in _FULL:
        return Throttled(f"{_FULL[state]}: {sentence}", kind=_KIND, native_code=state)
    if state in _AGAIN:
        return Throttled(f"{_AGAIN[state]}: {sentence}", kind=_KIND, native_code=state)
    if state in ("42501", "28000"):
        return Refused(
            f"{session.where} refuses it to {session.user}: {sentence}",
            kind=_KIND,
            native_code=state,
            hint=grant(told, session.user),
        )
    made: type[ConnectorError] = Missing if state in ("42P01", "3F000", "42703", "42704") else Rejected
    return made(
        f"{session.where} says: {sentence}",
        kind=_KIND,
        native_code=state,
        hint=diag.message_hint or _HINTS.get(state, ""),
        context=_column(diag),
    )


def grant(told: str, user: str) -> str:
    """The GRANT that would help against a "permission denied", as far as the server's sentence tells."""
    found = _SCHEMA_OR_TABLE.search(told)
    if "row-level security" in told:
        return f"Have a role with BYPASSRLS copy the table: ALTER ROLE {double_quoted(user)} BYPASSRLS;"
    if not found:
        return _HINTS["42501"]
    kind, name = found.groups()
    if kind == "schema":
        return f"GRANT USAGE, CREATE ON SCHEMA {double_quoted(name)} TO {double_quoted(user)};"
    return f"GRANT SELECT ON {double_quoted(name)} TO {double_quoted(user)};"


def _column(diag: psycopg2.extensions.Diagnostics) -> dict[str, ContextValue]:
    """Which column it was about, where the server says so."""
    found = _COLUMN.search(diag.context or "")
    name = diag.column_name or (found[1] if found else "")
    return {"column": name} if name else {}


def _place(diag: psycopg2.extensions.Diagnostics) -> str:
    """COPY says in its context which line and column it was at; the value itself is data and stays out."""
    context = diag.context or ""
    found = re.search(r"COPY [^,]+, line \d+(?:, column [^:]+)?", context)
    return found[0] if found else ""
