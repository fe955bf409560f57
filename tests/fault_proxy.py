"""A TCP proxy that does what networks do: delays, drips, resets after so many bytes, swallows, cuts at a word."""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

_BLOCK = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: closing sends RST instead of FIN


@dataclass
class Fault:
    """What happens to the bytes of one direction. The first matching thing wins; `once`: later connections are well."""

    to_server: bool = False  # otherwise to the client
    latency: float = 0.0  # seconds before every block
    rate: float = 0.0  # bytes a second; 0: as they come
    reset_after: int = -1  # bytes, then RST to both sides
    close_after: int = -1  # bytes, then a clean end to both sides
    swallow_after: int = -1  # bytes, then nothing comes through any more, and nothing is closed
    cut_at: bytes = b""  # both sides are reset when these bytes went through, and were delivered
    lose: bytes = b""  # both sides are reset when these bytes come, and they are not delivered
    slice: int = 0  # bytes a block at most
    once: bool = True


class _End(IntEnum):
    """How a direction came to its end; the worst decides for both."""

    GOOD = 0
    BROKE = 1  # one of the two sides did that
    CLOSED = 2
    RESET = 3


class FaultProxy:
    """Listens on a port of its own and passes on to the upstream, with the fault that is set at the moment."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self.fault: Fault | None = None
        self.connections = 0
        self.struck = 0  # how often a fault did its work
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setblocking(False)
        self.port = self._listening.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._serve, daemon=True, name="fault proxy")
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._spawn(self._accept())
        self._loop.run_forever()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()
        self._listening.close()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self) -> None:
        while True:
            client, _ = await self._loop.sock_accept(self._listening)
            self._spawn(self._join(client))

    async def _join(self, client: socket.socket) -> None:
        self.connections += 1
        server = socket.socket()
        lines = (client, server)
        try:
            for line in lines:
                line.setblocking(False)
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.sock_connect(server, self._upstream)
            ways = {
                self._spawn(self._pass(client, server, to_server=True)),
                self._spawn(self._pass(server, client, to_server=False)),
            }
            while ways:
                ended, ways = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                verdict = max(way.result() for way in ended)
                if verdict is not _End.GOOD:
                    self._strike(lines, verdict, ways)
                    await asyncio.wait(ways) if ways else None
                    return
        except OSError:
            pass
        finally:
            for line in lines:
                line.close()

    async def _pass(self, come: socket.socket, go: socket.socket, *, to_server: bool) -> "_End":
        """One direction, until it ends or a fault says how both do."""
        passed, tail = 0, b""
        while True:
            fault = self._of(to_server)
            try:
                block = await self._loop.sock_recv(come, fault.slice if fault and fault.slice else _BLOCK)
                if not block:
                    go.shutdown(socket.SHUT_WR)
                    return _End.GOOD
                fault = self._of(to_server)  # what was set while the block was waited for holds for it
                if fault:
                    await asyncio.sleep(fault.latency + (len(block) / fault.rate if fault.rate else 0.0))
                    word = fault.cut_at or fault.lose
                    seen, tail = bool(word) and word in tail + block, (tail + block)[-len(word or b".") :]
                    limit = max(fault.reset_after, fault.close_after, fault.swallow_after)
                    if seen and fault.lose:
                        return _End.RESET
                    if 0 <= limit < passed + len(block):
                        await self._loop.sock_sendall(go, block[: max(0, limit - passed)])
                        if fault.swallow_after >= 0:
                            self.struck += 1
                            await asyncio.Event().wait()
                        return _End.RESET if fault.reset_after >= 0 else _End.CLOSED
                await self._loop.sock_sendall(go, block)
                passed += len(block)
                if fault and fault.cut_at and seen:
                    await asyncio.sleep(0.2)  # the server has it, and has done it
                    return _End.RESET
            except OSError:
                return _End.BROKE

    def _of(self, to_server: bool) -> Fault | None:
        return self.fault if self.fault and self.fault.to_server is to_server else None

    def _strike(self, lines: tuple[socket.socket, ...], verdict: "_End", others: "set[asyncio.Task[_End]]") -> None:
        if verdict is not _End.BROKE:
            self.struck += 1
            if self.fault and self.fault.once:
                self.fault = None
        for way in others:
            way.cancel()
        if verdict is _End.RESET:
            for line in lines:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


@contextmanager
def proxied(host: str, port: int) -> Iterator[FaultProxy]:
    proxy = FaultProxy(host, port)
    try:
        yield proxy
    finally:
        proxy.stop()
