"""A database that is one file: which paths are allowed, and a first look at the file before a library opens it.

Closing a file gives back every POSIX lock that this process holds on it, also those of a library that has it open
(https://sqlite.org/howtocorrupt.html, 2.2). So a file that a session holds is not opened here.
"""

import contextlib
import errno
import os
import stat
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from etl_engine.connectors import names
from etl_engine.connectors.contract import Surroundings, Who
from etl_engine.connectors.fault import Fault
from etl_engine.errors import ConnectorError, Missing, Refused, Rejected

Identity = tuple[int, int]

_looking = threading.Lock()
_held: Counter[Identity] = Counter()
_FILE_ERRORS = {
    errno.EACCES: ("file-not-readable", "{file} may not be read by the account of this engine", "chmod o+r {file}"),
    errno.EPERM: ("file-not-readable", "{file} may not be read by the account of this engine", "chmod o+r {file}"),
    errno.ENAMETOOLONG: ("path-too-long", "The path is longer than the file system allows", "Use a shorter path."),
    errno.ELOOP: ("path-changed", "{file} is a symbolic link that leads in a circle", "Use the path of the file."),
}
_ERRORS: dict[str, type[ConnectorError]] = {
    "file-missing": Missing,
    "path-outside": Refused,
    "path-forbidden": Refused,
    "no-file-roots": Refused,
    "file-not-readable": Refused,
}


@dataclass(frozen=True)
class Look:
    """What was seen of a file. `head` is empty where a session of this process has it open."""

    identity: Identity
    size: int
    head: bytes
    held: bool


@dataclass(frozen=True)
class DatabaseFile:
    """One file as somebody typed its path, and what the operator allows."""

    typed: str
    surroundings: Surroundings
    product: str  # "SQLite"
    journals: tuple[str, ...]  # what stands behind the name of the files beside it

    def path(self) -> Path:
        """The real path, inside a folder that is open for files. Fault otherwise."""
        roots = [Path(os.path.realpath(root)) for root in self.surroundings.file_roots]
        if not roots:
            raise Fault(
                "no-file-roots", "No folder is open for file connections", "Have the operator set FILE_ROOTS.", Who.DBA
            )
        candidates = [Path(os.path.realpath(root / self.typed)) for root in roots]  # an absolute path stays itself
        inside = [path for path in candidates if any(path.is_relative_to(root) for root in roots)]
        if not inside:
            listed = ", ".join(str(root) for root in roots)
            raise Fault(
                "path-outside",
                f"{self.typed} is not inside a folder that file connections may use",
                f"Move the file into one of: {listed}",
                Who.YOU,
            )
        path = next(filter(_exists, inside), inside[0])
        if any(self._is_ours(path, forbidden) for forbidden in self.surroundings.forbidden_paths):
            raise Fault(
                "path-forbidden", f"{self.typed} is one of the engine's own files", "Use another file.", Who.YOU
            )
        return path

    def look(self, path: Path, head_bytes: int) -> Look:
        with _looking:
            with contextlib.suppress(OSError):
                found = identity(path.stat())
                if _held[found]:
                    return Look(found, path.stat().st_size, b"", held=True)
            return self._look(path, head_bytes)

    def still_is(self, seen: Look, path: Path) -> None:
        """Libraries open by name: between our look and theirs somebody could have put another file there."""
        if identity(path.stat()) != seen.identity:
            raise Fault("path-changed", f"{self.typed} was exchanged during the check", "Test again.", Who.YOU)

    @contextlib.contextmanager
    def in_errors(self, kind: str) -> Iterator[None]:
        """For sessions: what a ladder would show as a failed rung comes out as an error."""
        try:
            yield
        except Fault as fault:
            made = _ERRORS.get(fault.code, Rejected)
            raise made(fault.cause, kind=kind, native_code=fault.code, hint=fault.fix) from fault

    def _look(self, path: Path, head_bytes: int) -> Look:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise self._no_file(path, error) from error
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise Fault(
                    "not-a-file", f"{self.typed} is not a file", f"Use the path of a {self.product} file.", Who.YOU
                )
            return Look(identity(status), status.st_size, os.read(handle, head_bytes), held=False)
        finally:
            os.close(handle)

    def _no_file(self, path: Path, error: OSError) -> Fault:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            there = []
            if path.parent.is_dir():
                there = [
                    each.name for each in path.parent.iterdir() if each.is_file() and not each.name.startswith(".")
                ]
            near = names.instead(path.name, there)
            return Fault(
                "file-missing",
                f"There is no file {self.typed}{near}",
                "Correct the path, or put the file there.",
                Who.YOU,
            )
        code, cause, fix = _FILE_ERRORS.get(
            error.errno or 0, ("file-not-readable", "{file} cannot be read: {why}", "Check the file and its disk.")
        )
        facts = {"file": self.typed, "why": error.strerror or ""}
        return Fault(code, cause.format_map(facts), fix.format_map(facts), Who.YOU)

    def _is_ours(self, path: Path, forbidden: Path) -> bool:
        """The forbidden file itself, under whatever name, or one of the journals beside it."""
        ours = os.path.realpath(forbidden)
        if str(path) in (ours, *(ours + ending for ending in self.journals)):
            return True
        try:
            return path.samefile(forbidden)
        except OSError:
            return False


def identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


def hold(path: Path) -> Identity:
    """A session is about to open this file; answers what to give to `release`. OSError where it is not there."""
    with _looking:
        found = identity(path.stat())
        _held[found] += 1
        return found


def release(found: Identity) -> None:
    """After the session has closed it."""
    with _looking:
        _held[found] -= 1


def sessions_on(found: Identity) -> int:
    """How many sessions of this process have the file open."""
    with _looking:
        return _held[found]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than the file system allows
        return False
