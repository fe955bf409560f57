"""What DuckDB says, by the class of its exception, as an error that names the thing and the repair."""

import re

import duckdb

from etl_engine.connectors.fault import said
from etl_engine.errors import Cancelled, ConnectorError, Missing, Refused, Rejected, Throttled, Unreachable

KIND = "duckdb"
_LOCKED = re.compile(r"Could not set lock on file.*?\(PID (\d+)\)", re.DOTALL)
_PREFIX = re.compile(r"^(?:[A-Z][A-Za-z]*(?: [A-Z]\w*)* )?(?:Error|Exception): ")
_HINTS = (
    ("NOT NULL", "Let the column take NULL, or leave these rows out with --query."),
    ("duplicate key", "Use --mode merge with --key, or leave out rows that come twice."),
    ("CHECK constraint", "Repair these rows, or leave them out with --query."),
    ("foreign key", "Copy the table that is referred to first, and empty it last."),
)
_FULL = ("No space left", "max_temp_directory_size", "disk quota", "File too large")


def lock_holder(text: str) -> str:
    """The process that has the file, if that is what the library says; "" otherwise."""
    found = _LOCKED.search(text)
    return found[1] if found else ""


def in_use(file: str, pid: str) -> Throttled:
    return Throttled(
        f"{file} is open in another process (PID {pid}), and a DuckDB file opens in one process at a time",
        kind=KIND,
        native_code="lock",
        hint=f"Close it there, or have all of them open it read-only. To see which it is: ps -p {pid}",
    )


def translated(error: duckdb.Error, file: str, doing: str = "") -> Exception:
    """The product's error for the library's. `doing` is a phrase such as 'reading main.orders'."""
    whole = str(error)
    told = said(_PREFIX.sub("", whole.split("\n", 1)[0]), "")
    name = type(error).__name__
    while_doing = f", while {doing}" if doing else ""
    if isinstance(error, duckdb.InterruptException):
        return Cancelled("The copy was stopped")
    if pid := lock_holder(whole):
        return in_use(file, pid)
    made, hint = _classified(error, whole)
    sentence = f"{file}: {told}{while_doing}"
    return made(sentence, kind=KIND, native_code=name, hint=hint)


def _classified(error: duckdb.Error, told: str) -> tuple[type[ConnectorError], str]:
    if any(words in told for words in _FULL):
        return Rejected, "Free space on the disk of the file, and run the copy again."
    if isinstance(error, duckdb.ConstraintException):
        return Rejected, next((hint for words, hint in _HINTS if words in told), "")
    if "read-only mode" in told:
        return _NOT_HERE
    if isinstance(error, duckdb.TransactionException) and "onflict" not in told:
        return Rejected, ""
    return next((answer for kind, answer in _ANSWERS if isinstance(error, kind)), (Rejected, ""))


_NOT_HERE: tuple[type[ConnectorError], str] = (
    Refused,
    "Use the tables of the file only; files, extensions and other databases are closed here.",
)
_AGAIN = "Check the disk of the file, and run it again."
_ANSWERS: tuple[tuple[type[duckdb.Error], tuple[type[ConnectorError], str]], ...] = (
    (duckdb.OutOfMemoryException, (Rejected, "Copy fewer rows at a time (--slice-rows).")),
    (duckdb.TransactionException, (Throttled, "Run the copy again.")),
    (duckdb.CatalogException, (Missing, "Correct the name.")),
    (duckdb.PermissionException, _NOT_HERE),
    (duckdb.IOException, (Unreachable, _AGAIN)),
    (duckdb.FatalException, (Unreachable, _AGAIN)),
    (duckdb.InternalException, (Unreachable, _AGAIN)),
    (duckdb.ParserException, (Rejected, "Correct the query.")),
    (duckdb.BinderException, (Rejected, "Correct the query.")),
)
