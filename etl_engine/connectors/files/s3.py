"""A prefix of a bucket as a folder: objects that appear whole, and small ones that are swapped under a condition."""

import contextlib
import email.utils
import io
import json
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast
from uuid import uuid4

from etl_engine.connectors.files.folder import Folder, Hold, Item, Sink, checked
from etl_engine.connectors.files.s3_client import Client
from etl_engine.errors import EtlError, NotCapable, Rejected, Unreachable

PART_BYTES = 16 << 20  # a multipart upload has at most 10,000 parts: files of up to 160 GB
_AHEAD = 4 << 20
_SMALL = 64 << 10
LEASE_SECONDS = 20.0
BEAT_SECONDS = 5.0
_PAGE = "1000"


class S3Folder(Folder):
    """Keys below `prefix`; nothing outside it is ever named."""

    kind = "s3"

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        # A prefix is a part of a key and no path, but libraries that read it as one must not be led elsewhere by it.
        self._prefix = checked(prefix.strip("/"), what="prefix") if prefix.strip("/") else ""
        fields = client.fields
        self.where = f"{client.bucket}/{self._prefix}".rstrip("/")
        self.identity = f"s3:{fields.host}:{fields.port}/{client.bucket}/{self._prefix}"
        self.patience = LEASE_SECONDS + BEAT_SECONDS
        self._closing: list[Callable[[], None]] = []

    def items(self, under: str) -> Iterator[Item]:
        start = self._key(f"{under}/" if under else "")
        for page in self._pages({"list-type": "2", "prefix": start, "max-keys": _PAGE}, "list"):
            for one in page.iter(_tag(page, "Contents")):
                key = _text(one, "Key")
                path = key[len(self._prefix) + 1 :] if self._prefix else key
                if key.endswith("/") or not path or ".." in path.split("/") or "//" in path:
                    continue
                yield Item(path, int(_text(one, "Size") or 0), _text(one, "ETag"))

    def folders(self, under: str) -> list[str]:
        start = self._key(f"{under}/" if under else "")
        query = {"list-type": "2", "prefix": start, "delimiter": "/", "max-keys": _PAGE}
        found = []
        for page in self._pages(query, "list"):
            for one in page.iter(_tag(page, "CommonPrefixes")):
                found.append(_text(one, "Prefix")[len(start) :].rstrip("/"))
        return sorted(name for name in found if name)

    def item(self, path: str) -> Item | None:
        reply = self._client.ask("HEAD", self._key(path), f"look at {path}", accept=(404,))
        if reply.status == 404:
            return None
        return Item(path, int(reply.headers.get("content-length", 0)), reply.headers.get("etag", ""))

    def open(self, item: Item) -> BinaryIO:
        return cast(BinaryIO, _Reading(self, item))

    def read(self, path: str) -> tuple[bytes, str] | None:
        reply = self._client.ask("GET", self._key(path), f"read {path}", accept=(404,))
        if reply.status == 404:
            self._insist_on_the_bucket(reply.body)
            return None
        return reply.body, reply.headers.get("etag", "")

    def create(self, path: str) -> Sink:
        return _Upload(self, path)

    def swap(self, path: str, data: bytes, version: str | None) -> str | None:
        condition = {"if-none-match": "*"} if version is None else {"if-match": version}
        reply = self._client.ask(
            "PUT", self._key(path), f"write {path}", headers=condition, body=data, accept=(412, 409, 404), once=True
        )
        if reply.status == 404:
            self._insist_on_the_bucket(reply.body)
        return reply.headers.get("etag", "") if reply.status < 300 else None

    def delete(self, path: str) -> None:
        self._client.ask("DELETE", self._key(path), f"delete {path}", accept=(404,))

    def sweep(self, under: str, marks: tuple[str, ...]) -> None:
        names = tuple(mark.lstrip(".") for mark in marks)
        start = self._key(f"{under}/")
        reply = self._client.ask(
            "GET", "", "list uploads", query={"uploads": "", "prefix": start}, accept=(403, 404, 501)
        )
        if reply.status >= 300:
            return  # uploads that were broken off are then taken away by a rule of the bucket
        page = ET.fromstring(reply.body)  # noqa: S314 - expat bounds what entities may grow to
        for one in page.iter(_tag(page, "Upload")):
            key = _text(one, "Key")
            if key.startswith(start) and key[len(start) :].startswith(names):
                query = {"uploadId": _text(one, "UploadId")}
                self._client.ask("DELETE", key, "give up an upload", query=query, accept=(404,))

    def hold(self, path: str) -> Hold | None:
        reply = self._client.ask("GET", self._key(path), "look at a lease", accept=(404,))
        version = None
        if reply.status == 404:
            self._insist_on_the_bucket(reply.body)
        else:
            version = reply.headers.get("etag", "")
            if _age(reply.headers) < LEASE_SECONDS:
                return None
        mine = uuid4().hex
        taken = self.swap(path, _lease(mine), version)
        if taken is None:
            return None
        if self.swap(path, _lease(mine), None) is not None:
            self.delete(path)
            raise NotCapable(
                f"{self._client.where} ignores the condition of a conditional PUT, so two runs could overwrite each "
                "other's manifest",
                hint="Use a service that knows If-None-Match and If-Match, such as Amazon S3 or a current MinIO.",
            )
        return _Lease(self, path, mine, taken)

    def tidying(self) -> contextlib.AbstractContextManager[None]:
        return self._client.tidying()

    def also_close(self, close: Callable[[], None]) -> None:
        self._closing.append(close)

    def stop(self) -> None:
        self._client.stop()

    def close(self) -> None:
        self._client.close()
        for close in self._closing:
            close()
        self._closing = []

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path

    def _pages(self, query: dict[str, str], doing: str) -> Iterator[Any]:
        token = ""
        while True:
            more = {"continuation-token": token} if token else {}
            reply = self._client.ask("GET", "", doing, query=query | more)
            try:
                page = ET.fromstring(reply.body)  # noqa: S314 - expat bounds what entities may grow to
            except ET.ParseError as error:
                raise Rejected(
                    f"{self._client.where} does not answer as an S3 service does",
                    kind="s3",
                    hint="Check endpoint and port.",
                ) from error
            yield page
            after = _text(page, "NextContinuationToken")
            if _text(page, "IsTruncated") != "true" or not after or after == token:
                return
            token = after

    def _insist_on_the_bucket(self, body: bytes) -> None:
        """A key that is missing is an answer, a bucket is not."""
        if b"NoSuchBucket" in body:
            from etl_engine.connectors.files.s3_answers import Answer

            raise self._client.refusal(Answer.of(404, body, {}), "read")


