"""Latency of the REST API with 1,000 connections in the embedded store, at 100 requests a second.

    python benchmarks/api.py                  the server that users start: reflex run --env prod
    python benchmarks/api.py --server api     the API alone, behind the same web server

Open loop: requests start when their time has come, whether earlier ones are answered or not, and latency counts from
that time. Ends with 1 where a figure is missed.
"""

import argparse
import asyncio
import contextlib
import os
import random
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
CONNECTIONS = "/api/v1/connections/"
STORED = 1000
ABOVE_BARE_MS = 30.0
WHOLE_LIST_MS = 200.0
START_SECONDS = 180.0
WARM_SECONDS = 3.0


def body(number: int) -> dict[str, Any]:
    return {
        "name": f"Connection {number:05d}",
        "db_type": ("postgresql", "mysql")[number % 2],
        "host": f"db{number}.example.com",
        "database": "shop",
        "username": "etl",
        "password": secrets.token_urlsafe(12),
    }


class Load:
    """The requests of the mix, and how long each of them took."""

    def __init__(self, client: httpx.AsyncClient, ids: list[str], numbers: Iterator[int]) -> None:
        def one() -> str:
            return CONNECTIONS + random.choice(ids)

        self._client = client
        self.mix: dict[str, Callable[[], Awaitable[httpx.Response]]] = {
            "bare": lambda: client.get("/"),
            "get": lambda: client.get(one()),
            "page of 50": lambda: client.get(CONNECTIONS, params={"limit": 50, "offset": random.randrange(0, 950, 50)}),
            "create": lambda: client.post(CONNECTIONS, json=body(next(numbers))),
            "update": lambda: client.put(one(), json={"port": random.randint(1, 65535)}),
        }
        self.took: dict[str, list[float]] = {name: [] for name in self.mix}

    async def run(self, rate: float, seconds: float) -> None:
        total = int(rate * seconds)
        names = (list(self.mix) * total)[:total]
        random.shuffle(names)
        start = time.perf_counter() + 0.1
        await asyncio.gather(*(self._one(name, start + number / rate) for number, name in enumerate(names)))

    async def _one(self, name: str, due: float) -> None:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        answer = await self.mix[name]()
        self.took[name].append((time.perf_counter() - due) * 1000)
        answer.raise_for_status()
        if name == "create":  # not measured: it keeps the store at its size
            (await self._client.delete(CONNECTIONS + answer.json()["_id"])).raise_for_status()


async def filled(client: httpx.AsyncClient) -> list[str]:
    ids = []
    for number in range(STORED):
        answer = await client.post(CONNECTIONS, json=body(number))
        answer.raise_for_status()
        ids.append(answer.json()["_id"])
    return ids


async def measured(url: str, rate: float, seconds: float) -> bool:
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
        ids, numbers = await filled(client), iter(range(STORED, 10**9))
        await Load(client, ids, numbers).run(rate, WARM_SECONDS)
        load = Load(client, ids, numbers)
        await load.run(rate, seconds)
        whole = []
        for _ in range(20):
            started = time.perf_counter()
            answer = await client.get(CONNECTIONS)
            whole.append((time.perf_counter() - started) * 1000)
            assert len(answer.json()) == STORED
    print(f"\n{STORED} connections, {rate:g} requests/s for {seconds:g} s, ms from the scheduled time\n")
    good = reported(load.took)
    slowest = max(whole)
    print(
        f"\nall {STORED} alone, {len(answer.content) / 1000:.0f} kB, ms: median {statistics.median(whole):.1f}, ",
        end="",
    )
    print(f"slowest of {len(whole)} {slowest:.1f}, limit {WHOLE_LIST_MS:g}: {said(slowest < WHOLE_LIST_MS)}")
    return good and slowest < WHOLE_LIST_MS


def reported(took: dict[str, list[float]]) -> bool:
    print(f"{'':12}{'n':>6}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}{'p95 above bare':>16}{'limit':>8}")
    good, bare = True, percentile(took["bare"], 95)
    for name, times in took.items():
        figures = [percentile(times, 50), percentile(times, 95), percentile(times, 99), max(times)]
        above = figures[1] - bare
        verdict = f"{above:16.1f}{ABOVE_BARE_MS:8g} {said(above <= ABOVE_BARE_MS)}" if name != "bare" else ""
        print(f"{name:12}{len(times):6}{''.join(f'{figure:8.1f}' for figure in figures)}{verdict}")
        good &= name == "bare" or above <= ABOVE_BARE_MS
    return good


def said(good: bool) -> str:
    return "ok" if good else "MISSED"


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


@contextlib.contextmanager
def server(kind: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, __file__, "--serve", str(port)]
    if kind == "reflex":
        command = [sys.executable, "-m", "reflex", "run", "--env", "prod", "--backend-port", str(port)]
    with tempfile.TemporaryDirectory(prefix="etl-benchmark-") as folder:
        environment = os.environ | {"DATA_DIR": f"{folder}/data", "REFLEX_STATES_WORKDIR": f"{folder}/states"}
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
            )
        try:
            wait(process, f"http://127.0.0.1:{port}", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


def wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return
        time.sleep(0.2)
    sys.exit(f"The server did not start:\n{log.read_text()[-3000:]}")


def api() -> Any:
    """What `--server api` serves."""
    from etl_engine import wiring
    from etl_engine.api.app import create_api

    wiring.start("api")
    return create_api(wiring.context)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--server", choices=("reflex", "api"), default="reflex")
    options.add_argument("--rate", type=float, default=100.0, help="requests per second")
    options.add_argument("--seconds", type=float, default=30.0)
    options.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.serve:
        from granian import Granian

        sys.path.insert(0, str(ROOT))
        Granian("api:api", factory=True, interface="asgi", address="127.0.0.1", port=chosen.serve).serve()
        return
    with server(chosen.server) as url:
        good = asyncio.run(measured(url, chosen.rate, chosen.seconds))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
