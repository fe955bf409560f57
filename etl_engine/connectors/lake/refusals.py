"""What the lake's library says, as an error that names the table and the repair."""

import contextlib
from collections.abc import Iterator

import pyarrow as pa
from deltalake.exceptions import CommitFailedError, DeltaError, DeltaProtocolError, SchemaMismatchError

from etl_engine.connectors.fault import said
from etl_engine.errors import EtlError, Missing, NotCapable, Rejected, Throttled, Unreachable

KIND = "lake"
_FULL = ("No space left", "Disk quota exceeded", "File too large")
_GONE = ("Generic S3 error", "Error performing", "error sending request", "Connection", "timed out", "imeout")


@contextlib.contextmanager
def told(name: str, doing: str, secret: str = "") -> Iterator[None]:
    try:
        yield
    except EtlError:
        raise
    except (DeltaError, OSError, pa.ArrowException, ValueError) as error:
        raise translated(name, doing, error, secret) from error


def translated(name: str, doing: str, error: BaseException, secret: str = "") -> EtlError:
    line = said(str(error), secret)
    what = f"{name}: {line}, while {doing}"
    if any(words in str(error) for words in _FULL):
        return Rejected(
            f"There is no room left for {name}: {line}, while {doing}",
            kind=KIND,
            hint="Free space on that disk, and run the copy again.",
        )
    if isinstance(error, CommitFailedError):
        if "oncurrent" in line:
            return Throttled(f"Somebody else changed {name} at the same time: {line}", kind=KIND)
        return Unreachable(what, kind=KIND, hint="Run it again.") if _is_gone(line) else Rejected(what, kind=KIND)
    if isinstance(error, DeltaProtocolError):
        return NotCapable(
            f"{name} uses what this engine cannot read exactly: {line}",
            hint="Rewrite the table without deletion vectors and column mapping.",
        )
    if isinstance(error, SchemaMismatchError):
        return Rejected(what, kind=KIND, hint="Compare the columns of source and target.")
    if _is_gone(line):
        return Unreachable(what, kind=KIND, hint="Run it again.")
    if isinstance(error, FileNotFoundError) or "not found" in line.lower() or "No such file" in line:
        return Missing(what, kind=KIND, hint="Look for a VACUUM that took away files too early.")
    return Rejected(what, kind=KIND, hint="Look at the table and its log.")


def _is_gone(line: str) -> bool:
    return any(word in line for word in _GONE)