class _Reading(io.RawIOBase):
    """An object, read by ranges of the very version that was listed."""

    def __init__(self, folder: S3Folder, item: Item) -> None:
        self._folder = folder
        self._item = item
        self._at = 0
        self._held, self._held_from = b"", 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + (0, self._at, self._item.size)[whence])
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = self._item.size - self._at
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted <= 0:
            return b""
        parts = []
        while wanted:
            part = self._part(wanted)
            self._at += len(part)
            wanted -= len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readinto(self, buffer: Any) -> int:
        part = self.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    def _part(self, wanted: int) -> bytes:
        inside = self._at - self._held_from
        if 0 <= inside < len(self._held):
            return self._held[inside : inside + wanted]
        sequential = self._at == self._held_from + len(self._held)
        size = max(wanted, _AHEAD if sequential else _SMALL)
        last = min(self._at + size, self._item.size) - 1
        reply = self._folder._client.ask(
            "GET",
            self._folder._key(self._item.path),
            f"read {self._item.path}",
            headers={"range": f"bytes={self._at}-{last}", "if-match": self._item.version},
            accept=(412, 404),
        )
        if reply.status in (412, 404) or len(reply.body) != last - self._at + 1:
            raise Unreachable(
                f"{self._item.path} was exchanged or taken away while it was read", kind="s3", hint="Run it again."
            )
        self._held, self._held_from = reply.body, self._at
        return self._held[:wanted]


