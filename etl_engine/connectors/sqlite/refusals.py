"""What SQLite says in the middle of the work, by the name of its result code, as an error that names the repair."""

import re
import sqlite3

from etl_engine.connectors.fault import said
from etl_engine.errors import Cancelled, ConnectorError, Missing, Refused, Rejected, Throttled, Unreachable

KIND = "sqlite"
BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")
_ERRORS: dict[str, tuple[type[ConnectorError], str, str]] = {
    "SQLITE_BUSY": (
        Throttled,
        "{file} is locked by another program",
        "Wait until the other program has finished, or have it use PRAGMA journal_mode = WAL.",
    ),
    "SQLITE_LOCKED": (Throttled, "A table of {file} is locked by another statement", "Run the copy again."),
    "SQLITE_FULL": (Rejected, "The disk of {file} is full", "Free space, and run the copy again."),
    "SQLITE_READONLY": (
        Refused,
        "{file} may not be written by the account of this engine",
        "chmod o+w {file}, and let that account write to the folder of the file as well.",
    ),
    "SQLITE_PERM": (Refused, "{file} may not be opened by the account of this engine", "chmod o+r {file}"),
    "SQLITE_CANTOPEN": (
        Refused,
        "{file} cannot be opened together with its journal (files ending in -wal, -shm or -journal)",
        "Let the account of this engine read and write the folder of the file.",
    ),
    "SQLITE_CORRUPT": (Rejected, "{file} is damaged: {said}", 'sqlite3 {file} ".recover" | sqlite3 repaired.db'),
    "SQLITE_NOTADB": (
        Rejected,
        "{file} starts like SQLite and is not: it is encrypted or damaged",
        "Use a plain SQLite file.",
    ),
    "SQLITE_IOERR": (Unreachable, "The disk of {file} does not work: {said}", "Check the disk or network share."),
    "SQLITE_NOMEM": (Throttled, "There is no memory left to work on {file}", "Run the copy again."),
    "SQLITE_TOOBIG": (Rejected, "A value is larger than the 1 GB that SQLite holds", "Leave it out with --query."),
    "SQLITE_AUTH": (Refused, "The query does what a query may not do here: {said}", "Use SELECT only."),
}
_OF_ONE_COLUMN = ("SQLITE_CONSTRAINT_NOTNULL", "SQLITE_CONSTRAINT_DATATYPE")
_COLUMN = re.compile(r"\.([^.]+)$")
_HINTS = {
    "SQLITE_CONSTRAINT_NOTNULL": "Let the column take NULL, or leave these rows out with --query.",
    "SQLITE_CONSTRAINT_UNIQUE": "Use --mode merge with --key, or leave out rows that come twice.",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "Use --mode merge with --key, or leave out rows that come twice.",
    "SQLITE_CONSTRAINT_ROWID": "Use --mode merge with --key, or leave out rows that come twice.",
    "SQLITE_CONSTRAINT_CHECK": "Repair these rows, or leave them out with --query.",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "Copy the table that is referred to first.",
    "SQLITE_CONSTRAINT_DATATYPE": "Give the column of the STRICT table the type of the source.",
    "SQLITE_CONSTRAINT_TRIGGER": "Look at the trigger of the target table.",
}


def translated(error: sqlite3.Error, file: str, doing: str = "") -> Exception:
    """The product's error for the library's. `doing` is a phrase such as 'reading orders'."""
    name = str(getattr(error, "sqlite_errorname", ""))
    told = said(str(error), "")
    while_doing = f", while {doing}" if doing else ""
    if name == "SQLITE_INTERRUPT":
        return Cancelled("The copy was stopped")
    known = next((key for key in _ERRORS if name.startswith(key)), "")
    if known:
        made, message, hint = _ERRORS[known]
        facts = {"file": file, "said": told}
        sentence = message.format_map(facts) + while_doing
        return made(sentence, kind=KIND, native_code=name, hint=hint.format_map(facts))
    if told.startswith(("no such table", "no such column")):
        return Missing(f"{file} has {told}{while_doing}", kind=KIND, native_code=name, hint="Correct the name.")
    column = _COLUMN.search(told) if name in _OF_ONE_COLUMN else None
    return Rejected(
        f"SQLite says: {told}{while_doing}",
        kind=KIND,
        native_code=name,
        hint=_HINTS.get(name, "Correct the query." if name == "SQLITE_ERROR" else ""),
        context={"column": column[1]} if column else None,
    )
