"""Notices as signed HTTP requests, in the manner of Standard Webhooks: HMAC-SHA256 over id, time and body."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from etl_engine.errors import Rejected, Throttled, Unreachable
from etl_engine.notify.contract import Notice

SECONDS = 10.0
API_VERSION = "v1"
_READ = 4_096
# Answers that another attempt may change: too early, too many, or the other side's trouble.
_LATER = frozenset({408, 409, 425, 429})

Vetted = Callable[[str], Sequence[str]]


class Webhook:
    """One receiver. `vetted` answers the addresses of a host, or raises where connections must not go there."""

    def __init__(self, url: str, secret: str, vetted: Vetted, seconds: float = SECONDS) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._secret = secret.encode()
        self._vetted = vetted
        self._seconds = seconds

    def __repr__(self) -> str:
        return f"Webhook({self._host})"

    def send(self, notice: Notice) -> None:
        body = json.dumps(
            {
                "id": notice.id,
                "type": notice.type,
                "created": notice.created.isoformat(),
                "api_version": API_VERSION,
                "data": notice.data,
            },
            ensure_ascii=False,
            default=str,
        ).encode("utf-8", "replace")
        moment = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "etl-engine",
            "webhook-id": notice.id,
            "webhook-timestamp": moment,
            "webhook-signature": signature(self._secret, notice.id, moment, body),
        }
        until = time.monotonic() + self._seconds
        # Looked up and vetted for each request, and connected to by the address that was vetted: a name cannot point
        # elsewhere a moment later. An answer that points elsewhere is not followed.
        last: OSError | None = None
        for address in self._vetted(self._host):
            try:
                status = self._asked(address, body, headers, until)
            except (OSError, http.client.HTTPException) as error:
                last = error if isinstance(error, OSError) else OSError(type(error).__name__)
                continue
            self._judged(status)
            return
        reason = (last.strerror or str(last) or type(last).__name__) if last else "it has no address"
        raise Unreachable(f"The webhook at {self._host} does not answer: {reason}")

    def _asked(self, address: str, body: bytes, headers: dict[str, str], until: float) -> int:
        connection = _Connection(self._host, self._port, address, until, tls=self._tls)
        try:
            connection.request("POST", self._target, body, headers)
            answer = connection.getresponse()
            answer.read(_READ)
            return answer.status
        finally:
            connection.close()

    def _judged(self, status: int) -> None:
        if 200 <= status < 300:
            return
        if status in _LATER or status >= 500:
            raise Throttled(f"The webhook at {self._host} answered {status}")
        raise Rejected(
            f"The webhook at {self._host} does not take notices: it answered {status}",
            hint="Look at WEBHOOK_URL and WEBHOOK_SECRET, and at the log of the receiver.",
        )


def signature(secret: bytes, notice_id: str, moment: str, body: bytes) -> str:
    """Version and signature, as the header carries them."""
    signed = b".".join((notice_id.encode(), moment.encode(), body))
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def _shut(plain: socket.socket) -> None:
    with contextlib.suppress(OSError):
        plain.shutdown(socket.SHUT_RDWR)


class _Connection(http.client.HTTPConnection):
    """To one address that was vetted, by the name that it goes by, until a moment."""

    def __init__(self, host: str, port: int, address: str, until: float, *, tls: bool) -> None:
        super().__init__(host, port)
        self._address = address
        self._until = until
        self._over_tls = tls
        self._cut: threading.Timer | None = None

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self._left())
        try:
            plain.settimeout(self._left())
            # A byte now and then keeps every time limit of a socket from coming.
            self._cut = threading.Timer(self._left(), _shut, (plain,))
            self._cut.daemon = True
            self._cut.start()
            if self._over_tls:
                plain = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise
        self.sock = plain

    def close(self) -> None:
        if self._cut is not None:
            self._cut.cancel()
        super().close()

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left
