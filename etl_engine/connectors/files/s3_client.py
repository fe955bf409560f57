"""An S3 service over connections of our own: to addresses that were checked, with our TLS, and with conditions."""

import contextlib
import datetime as dt
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from etl_engine.connectors import tls
from etl_engine.connectors.addresses import Address, allow, resolve
from etl_engine.connectors.contract import Deadline, Surroundings
from etl_engine.connectors.fault import Fault, OutOfTime, said
from etl_engine.connectors.files.bucket import BucketFields
from etl_engine.connectors.files.s3_answers import Answer, error_of
from etl_engine.connectors.files.s3_signing import Keys, encoded_path, encoded_query, signed_headers
from etl_engine.connectors.wire import connect
from etl_engine.errors import Cancelled, Refused, Unreachable

CONNECT_SECONDS = 15.0
_ANSWER_SECONDS = 60.0
_TIDY_SECONDS = 3.0
_TRIES = 4
_AGAIN = frozenset({500, 502, 503, 504})
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Reply:
    """An answer that was not refused."""

    status: int
    headers: dict[str, str]
    body: bytes
    closing: bool = False  # the service ends the connection after it


class Broken(Exception):
    """The connection ended before the answer did."""


class Client:
    """Requests about one bucket. Threads share it; each request has a connection to itself."""

    def __init__(self, fields: BucketFields, bucket: str, surroundings: Surroundings) -> None:
        self.fields = fields
        self.bucket = bucket
        self.host = fields.host if fields.path_style else f"{bucket}.{fields.host}"
        default = fields.port == (80 if fields.tls_mode == "disable" else 443)
        name = f"[{self.host}]" if ":" in self.host else self.host
        self.authority = name if default else f"{name}:{fields.port}"
        self.where = f"{fields.host}:{fields.port}"
        self._deny = surroundings.deny
        self._addresses: tuple[Address, ...] = ()
        self._idle: list[http.client.HTTPConnection] = []
        self._busy: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()
        self._stopped = False
        self._mine = threading.local()  # whether this thread is tidying

    def addresses(self) -> tuple[Address, ...]:
        """Resolved once; every one was found to be allowed."""
        if not self._addresses:
            with self._told():
                found = resolve(self.host, Deadline(CONNECT_SECONDS))
                allow(self.host, found, self._deny)
                self._addresses = found
        return self._addresses

    def ask(
        self,
        method: str,
        key: str,
        doing: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        accept: tuple[int, ...] = (),
        once: bool = False,
    ) -> Reply:
        """`accept`: statuses that are answers too. `once`: never sent again when nobody knows whether it arrived."""
        tries = 1 if self._stopped else _TRIES
        for attempt in range(tries):
            last = attempt == tries - 1
            try:
                reply = self._send(method, key, query or {}, headers or {}, body)
            except Broken as error:
                if once or last:
                    raise Unreachable(
                        f"{self.where} ended the connection while it was asked to {doing}: {said(str(error), '')}",
                        kind="s3",
                        hint="Run it again.",
                    ) from error
            else:
                if reply.status < 300 or reply.status in accept:
                    return reply
                answer = Answer.of(reply.status, reply.body, reply.headers)
                if once and reply.status in _AGAIN and answer.code != "SlowDown":
                    raise Unreachable(
                        f"{self.where} does not know whether it did it ({reply.status}), asked to {doing}", kind="s3"
                    )
                if reply.status not in _AGAIN or last:
                    raise self.refusal(answer, doing)
            self._wait(0.2 * 2**attempt)
        raise AssertionError("the last attempt answers or raises")

    def refusal(self, answer: Answer, doing: str) -> Exception:
        return error_of(answer, self.facts(doing, answer), self.fields.secret)

    def facts(self, doing: str, answer: Answer | None = None) -> dict[str, str]:
        key = self.fields.access_key
        right = f": {answer.region}" if answer and answer.region else ""
        return {
            "where": self.where,
            "key": key or "",
            "bucket": self.bucket,
            "region": self.fields.region,
            "right": right,
            "nearest": "",
            "who": f"the access key {key}" if key else "somebody without a key",
            "doing": doing,
        }

    def stop(self) -> None:
        self._stopped = True
        with self._lock:
            for one in (*self._busy, *self._idle):
                with contextlib.suppress(OSError, AttributeError):
                    one.sock.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def tidying(self) -> Iterator[None]:
        """What was begun is taken back after a stop, too: in one try, and within a short time."""
        self._mine.tidying = True
        try:
            yield
        finally:
            self._mine.tidying = False

    def close(self) -> None:
        with self._lock:
            for one in self._idle:
                one.close()
            self._idle = []

    def _send(self, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Reply:
        fresh = False
        while True:
            self._check()
            connection, used = self._taken(fresh=fresh)
            try:
                reply = exchange(connection, self, method, key, query, headers, body)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self._given_back(connection, keep=False)
                self._check()
                if used and not fresh:  # the service closes connections that rest: nothing of this one arrived
                    fresh = True
                    continue
                raise Broken(str(error)) from error
            except BaseException:
                connection.close()
                self._given_back(connection, keep=False)
                raise
            self._given_back(connection, keep=not reply.closing)
            return reply

    def _taken(self, *, fresh: bool) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            made = self._idle.pop() if self._idle and not fresh else None
        if made is not None:
            with self._lock:
                self._busy.add(made)
            return made, True
        with self._told():
            made = self._connected()
        with self._lock:
            self._busy.add(made)
        return made, False

    def _given_back(self, connection: http.client.HTTPConnection, *, keep: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            if keep and not self._stopped:
                self._idle.append(connection)
                return
        connection.close()

    def _connected(self) -> http.client.HTTPConnection:
        plain, _ = connect(
            self.addresses(), self.fields.port, Deadline(_TIDY_SECONDS if self._stopped else CONNECT_SECONDS)
        )
        plain.settimeout(_TIDY_SECONDS if self._stopped else _ANSWER_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream: Any = plain
        if self.fields.tls_mode != "disable":
            try:
                stream = tls.context(self.fields.wish).wrap_socket(plain, server_hostname=self.host)
            except ssl.SSLError as error:
                plain.close()
                raise Refused(
                    f"The certificate of {self.where} is not accepted: {error.reason or error}",
                    kind="s3",
                    hint="Test the connection: it says what is wrong with the certificate.",
                ) from error
            except OSError as error:
                plain.close()
                raise Unreachable(f"{self.where} ended the connection: {error}", kind="s3") from error
        return over(stream, self.authority)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OutOfTime as error:
            raise Unreachable(f"{self.where} does not answer", kind="s3", hint="Test the connection.") from error
        except Fault as fault:
            made = Refused if fault.code in ("address-denied", "tls-ca-invalid") else Unreachable
            raise made(fault.cause, kind="s3", hint=fault.fix) from fault

    def _check(self) -> None:
        if self._stopped and not getattr(self._mine, "tidying", False):
            raise Cancelled("The copy was stopped")

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._check()
            time.sleep(0.02)


def over(stream: Any, authority: str) -> http.client.HTTPConnection:
    """HTTP on a socket that is open already: it never opens another one by itself."""
    made = http.client.HTTPConnection(authority)
    made.auto_open = 0
    made.sock = stream
    return made


def exchange(
    connection: http.client.HTTPConnection,
    client: Client,
    method: str,
    key: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
) -> Reply:
    """One request and its whole answer. Redirects are never followed."""
    fields = client.fields
    path = f"/{client.bucket}/{key}" if fields.path_style else f"/{key}"
    signed = signed_headers(
        method,
        client.authority,
        path,
        query,
        headers,
        body,
        Keys(fields.access_key or "", fields.region, fields.secret),
        now(),
    )
    target = encoded_path(path) + (f"?{encoded_query(query)}" if query else "")
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in signed.items():
        connection.putheader(name, value)
    if body or method in ("PUT", "POST"):
        connection.putheader("content-length", str(len(body)))
    connection.endheaders(body or None)
    answer = connection.getresponse()
    closes = answer.will_close
    parts = bytearray()
    while part := answer.read(_BLOCK):
        parts += part
    return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, bytes(parts), closes)
