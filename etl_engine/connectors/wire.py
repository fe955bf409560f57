"""Sockets whose every wait ends in time: with an answer, with the deadline, or with the cancellation."""

import contextlib
import errno
import functools
import io
import os
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any

from etl_engine.connectors.addresses import SLICE_SECONDS, Address
from etl_engine.connectors.contract import Deadline, Who
from etl_engine.connectors.fault import Fault, OutOfTime

STAGGER_SECONDS = 0.25  # RFC 8305: how long one address may keep the next waiting
MOST_ADDRESSES = 8

Socket = socket.socket | ssl.SSLSocket


class Closed(Exception):
    """The other side closed the connection before its answer was complete."""


class Silent(Exception):
    """Nothing came within the patience granted, and the deadline is still ahead."""


def wait(deadline: Deadline, *, read: Sequence[Any] = (), write: Sequence[Any] = (), patience: float = 1e9) -> set[Any]:
    """Which of these are ready. Raises OutOfTime, Cancelled, or Silent when the patience ends first."""
    until = time.monotonic() + patience
    with selectors.DefaultSelector() as selector:
        for one in read:
            selector.register(one, selectors.EVENT_READ)
        for one in write:
            selector.register(one, selectors.EVENT_WRITE)
        while True:
            left = deadline.left()
            if left <= 0:
                raise OutOfTime
            if time.monotonic() >= until:
                raise Silent
            ready = selector.select(max(0.0, min(SLICE_SECONDS, left, until - time.monotonic())))
            if ready:
                return {key.fileobj for key, _ in ready}


def connect(addresses: Sequence[Address], port: int, deadline: Deadline) -> tuple[socket.socket, Address]:
    """A TCP connection to the first address that answers. The next one is tried while the first still hesitates,
    so that a broken IPv6 route does not use up the budget."""
    waiting = list(addresses[:MOST_ADDRESSES])
    trying: dict[socket.socket, Address] = {}
    refused: list[tuple[Address, int]] = []
    try:
        while waiting or trying:
            if waiting:
                address = waiting.pop(0)
                try:
                    trying[_start(address, port)] = address
                except OSError as error:  # also where this machine has no IPv6 at all
                    refused.append((address, error.errno or 0))
                    continue
            ready = _next_ready(trying, deadline, STAGGER_SECONDS if waiting else 1e9)
            for one in ready:
                address = trying.pop(one)
                code = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not code:
                    return one, address
                one.close()
                refused.append((address, code))
    finally:
        for one in trying:
            one.close()
    raise _unreachable(refused, port)


def _next_ready(trying: dict[socket.socket, Address], deadline: Deadline, patience: float) -> list[socket.socket]:
    try:
        ready = wait(deadline, write=tuple(trying), patience=patience)
    except Silent:
        return []
    return [one for one in trying if one in ready]


def _start(address: Address, port: int) -> socket.socket:
    one = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    one.setblocking(False)
    code = one.connect_ex((str(address), port))
    if code in (0, errno.EINPROGRESS):
        return one
    one.close()
    raise OSError(code, os.strerror(code))


def _unreachable(refused: Sequence[tuple[Address, int]], port: int) -> Fault:
    where = " and ".join(
        f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}" for address, _ in refused
    )
    codes = {code for _, code in refused}
    if errno.ECONNREFUSED in codes:
        return Fault(
            "connection-refused",
            f"Nothing listens on {where}: the machine is up and refused the connection",
            "Check the port, and that the database server runs and listens on this address.",
            Who.YOU,
        )
    if codes & {errno.ETIMEDOUT}:
        return too_late_to_connect(where)
    reasons = " and ".join(sorted({os.strerror(code) for code in codes}))
    return Fault(
        "network-unreachable",
        f"There is no way to {where}: {reasons}",
        "Check the route from the machine this engine runs on: VPN, subnet, firewall.",
        Who.NETWORK,
    )


def too_late_to_connect(where: str) -> Fault:
    return Fault(
        "connection-timeout",
        f"No answer from {where}: the packets are dropped on the way, or the machine is down",
        "Let the firewall pass this port from the machine this engine runs on, and check that the host is up.",
        Who.NETWORK,
    )


class Wire:
    """One TCP connection, later perhaps with TLS, that looks enough like a socket for a driver written in Python."""

    def __init__(self, plain: socket.socket, deadline: Deadline) -> None:
        self._socket: Socket = plain
        self._deadline = deadline
        self._unread = b""
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def tls(self) -> ssl.SSLSocket | None:
        return self._socket if isinstance(self._socket, ssl.SSLSocket) else None

    def start_tls(self, context: ssl.SSLContext, server_name: str | None, patience: float = 1e9) -> None:
        """Handshake. Bytes sent in the clear ahead of it are never taken for answers inside it."""
        self._unread = b""
        wrapped = context.wrap_socket(self._socket, server_hostname=server_name, do_handshake_on_connect=False)
        self._socket = wrapped
        self._until_ready(wrapped.do_handshake, patience)

    def read(self, count: int, patience: float = 1e9) -> bytes:
        """Exactly `count` bytes."""
        parts = bytearray()
        while len(parts) < count:
            try:
                part = self.read_some(count - len(parts), patience)
            except Silent:
                self.push_back(bytes(parts))
                raise
            if not part:
                raise Closed
            parts += part
        return bytes(parts)

    def read_some(self, most: int, patience: float = 1e9) -> bytes:
        """What is there, at least one byte; b"" at the end of the stream."""
        if self._unread:
            part, self._unread = self._unread[:most], self._unread[most:]
            return part
        return bytes(self._until_ready(functools.partial(self._socket.recv, most), patience))

    def push_back(self, data: bytes) -> None:
        """The next read starts with these bytes again."""
        self._unread = data + self._unread

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            sent = self._until_ready(functools.partial(self._socket.send, rest), writing=True)
            rest = rest[sent:]

    def makefile(self, _mode: str = "rb") -> io.BufferedReader:
        return io.BufferedReader(_Reading(self))

    def settimeout(self, _seconds: float | None) -> None:
        """Drivers set a timeout for each read; the deadline is one for all of them."""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()

    def _until_ready(self, action: Callable[[], Any], patience: float = 1e9, *, writing: bool = False) -> Any:
        while True:
            try:
                return action()
            except BlockingIOError:
                pass
            except ssl.SSLWantReadError:
                writing = False
            except ssl.SSLWantWriteError:
                writing = True
            ends = (self._socket,)
            wait(self._deadline, read=() if writing else ends, write=ends if writing else (), patience=patience)


class _Reading(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._wire.read_some(len(buffer))
        buffer[: len(part)] = part
        return len(part)