class _Upload(Sink):
    """A small object is sent when it is published; a large one goes up in parts that nobody sees until then."""

    def __init__(self, folder: S3Folder, path: str) -> None:
        self.path = path
        self._folder = folder
        self._client = folder._client
        self._key = folder._key(path)
        self._held = bytearray()
        self._id = ""
        self._tags: list[str] = []
        self._size = 0
        self._published = False

    def write(self, data: bytes) -> int:
        self._held += data
        self._size += len(data)
        if len(self._held) >= PART_BYTES:
            self._send_part()
        return len(data)

    def finish(self) -> int:
        if self._id and self._held:
            self._send_part()
        return self._size

    def publish(self) -> Item:
        doing = f"write {self.path}"
        if not self._id:
            reply = self._client.ask("PUT", self._key, doing, body=bytes(self._held))
            self._published = True
            self._held.clear()
            return Item(self.path, self._size, reply.headers.get("etag", ""))
        lines = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"
            for number, tag in enumerate(self._tags, 1)
        )
        body = f"<CompleteMultipartUpload>{lines}</CompleteMultipartUpload>".encode()
        self._published = True
        reply = self._client.ask("POST", self._key, doing, query={"uploadId": self._id}, body=body, accept=(404,))
        found = self._folder.item(self.path)
        if b"<Error" in reply.body or found is None or found.size != self._size:
            raise Unreachable(
                f"{self.path} was not put together by {self._client.where}", kind="s3", hint="Run it again."
            )
        return found

    def discard(self) -> None:
        self._held.clear()
        with contextlib.suppress(EtlError), self._client.tidying():
            if self._id:
                self._client.ask("DELETE", self._key, "give up an upload", query={"uploadId": self._id}, accept=(404,))
            if self._published:
                self._client.ask("DELETE", self._key, "delete what is not counted", accept=(404,))
        self._id, self._published = "", False

    def release(self) -> None:
        self._held.clear()

    def _send_part(self) -> None:
        doing = f"write {self.path}"
        if not self._id:
            reply = self._client.ask("POST", self._key, doing, query={"uploads": ""})
            page = ET.fromstring(reply.body)  # noqa: S314 - expat bounds what entities may grow to
            self._id = _text(page, "UploadId")
        query = {"uploadId": self._id, "partNumber": str(len(self._tags) + 1)}
        reply = self._client.ask("PUT", self._key, doing, query=query, body=bytes(self._held))
        self._tags.append(reply.headers.get("etag", ""))
        self._held.clear()


class _Lease(Hold):
    """Held for as long as somebody renews it; by the clock of the service alone."""

    def __init__(self, folder: S3Folder, path: str, mine: str, version: str) -> None:
        self._folder = folder
        self._path = path
        self._mine = mine
        self._version = version
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name=f"lease {path}")
        self._thread.start()

    def _beat(self) -> None:
        number = 0
        while not self._over.wait(BEAT_SECONDS):
            number += 1
            try:
                now = self._folder.swap(self._path, _lease(f"{self._mine} {number}"), self._version)
            except EtlError:
                continue  # the next beat may come through; if none does, the epoch refuses our commit
            if now is None:
                return  # somebody has taken it over
            self._version = now

    def release(self) -> None:
        if self._over.is_set():
            return
        self._over.set()
        self._thread.join(BEAT_SECONDS)
        with contextlib.suppress(EtlError), self._folder.tidying():
            found = self._folder.read(self._path)
            if found and found[1] == self._version:
                self._folder.delete(self._path)


def _lease(owner: str) -> bytes:
    return json.dumps({"held_by": owner, "at": time.time()}).encode()


def _age(headers: dict[str, str]) -> float:
    try:
        now = email.utils.parsedate_to_datetime(headers["date"])
        then = email.utils.parsedate_to_datetime(headers["last-modified"])
    except (KeyError, ValueError, TypeError):
        return 0.0
    return (now - then).total_seconds()


def _tag(page: Any, name: str) -> str:
    namespace = page.tag.rpartition("}")[0]
    return f"{namespace}}}{name}" if namespace else name


def _text(page: Any, name: str) -> str:
    space = page.tag.rpartition("}")[0]
    found = page.find(f"{space}}}{name}" if space else name)
    return (found.text or "") if found is not None else ""
