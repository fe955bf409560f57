"""A file as a stream of bytes: unpacked, in UTF-8, and watched for an end in the middle."""

import codecs
import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from etl_engine.connectors.files.folder import Folder, Item
from etl_engine.errors import EtlError, Rejected

_BLOCK = 1 << 20
_TAIL = 1 << 16


def unpacked(folder: Folder, item: Item, compression: str) -> Any:
    """The bytes inside; a file that was cut off raises where it ends."""
    file = folder.open(item)
    if compression == "none":
        return io.BufferedReader(file, _BLOCK)
    return io.BufferedReader(_Guarded(pa.CompressedInputStream(pa.PythonFile(file, "r"), compression), folder, item))


class _Guarded(io.RawIOBase):
    """What the unpacker says of a damaged file, in our words."""

    def __init__(self, stream: Any, folder: Folder, item: Item) -> None:
        self._stream = stream
        self._folder = folder
        self._item = item

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            part = self._stream.read(len(buffer))
        except EtlError:
            raise
        except (OSError, pa.ArrowException) as error:
            raise broken(self._folder, self._item, error) from error
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self._stream.close()
        super().close()


def broken(folder: Folder, item: Item, error: BaseException) -> Rejected:
    told = " ".join(str(error).split())[:160]
    cut = "runcated" in told or "no magic bytes" in told or "footer" in told.lower()
    fact = f"{item.path} is cut off or damaged" if cut else f"{item.path} cannot be read"
    return Rejected(
        f"{fact}: {told}",
        kind=folder.kind,
        hint="Fetch the file again from where it came, and compare its size.",
    )


class Utf8(io.RawIOBase):
    """Text of another encoding as UTF-8; a byte that is none raises with its place."""

    def __init__(self, stream: Any, encoding: str, item: Item, kind: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._encoding = encoding
        self._item = item
        self._kind = kind
        self._at = 0
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._ended:
            part = self._stream.read(_BLOCK)
            self._ended = not part
            try:
                text = self._decoder.decode(part, final=self._ended)
            except UnicodeDecodeError as error:
                raise not_text(self._item, self._kind, self._encoding, self._at + error.start, error) from error
            self._at += len(part)
            self._ready = text.encode()
        part, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self._stream.close()
        super().close()


def not_text(item: Item, kind: str, encoding: str, at: int, error: UnicodeDecodeError | None = None) -> Rejected:
    bad = f" (0x{error.object[error.start]:02X})" if error and error.start < len(error.object) else ""
    return Rejected(
        f"{item.path}: byte {at}{bad} is no {encoding} text",
        kind=kind,
        hint="Set the connection's csv_encoding to what the file is written in, or repair the file.",
    )


class Watched(io.RawIOBase):
    """Counts the quotes and keeps the end, by which a file is known that ends inside a quoted value."""

    def __init__(self, stream: Any, look: Callable[[], None]) -> None:
        self._stream = stream
        self._look = look
        self.quotes = 0
        self.tail = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        self._look()
        part: bytes = self._stream.read(-1 if size is None else size)
        self.quotes += part.count(b'"')
        self.tail = (self.tail + part)[-_TAIL:] if len(part) < _TAIL else part[-_TAIL:]
        return part

    def readinto(self, buffer: Any) -> int:
        part = self.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    def ends_inside(self, last: bytes) -> bool:
        """Whether the last value, as it was read, was opened by a quote that nothing closes."""
        if self.quotes % 2 == 0:
            return False
        return self.tail.endswith((b'"' + last.replace(b'"', b'""'))[-_TAIL:])
