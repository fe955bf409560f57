"""A folder of this machine. Every step of a path is opened without following links: what is outside stays outside."""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from etl_engine.connectors.files.folder import Folder, Hold, Item, Sink
from etl_engine.connectors.files.local_files import (
    MAKE,
    UNPUBLISHED,
    Flock,
    LocalSink,
    Reading,
    inode,
    item_of,
    version_of,
)
from etl_engine.connectors.files.local_refusals import behind_link, told
from etl_engine.errors import Cancelled, Refused, Rejected, Unreachable

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
_DEEPEST = 40
_CLOCK_NS = 20_000_000  # what the clock of a file system may be coarse by


class LocalFolder(Folder):
    """Below `root`, which was resolved and found to be allowed."""

    kind = "files"

    def __init__(self, root: Path, forbidden: Sequence[Path] = ()) -> None:
        self.root = root
        self.where = str(root)
        self.identity = f"files:{root}"
        self._forbidden = tuple(forbidden)
        self._stopped = False

    def items(self, under: str) -> Iterator[Item]:
        found = self.enter(under)
        if found is None:
            return
        try:
            yield from self._walk(found, under, 0)
        finally:
            os.close(found)

    def _walk(self, folder: int, at: str, depth: int) -> Iterator[Item]:
        with told(self.where, at):
            names = sorted(os.listdir(folder))
        for name in names:
            self.check()
            path = f"{at}/{name}" if at else name
            with told(self.where, path):
                try:
                    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(status.st_mode):
                    yield item_of(path, status)
                elif stat.S_ISDIR(status.st_mode) and depth < _DEEPEST:
                    inner = os.open(name, _FOLDER, dir_fd=folder)
                    try:
                        yield from self._walk(inner, path, depth + 1)
                    finally:
                        os.close(inner)

    def item(self, path: str) -> Item | None:
        with self._parent(path) as (folder, name):
            if folder is None:
                return None
            with told(self.where, path):
                try:
                    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:
                    return None
                self._refuse_links(path, status)
                return item_of(path, status) if stat.S_ISREG(status.st_mode) else None

    def folders(self, under: str) -> list[str]:
        found = self.enter(under)
        if found is None:
            return []
        try:
            with os.scandir(found) as entries:
                return sorted(each.name for each in entries if each.is_dir(follow_symlinks=False))
        finally:
            os.close(found)

    def open(self, item: Item) -> BinaryIO:
        handle = self._open_file(item.path)
        if handle is None:
            raise self._exchanged(item)
        if version_of(os.fstat(handle)) != item.version:
            os.close(handle)
            raise self._exchanged(item)
        return cast(BinaryIO, Reading(self, handle, item.path))

    def read(self, path: str) -> tuple[bytes, str] | None:
        handle = self._open_file(path)
        if handle is None:
            return None
        with os.fdopen(handle, "rb") as file, told(self.where, path):
            return file.read(), version_of(os.fstat(handle))

    def create(self, path: str) -> Sink:
        return LocalSink(self, path)

    def swap(self, path: str, data: bytes, version: str | None) -> str | None:
        with self._parent(path, make=True) as (folder, name):
            assert folder is not None  # noqa: S101 - it was made
            with told(self.where, path), _locked(folder, f".{name}.lock"):
                if self._version_of(path) != version:
                    return None
                unfinished = f".{name}{UNPUBLISHED}"
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(unfinished, dir_fd=folder)  # of one who died here: the lock is ours, so nobody writes it
                handle = os.open(unfinished, MAKE, 0o644, dir_fd=folder)
                try:
                    with os.fdopen(handle, "wb") as file:
                        file.write(data)
                        file.flush()
                        os.fsync(handle)
                    os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
                except BaseException:
                    with contextlib.suppress(OSError):
                        os.unlink(unfinished, dir_fd=folder)
                    raise
                os.fsync(folder)
                return version_of(os.stat(name, dir_fd=folder, follow_symlinks=False))

    def delete(self, path: str) -> None:
        with self._parent(path) as (folder, name):
            if folder is None:
                return
            with told(self.where, path), contextlib.suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                self._refuse_ours(path, status)
                os.unlink(name, dir_fd=folder)

    def sweep(self, under: str, marks: tuple[str, ...]) -> None:
        found = self.enter(under)
        if found is None:
            return
        try:
            for name in os.listdir(found):  # noqa: PTH208 - of an open folder
                if name.endswith(UNPUBLISHED) and name.startswith(marks):
                    with told(self.where, name), contextlib.suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=found)
        finally:
            os.close(found)

    def sync(self, under: str, newer_than: str) -> None:
        with self._parent(newer_than) as (folder, name):
            if folder is None:
                return
            with told(self.where, newer_than):
                since = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime_ns - _CLOCK_NS
        start = self.enter(under)
        if start is None:
            return
        try:
            with told(self.where, under):
                _sync(start, since, 0)
        finally:
            os.close(start)

    def hold(self, path: str) -> Hold | None:
        with self._parent(path, make=True) as (folder, name), told(self.where, path):
            assert folder is not None  # noqa: S101 - it was made
            while True:
                handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    now = os.stat(name, dir_fd=folder, follow_symlinks=False)
                    if (now.st_dev, now.st_ino) == inode(os.fstat(handle)):
                        return Flock(self, path, handle)
                except BlockingIOError:
                    os.close(handle)
                    return None
                except FileNotFoundError:
                    pass
                os.close(handle)  # who held it before has taken the file away

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        """Every file is closed by whoever opened it."""

    def check(self) -> None:
        if self._stopped:
            raise Cancelled("The copy was stopped")

    def _exchanged(self, item: Item) -> Unreachable:
        return Unreachable(
            f"{item.path} was exchanged or taken away while it was read", kind=self.kind, hint="Run it again."
        )

    def _version_of(self, path: str) -> str | None:
        found = self.item(path)
        return found.version if found else None

    def _open_file(self, path: str) -> int | None:
        self.check()
        with self._parent(path) as (folder, name):
            if folder is None:
                return None
            with told(self.where, path):
                try:
                    handle = os.open(name, _READ, dir_fd=folder)
                except FileNotFoundError:
                    return None
                try:
                    status = os.fstat(handle)
                    self._refuse_others(path, status)
                    self._refuse_ours(path, status)
                except BaseException:
                    os.close(handle)
                    raise
                return handle

    def _refuse_ours(self, path: str, status: os.stat_result) -> None:
        for forbidden in self._forbidden:
            with contextlib.suppress(OSError):
                if inode(forbidden.stat()) == inode(status):
                    raise Refused(f"{path} is one of the engine's own files", kind=self.kind, hint="Use another file.")

    def _refuse_others(self, path: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise Rejected(f"{path} is not a file", kind=self.kind, hint="Name a file.")

    def _refuse_links(self, path: str, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode):
            raise behind_link(path)

    @contextlib.contextmanager
    def _parent(self, path: str, *, make: bool = False) -> Iterator[tuple[int | None, str]]:
        at, _, name = path.rpartition("/")
        folder = self.enter(at, make=make)
        try:
            yield folder, name
        finally:
            if folder is not None:
                os.close(folder)

    def enter(self, path: str, *, make: bool = False) -> int | None:
        """An open handle of the folder; None where there is none."""
        with told(self.where, path or self.where):
            try:
                at = os.open(self.root, _FOLDER)
            except FileNotFoundError:
                if not make:
                    return None
                self.root.mkdir(parents=True, exist_ok=True)
                at = os.open(self.root, _FOLDER)
            for part in filter(None, path.split("/")):
                try:
                    if make:
                        with contextlib.suppress(FileExistsError):
                            os.mkdir(part, 0o755, dir_fd=at)
                            os.fsync(at)  # else a power cut may take the folder with all that is safe in it
                    inner = os.open(part, _FOLDER, dir_fd=at)
                except OSError as error:
                    link = _is_link(part, at)
                    os.close(at)
                    if link:
                        raise behind_link(path) from error
                    if error.errno in _ABSENT and not make:
                        return None
                    raise
                os.close(at)
                at = inner
            return at


def _sync(folder: int, since: int, depth: int) -> None:
    """Files that are newer, and the names in every folder that is."""
    with os.scandir(folder) as entries:
        found = [(one.name, one.stat(follow_symlinks=False)) for one in entries]
    for name, status in found:
        inside = stat.S_ISDIR(status.st_mode) and depth < _DEEPEST
        if not inside and (not stat.S_ISREG(status.st_mode) or status.st_mtime_ns < since):
            continue
        try:
            handle = os.open(name, _FOLDER if inside else _READ, dir_fd=folder)
        except FileNotFoundError:
            continue
        try:
            _sync(handle, since, depth + 1) if inside else os.fsync(handle)
        finally:
            os.close(handle)
    if os.fstat(folder).st_mtime_ns >= since:
        os.fsync(folder)


@contextlib.contextmanager
def _locked(folder: int, name: str) -> Iterator[None]:
    """For the moment of a swap. The file stays: whoever waits for it must wait for the same one."""
    handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _is_link(name: str, at: int) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)
    return False
