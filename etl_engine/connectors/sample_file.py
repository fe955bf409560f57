"""The sample shop as a file: made complete or not at all, never over another file, and looked at before it is used."""

import contextlib
import errno
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from etl_engine.connectors import sample_shop
from etl_engine.connectors.sample_shop import APPLICATION_ID, TABLES, OnProgress
from etl_engine.errors import Rejected
from etl_engine.faultpoints import faultpoint

_UNFINISHED = ".building-"
_ABANDONED_SECONDS = 600  # a build takes seconds; an older unfinished file is one of a process that died
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def make(file: Path, on_progress: OnProgress) -> None:
    """Build the shop under another name and put it in place; a file that somebody else put there first stays.

    Rejected, with what to do, where the folder cannot be written or is full.
    """
    with _in_our_words(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        _sweep(file.parent)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=_UNFINISHED)  # mkstemp makes it 0600
        unfinished = Path(name)
        try:
            os.close(handle)
            sample_shop.build(unfinished, on_progress)
            _flush(unfinished)
            faultpoint("sample.before_place")
            _place(unfinished, file)
            _flush(file.parent)
        finally:
            unfinished.unlink(missing_ok=True)


def is_intact(file: Path) -> bool:
    """Whether the file is a sample shop that can be read; its rows may have been changed."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=1)) as database:
            if database.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
                return False
            names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return names.issuperset(TABLES) and database.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    except sqlite3.OperationalError as error:
        return error.sqlite_errorname.startswith("SQLITE_BUSY")  # somebody is writing to it
    except sqlite3.Error:
        return False


def _place(unfinished: Path, file: Path) -> None:
    """Give the file its name, unless there is a file of that name by now."""
    try:
        os.link(unfinished, file)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        if not os.path.lexists(file):
            unfinished.rename(file)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    for leftover in folder.glob(f"{_UNFINISHED}*"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > _ABANDONED_SECONDS:
                leftover.unlink()


@contextmanager
def _in_our_words(folder: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = error.sqlite_errorname
        raise _no_room(folder, code) if code == "SQLITE_FULL" else _failed(folder, code) from error
    except OSError as error:
        code = errno.errorcode.get(error.errno or 0, "")
        if error.errno in _NO_ROOM:
            raise _no_room(folder, code) from error
        if error.errno in _NOT_ALLOWED:
            raise Rejected(
                f"The folder {folder} cannot be written",
                kind="sqlite",
                native_code=code,
                hint="Let the account of this engine write to it, or set FILE_ROOTS to another folder.",
            ) from error
        raise _failed(folder, error.strerror or code) from error


def _no_room(folder: Path, code: str) -> Rejected:
    return Rejected(
        f"There is no room for the sample shop in {folder}: it takes 25 MB",
        kind="sqlite",
        native_code=code,
        hint="Free some space, or set FILE_ROOTS to a folder on another disk.",
    )


def _failed(folder: Path, what: str) -> Rejected:
    return Rejected(
        f"The sample shop cannot be written to {folder}: {what}",
        kind="sqlite",
        native_code=what,
        hint="Look at the disk and the folder, or set FILE_ROOTS to another folder.",
    )
