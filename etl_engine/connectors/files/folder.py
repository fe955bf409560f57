"""What lies under the files: a folder of this machine or a prefix of a bucket, with the same few verbs."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from etl_engine.errors import BadInput

_LONGEST = 1000
_CONTROLS = frozenset(map(chr, (*range(32), 127)))


@dataclass(frozen=True)
class Item:
    """One file, as it was when it was listed."""

    path: str  # relative to the folder, parts divided by "/"
    size: int
    version: str  # another one as soon as the content is another one


class Sink(ABC):
    """A file on its way: nobody sees it before `publish`, and nothing of it is left after `discard`."""

    path: str

    @abstractmethod
    def write(self, data: bytes) -> int: ...

    @abstractmethod
    def finish(self) -> int:
        """All bytes are safe on the other side, still unseen; answers how many."""

    @abstractmethod
    def publish(self) -> Item:
        """Everybody sees the whole file under its name; never over another one."""

    @abstractmethod
    def release(self) -> None:
        """Done with it: what was published stays."""

    @abstractmethod
    def discard(self) -> None:
        """Take back what was written, published or not; harmless a second time."""


class Hold(ABC):
    """The exclusive right to a name for as long as this process lives."""

    @abstractmethod
    def release(self) -> None: ...


class Folder(ABC):
    """Paths are relative and checked with `checked`. Errors are translated: Missing, Refused, Rejected, Unreachable."""

    kind: str
    where: str  # for messages
    identity: str  # the same for two roads to one place
    patience: float = 6.0  # seconds until what a process held that was killed can be had again

    @abstractmethod
    def items(self, under: str) -> Iterator[Item]:
        """All files in this folder and below it, in the order of their paths; none where there is no such folder."""

    @abstractmethod
    def item(self, path: str) -> Item | None: ...

    @abstractmethod
    def folders(self, under: str) -> list[str]:
        """Names of the folders directly in this one."""

    @abstractmethod
    def open(self, item: Item) -> BinaryIO:
        """A file to read and seek in. Unreachable where it is no longer the one that was listed."""

    @abstractmethod
    def read(self, path: str) -> tuple[bytes, str] | None:
        """A small file and its version; None where there is none."""

    @abstractmethod
    def create(self, path: str) -> Sink: ...

    @abstractmethod
    def swap(self, path: str, data: bytes, version: str | None) -> str | None:
        """Put a small file in the place of that version (None: of no file), all at once. Answers its new version, or
        None where somebody else was first."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Exactly this file; harmless where it is gone."""

    @abstractmethod
    def sweep(self, under: str, marks: tuple[str, ...]) -> None:
        """Take back unpublished files in this folder whose names begin with one of these marks."""

    def sync(self, under: str, newer_than: str) -> None:  # noqa: B027 - a service that answers has kept it
        """What others wrote below `under` since that file was swapped outlasts a power cut, whoever wrote it."""

    @abstractmethod
    def hold(self, path: str) -> Hold | None:
        """None while another process holds it."""

    @abstractmethod
    def stop(self) -> None:
        """Break off what waits; called from another thread."""

    @abstractmethod
    def close(self) -> None: ...


def checked(path: str, *, what: str = "path") -> str:
    """The path, if it can only lead to something inside the folder; its parts are divided by single slashes."""
    shown = path if len(path) <= 80 else path[:77] + "..."
    if not path.strip():
        raise BadInput(f"The {what} is empty", hint="Name a file, a folder or a pattern such as orders/*.csv.")
    if len(path) > _LONGEST:
        raise BadInput(f"The {what} {shown!r} is longer than {_LONGEST} characters", hint="Use a shorter path.")
    if _CONTROLS & set(path):
        raise BadInput(f"The {what} {shown!r} has a control character", hint="Use a path without it.")
    if "::" in path or "://" in path:
        raise BadInput(f"The {what} {shown!r} is an address", hint="Use a path relative to the folder.")
    if path.startswith(("/", "~")) or "\\" in path:
        raise BadInput(
            f"The {what} {shown!r} leads out of the folder of this connection",
            hint="Use a path relative to the folder, divided by /.",
        )
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise BadInput(
            f"The {what} {shown!r} leads out of the folder of this connection", hint="Use a path without '..'."
        )
    if not parts:
        raise BadInput(f"The {what} {shown!r} names the folder itself", hint="Name something inside it.")
    return "/".join(parts)
