"""Single files of a folder of this machine: being read, being written, being held."""

import contextlib
import io
import os
from typing import TYPE_CHECKING

from etl_engine.connectors.files.folder import Hold, Item, Sink
from etl_engine.connectors.files.local_refusals import told
from etl_engine.errors import EtlError

if TYPE_CHECKING:
    from etl_engine.connectors.files.local import LocalFolder

UNPUBLISHED = ".part"
MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Reading(io.RawIOBase):
    """A file being read; its errors in our words, and a stop ends it."""

    def __init__(self, folder: "LocalFolder", handle: int, path: str) -> None:
        self._folder = folder
        self._file = io.FileIO(handle, "rb")
        self._path = path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int | None:
        self._folder.check()
        with told(self._folder.where, self._path):
            return self._file.readinto(buffer)  # type: ignore[arg-type]

    def read(self, size: int | None = -1) -> bytes:
        self._folder.check()
        with told(self._folder.where, self._path):
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


class LocalSink(Sink):
    """A hidden file beside its place, linked into it when it is complete."""

    def __init__(self, folder: "LocalFolder", path: str) -> None:
        self.path = path
        self._folder = folder
        at, _, name = path.rpartition("/")
        self._name = name
        self._at = folder.enter(at, make=True)
        self._unfinished = f".{name}{UNPUBLISHED}"
        self._published = False
        with told(folder.where, path):
            assert self._at is not None  # noqa: S101 - it was made
            self._file: io.BufferedWriter | None = os.fdopen(
                os.open(self._unfinished, MAKE, 0o644, dir_fd=self._at), "wb"
            )

    def write(self, data: bytes) -> int:
        self._folder.check()
        assert self._file is not None  # noqa: S101 - not after finish()
        with told(self._folder.where, self.path):
            return self._file.write(data)

    def finish(self) -> int:
        assert self._file is not None  # noqa: S101 - once
        with told(self._folder.where, self.path):
            self._file.flush()
            os.fsync(self._file.fileno())
            size = self._file.tell()
            self._file.close()
            self._file = None
        return size

    def publish(self) -> Item:
        with told(self._folder.where, self.path):
            os.link(self._unfinished, self._name, src_dir_fd=self._at, dst_dir_fd=self._at, follow_symlinks=False)
            self._published = True
            os.unlink(self._unfinished, dir_fd=self._at)
            assert self._at is not None  # noqa: S101 - until it is discarded
            os.fsync(self._at)
            return item_of(self.path, os.stat(self._name, dir_fd=self._at, follow_symlinks=False))

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


class Flock(Hold):
    """The kernel lets go of it when the process dies, however it dies."""

    def __init__(self, folder: "LocalFolder", path: str, handle: int) -> None:
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


def item_of(path: str, status: os.stat_result) -> Item:
    return Item(path, status.st_size, version_of(status))


def version_of(status: os.stat_result) -> str:
    return f"{status.st_dev}-{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"


def inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
