"""The API behind the server that Reflex uses too, in a process of its own, cut off from everything but loopback.

python tests/api/api_server.py PORT DATA_DIR
"""

import contextlib
import ipaddress
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0
ORIGIN = "http://localhost:5173"
CONNECTIONS = "/api/v1/connections"
Body = dict[str, Any]


@dataclass(frozen=True)
class Served:
    url: str
    pid: int
    log: Path


def everything_but_loopback() -> str:
    """For CONNECT_DENY."""
    networks = [
        *ipaddress.ip_network("0.0.0.0/0").address_exclude(ipaddress.ip_network("127.0.0.0/8")),
        *ipaddress.ip_network("::/0").address_exclude(ipaddress.ip_network("::1/128")),
    ]
    return ",".join(map(str, networks))


def only_loopback_resolves() -> None:
    """Names that tests make up must not reach a name server: only literal loopback addresses and localhost resolve."""
    ask = socket.getaddrinfo

    def answer(host: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        try:
            known = name == "localhost" or ipaddress.ip_address(name).is_loopback
        except ValueError:
            known = False
        if not known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ask(host, *args, **options)

    socket.getaddrinfo = answer


def app() -> Any:
    """The factory that the server calls in its worker."""
    from etl_engine import wiring
    from etl_engine.api.app import create_api

    only_loopback_resolves()
    config = wiring.start("api").config
    return create_api(wiring.context, prefix=config.api_v1_prefix, origins=config.cors_origins)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Served]:
    port, log = free_port(), folder / "server.log"
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    environment |= {"DATA_DIR": str(folder / "data"), "CONNECT_DENY": everything_but_loopback(), "LOG_FORMAT": "json"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, __file__, str(port)], cwd=folder, env=environment, stdout=output, stderr=output
        )
    try:
        _wait_until_it_answers(process, port, log)
        yield Served(f"http://127.0.0.1:{port}", process.pid, log)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if connection.recv(20).startswith(b"HTTP/1.1 200"):
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"The server did not start: {log.read_text()[-3000:]}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from granian import Granian

    Granian("api_server:app", factory=True, interface="asgi", address="127.0.0.1", port=int(sys.argv[1])).serve()
