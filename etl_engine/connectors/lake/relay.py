"""A way to one service and nowhere else: for a library that would look names up and connect by itself."""

import contextlib
import socket
import threading
from collections.abc import Iterator

from etl_engine.connectors.contract import Deadline
from etl_engine.connectors.fault import Fault, OutOfTime
from etl_engine.connectors.files.s3_client import CONNECT_SECONDS, Client
from etl_engine.connectors.wire import connect

_BLOCK = 1 << 16
_LONGEST_HEAD = 8192
_REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
_GONE = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
_READY = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Relay:
    """Listens on this machine; passes bytes, encrypted as they are, to the addresses that were checked."""

    def __init__(self, client: Client) -> None:
        client.addresses()
        self._client = client
        self._expected = f"{client.host}:{client.fields.port}".lower()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True, name="s3 relay").start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True, name="s3 relay").start()

    def _serve(self, near: socket.socket) -> None:
        with near:
            head = b""
            while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
                part = near.recv(_BLOCK)
                if not part:
                    return
                head += part
            words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            if len(words) < 2 or words[0] != "CONNECT" or words[1].lower() != self._expected:
                near.sendall(_REFUSED)
                return
            try:
                far, _ = connect(self._client.addresses(), self._client.fields.port, Deadline(CONNECT_SECONDS))
            except (Fault, OutOfTime):
                near.sendall(_GONE)
                return
            far.setblocking(True)
            with far, self._counted(near, far):
                near.sendall(_READY)
                back = threading.Thread(target=_pump, args=(far, near), daemon=True, name="s3 relay")
                back.start()
                _pump(near, far)
                back.join()

    @contextlib.contextmanager
    def _counted(self, *ends: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.update(ends)
        try:
            yield
        finally:
            with self._lock:
                self._open.difference_update(ends)


def _pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := one.recv(_BLOCK):
            other.sendall(part)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)
