"""`etl-engine worker`: does executions; any number of them beside one store, on any number of machines."""

import os
from typing import Annotated

import typer

DEFAULT_SLOTS = 4


def worker(
    slots: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Executions at a time; default WORKER_SLOTS, and 4 where that is 0."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address of /health and /metrics; default HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of /health and /metrics; default WORKER_PORT (8001).")
    ] = None,
) -> None:
    """Run executions in processes of their own, apart from the web server, from the same store.

    SIGTERM and Ctrl-C end it: what runs is handed back, and another worker goes on with it. Exit code 0.
    """
    from etl_engine import wiring
    from etl_engine.cli import ports
    from etl_engine.workers import service

    if host is not None:
        os.environ["HOST"] = host
    config = wiring.engine().config
    at = port or config.worker_port
    ports.require_free(config.host, at)
    service.serve(wiring.start("worker", at), slots or config.worker_slots or DEFAULT_SLOTS, at)
