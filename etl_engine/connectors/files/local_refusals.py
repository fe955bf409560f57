"""What the file system of this machine says no to, as an error that names the path and the repair."""

import contextlib
import errno
from collections.abc import Iterator

from etl_engine.errors import ConnectorError, Refused, Rejected

KIND = "files"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextlib.contextmanager
def told(where: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _translated(where, path, error) from error


def _translated(where: str, path: str, error: OSError) -> ConnectorError:
    code = errno.errorcode.get(error.errno or 0, "")
    kind = KIND
    if error.errno in _FULL:
        return Rejected(
            f"There is no room left for {path} in {where}",
            kind=kind,
            native_code=code,
            hint="Free space on that disk, and run the copy again.",
        )
    if error.errno in _CLOSED:
        return Refused(
            f"The account of this engine may not use {path} in {where}: {error.strerror}",
            kind=kind,
            native_code=code,
            hint=f"Let it read and write there: chown -R etl-engine {where}",
        )
    if error.errno == errno.ELOOP:
        return behind_link(path)
    if error.errno == errno.EEXIST:
        return Rejected(f"There is a file {path} already", kind=kind, native_code=code, hint="Take it away.")
    if error.errno == errno.ENAMETOOLONG:
        return Rejected(
            f"The name {path[:80]} is longer than the file system allows", kind=kind, native_code=code,
            hint="Use a shorter name.",
        )  # fmt: skip
    return Rejected(
        f"{path} in {where} cannot be used: {error.strerror or code}",
        kind=kind,
        native_code=code,
        hint="Look at the file and its disk.",
    )


def behind_link(path: str) -> Refused:
    return Refused(
        f"{path} is or lies behind a symbolic link, and links are not followed",
        kind=KIND,
        hint="Put the file itself into the folder.",
    )
