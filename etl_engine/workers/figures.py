"""A worker's own small HTTP server: /health for those who restart it, /metrics for Prometheus."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from etl_engine import __version__, wiring
from etl_engine.errors import EtlError
from etl_engine.model.execution import Status
from etl_engine.services import executions, health
from etl_engine.services.executions import Query


class Figures(Collector):
    """What the store and this worker say at the moment of the question."""

    def __init__(self, running: wiring.Engine) -> None:
        self._running = running

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("etl_info", "Which engine this is.", 1)
        slots = GaugeMetricFamily("etl_worker_slots", "Executions that this worker can do at a time.", labels=["state"])
        busy = self._running.dispatch.busy
        slots.add_metric(["busy"], busy)
        slots.add_metric(["free"], max(0, self._running.dispatch.slots - busy))
        yield slots
        deaths = "Worker processes that died without being asked to."
        yield CounterMetricFamily("etl_worker_deaths", deaths, self._running.dispatch.deaths)
        up = GaugeMetricFamily("etl_store_up", "1 where the metadata store answers.")
        try:
            counts = executions.counts(self._running.context(), Query())
        except EtlError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        by_status = GaugeMetricFamily("etl_executions", "Executions in the store, by status.", labels=["status"])
        for status in Status:
            by_status.add_metric([status.value], counts.get(status, 0))
        yield by_status


class FiguresServer:
    """Listens from the moment it is made; answers in threads of its own."""

    def __init__(self, running: wiring.Engine, address: str, port: int) -> None:
        registry = CollectorRegistry()
        registry.register(Figures(running))

        class Server(ThreadingHTTPServer):
            address_family = AF_INET6 if ":" in address else AF_INET
            daemon_threads = True

        class Answer(BaseHTTPRequestHandler):
            server_version, sys_version = f"etl-engine/{__version__}", ""
            timeout = 10

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/metrics":
                    self._send(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif path == "/health":
                    found = health.check(running.context)
                    body = found.model_dump() | {"workers": len(running.dispatch.pids)}
                    self._send(200 if found.status == "ok" else 503, "application/json", json.dumps(body).encode())
                else:
                    self._send(404, "text/plain", b"There is /health and /metrics\n")

            do_HEAD = do_GET  # noqa: N815 - the name that the library calls

            def _send(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.send_header("X-Content-Type-Options", "nosniff")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = Server((address, port), Answer)
        self._thread = threading.Thread(target=self._server.serve_forever, name="figures", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
