"""A folder of this machine. Every step of a path is opened without following links: what is outside stays outside."""

import contextlib
import errno
import fcntl
import io
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast
from uuid import uuid4

from etl_engine.connectors.files.folder import Folder, Hold, Item, Sink
from etl_engine.errors import Cancelled, ConnectorError, EtlError, Refused, Rejected, Unreachable

UNPUBLISHED = ".part"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_DEEPEST = 40


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
        found = self._folder(under)
        if found is None:
            return
        try:
            yield from self._walk(found, under, 0)
        finally:
            os.close(found)

    def _walk(self, folder: int, at: str, depth: int) -> Iterator[Item]:
        with _told(self, at):
            names = sorted(os.listdir(folder))
        for name in names:
            self._check()
            path = f"{at}/{name}" if at else name
            with _told(self, path):
                try:
                    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(status.st_mode):
                    yield _item(path, status)
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
            with _told(self, path):
                try:
                    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:
                    return None
                self._refuse_links(path, status)
                return _item(path, status) if stat.S_ISREG(status.st_mode) else None

    def folders(self, under: str) -> list[str]:
        found = self._folder(under)
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
        if _version(os.fstat(handle)) != item.version:
            os.close(handle)
            raise self._exchanged(item)
        return cast(BinaryIO, _Reading(self, handle, item.path))

    def read(self, path: str) -> tuple[bytes, str] | None:
        handle = self._open_file(path)
        if handle is None:
            return None
        with os.fdopen(handle, "rb") as file, _told(self, path):
            return file.read(), _version(os.fstat(handle))

    def create(self, path: str) -> Sink:
        return _LocalSink(self, path)

    def swap(self, path: str, data: bytes, version: str | None) -> str | None:
        with self._parent(path, make=True) as (folder, name):
            assert folder is not None  # noqa: S101 - it was made
            with _told(self, path), _locked(folder, f".{name}.lock"):
                if self._version_of(path) != version:
                    return None
                unfinished = f".{name}.{uuid4().hex}{UNPUBLISHED}"
                handle = os.open(unfinished, _MAKE, 0o644, dir_fd=folder)
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
                return _version(os.stat(name, dir_fd=folder, follow_symlinks=False))

    def delete(self, path: str) -> None:
        with self._parent(path) as (folder, name):
            if folder is None:
                return
            with _told(self, path), contextlib.suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                self._refuse_ours(path, status)
                os.unlink(name, dir_fd=folder)

    def sweep(self, under: str, marks: tuple[str, ...]) -> None:
        found = self._folder(under)
        if found is None:
            return
        try:
            for name in os.listdir(found):  # noqa: PTH208 - of an open folder
                if name.endswith(UNPUBLISHED) and name.startswith(marks):
                    with _told(self, name), contextlib.suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=found)
        finally:
            os.close(found)

    def hold(self, path: str) -> Hold | None:
        with self._parent(path, make=True) as (folder, name), _told(self, path):
            assert folder is not None  # noqa: S101 - it was made
            while True:
                handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    now = os.stat(name, dir_fd=folder, follow_symlinks=False)
                    if (now.st_dev, now.st_ino) == _inode(os.fstat(handle)):
                        return _Flock(self, path, handle)
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

    def _check(self) -> None:
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
        self._check()
        with self._parent(path) as (folder, name):
            if folder is None:
                return None
            with _told(self, path):
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
                if _inode(forbidden.stat()) == _inode(status):
                    raise Refused(f"{path} is one of the engine's own files", kind=self.kind, hint="Use another file.")

    def _refuse_others(self, path: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise Rejected(f"{path} is not a file", kind=self.kind, hint="Name a file.")

    def _refuse_links(self, path: str, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode):
            raise _link(self, path)

    @contextlib.contextmanager
    def _parent(self, path: str, *, make: bool = False) -> Iterator[tuple[int | None, str]]:
        at, _, name = path.rpartition("/")
        folder = self._folder(at, make=make)
        try:
            yield folder, name
        finally:
            if folder is not None:
                os.close(folder)

    def _folder(self, path: str, *, make: bool = False) -> int | None:
        """An open handle of the folder; None where there is none."""
        with _told(self, path or self.where):
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
                    inner = os.open(part, _FOLDER, dir_fd=at)
                except OSError as error:
                    link = _is_link(part, at)
                    os.close(at)
                    if link:
                        raise _link(self, path) from error
                    if error.errno in _ABSENT and not make:
                        return None
                    raise
                os.close(at)
                at = inner
            return at


class _Reading(io.RawIOBase):
    """A file being read; its errors in our words, and a stop ends it."""

    def __init__(self, folder: LocalFolder, handle: int, path: str) -> None:
        self._folder = folder
        self._file = io.FileIO(handle, "rb")
        self._path = path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int | None:
        self._folder._check()
        with _told(self._folder, self._path):
            return self._file.readinto(buffer)  # type: ignore[arg-type]

    def read(self, size: int | None = -1) -> bytes:
        self._folder._check()
        with _told(self._folder, self._path):
            if size is None or size < 0:
                return self._file.readall()
            return self._file.read(size) or b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


class _LocalSink(Sink):
    """A hidden file beside its place, linked into it when it is complete."""

    def __init__(self, folder: LocalFolder, path: str) -> None:
        self.path = path
        self._folder = folder
        at, _, name = path.rpartition("/")
        self._name = name
        self._at = folder._folder(at, make=True)
        self._unfinished = f".{name}{UNPUBLISHED}"
        self._published = False
        with _told(folder, path):
            assert self._at is not None  # noqa: S101 - it was made
            self._file: io.BufferedWriter | None = os.fdopen(
                os.open(self._unfinished, _MAKE, 0o644, dir_fd=self._at), "wb"
            )

    def write(self, data: bytes) -> int:
        self._folder._check()
        assert self._file is not None  # noqa: S101 - not after finish()
        with _told(self._folder, self.path):
            return self._file.write(data)

    def finish(self) -> int:
        assert self._file is not None  # noqa: S101 - once
        with _told(self._folder, self.path):
            self._file.flush()
            os.fsync(self._file.fileno())
            size = self._file.tell()
            self._file.close()
            self._file = None
        return size

    def publish(self) -> Item:
        with _told(self._folder, self.path):
            os.link(self._unfinished, self._name, src_dir_fd=self._at, dst_dir_fd=self._at, follow_symlinks=False)
            self._published = True
            os.unlink(self._unfinished, dir_fd=self._at)
            assert self._at is not None  # noqa: S101 - until it is discarded
            os.fsync(self._at)
            return _item(self.path, os.stat(self._name, dir_fd=self._at, follow_symlinks=False))

    def discard(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
        if self._at is None:
            return
        for name in (self._unfinished, *([self._name] if self._published else [])):
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._at)
        self.release()

    def release(self) -> None:
        if self._at is not None:
            os.close(self._at)
            self._at = None


class _Flock(Hold):
    """The kernel lets go of it when the process dies, however it dies."""

    def __init__(self, folder: LocalFolder, path: str, handle: int) -> None:
        self._folder = folder
        self._path = path
        self._handle: int | None = handle

    def release(self) -> None:
        if self._handle is None:
            return
        with contextlib.suppress(EtlError):
            self._folder.delete(self._path)
        os.close(self._handle)
        self._handle = None


@contextlib.contextmanager
def _locked(folder: int, name: str) -> Iterator[None]:
    """For the moment of a swap. The file stays: whoever waits for it must wait for the same one."""
    handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _told(folder: LocalFolder, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _translated(folder, path, error) from error


def _translated(folder: LocalFolder, path: str, error: OSError) -> ConnectorError:
    code = errno.errorcode.get(error.errno or 0, "")
    kind = folder.kind
    if error.errno in _FULL:
        return Rejected(
            f"There is no room left for {path} in {folder.where}",
            kind=kind,
            native_code=code,
            hint="Free space on that disk, and run the copy again.",
        )
    if error.errno in _CLOSED:
        return Refused(
            f"The account of this engine may not use {path} in {folder.where}: {error.strerror}",
            kind=kind,
            native_code=code,
            hint=f"Let it read and write there: chown -R etl-engine {folder.where}",
        )
    if error.errno == errno.ELOOP:
        return _link(folder, path)
    if error.errno == errno.EEXIST:
        return Rejected(f"There is a file {path} already", kind=kind, native_code=code, hint="Take it away.")
    if error.errno == errno.ENAMETOOLONG:
        return Rejected(
            f"The name {path[:80]} is longer than the file system allows", kind=kind, native_code=code,
            hint="Use a shorter name.",
        )  # fmt: skip
    return Rejected(
        f"{path} in {folder.where} cannot be used: {error.strerror or code}",
        kind=kind,
        native_code=code,
        hint="Look at the file and its disk.",
    )


def _link(folder: LocalFolder, path: str) -> Refused:
    return Refused(
        f"{path} is or lies behind a symbolic link, and links are not followed",
        kind=folder.kind,
        hint="Put the file itself into the folder.",
    )


def _is_link(name: str, at: int) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)
    return False


def _item(path: str, status: os.stat_result) -> Item:
    return Item(path, status.st_size, _version(status))


def _version(status: os.stat_result) -> str:
    return f"{status.st_dev}-{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
