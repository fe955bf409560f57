"""`etl-engine worker` as people run it, on an installation of the test's own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copying import eventually

from etl_engine import settings
from etl_engine.model.execution import Execution, Status
from etl_engine.services import executions
from etl_engine.services.context import Context
from etl_engine.wiring import Engine

START_SECONDS = 40.0


@dataclass
class WorkerService:
    """A running one."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def slots(self) -> list[int]:
        """Its worker processes: every living one of its session but itself."""
        return [pid for pid in living_of(self.pid) if pid != self.pid]

    def end(self, seconds: float = 40.0) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


@contextlib.contextmanager
def installation(folder: Path) -> Iterator[Engine]:
    """The store and key of a data folder, as this process sees them."""
    engine = Engine(settings.load(_env_file=None, data_dir=folder / "data"))
    engine.context()
    try:
        yield engine
    finally:
        engine.close()


@contextlib.contextmanager
def worker_service(folder: Path, name: str = "worker", slots: int = 2, **variables: str) -> Iterator[WorkerService]:
    port, log = free_port(), folder / f"{name}.log"
    command = [sys.executable, "-m", "etl_engine.cli", "worker", "--slots", str(slots), "--port", str(port)]
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder / "data"), **variables}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    service = WorkerService(process, port, log)
    try:
        eventually(lambda: _listens(port) or process.poll() is not None, "the start of the worker", START_SECONDS)
        assert process.poll() is None, log.read_text()
        yield service
    finally:
        for pid in living_of(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(10)


def living_of(session: int) -> list[int]:
    """The processes of a session that are not dead yet."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                state, _, _, its = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(its) == session and state != "Z":
                    found.append(int(entry.name))
    return found


def pid_of(execution: Execution) -> int:
    """The process that has it: the middle of the owner's name."""
    return int(execution.owner.split(":")[1])


def when_running(ctx: Context, execution_id: str, seconds: float = 30.0) -> Execution:
    eventually(lambda: executions.get(ctx, execution_id).status is Status.RUNNING, "that it runs", seconds)
    return executions.get(ctx, execution_id)


def when_final(ctx: Context, execution_id: str, seconds: float = 60.0) -> Execution:
    eventually(lambda: executions.get(ctx, execution_id).final, "its end", seconds)
    return executions.get(ctx, execution_id)


def moment(execution: Execution, status: Status) -> Any:
    return next(change.at for change in execution.transitions if change.status is status)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def not_before(moment: float) -> None:
    """Nothing to poll for: a lease has to run out."""
    while time.monotonic() < moment:
        time.sleep(0.05)
