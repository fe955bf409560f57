"""`reflex run` as a person starts it, from this checkout, with everything it writes in places of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
# Kept between runs: installing the packages again would cost half a minute. A build knows the port it is for, so what
# runs beside the server that most tests share has a folder of its own.
SHARED_BUILD = os.environ.get("E2E_BUILD", ".web-e2e")  # another one lets two runs go side by side
SECOND_BUILD = SHARED_BUILD + "-second"
START_SECONDS = 120.0
STOP_SECONDS = 45.0  # 3 on a machine of its own, 15 and more beside four other tests
# What a shell on a developer's machine may hold, and what a server started by another one leaves behind.
_NOT_INHERITED = ("REFLEX_", "__REFLEX", "ETL_", "PYTEST_", "COV_", "VIRTUAL_ENV", "DATA_DIR", "HOST")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(check: Callable[[], bool], what: Callable[[], str], seconds: float) -> None:
    """Poll until it holds; fail with what was waited for."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what()}"
        time.sleep(0.05)


@dataclass
class Server:
    """One `reflex run`, and what can be seen of it from outside."""

    folder: Path
    mode: str = "prod"
    port: int = field(default_factory=free_port)  # the page; in prod everything
    api_port: int = 0  # dev only
    settings: dict[str, str] = field(default_factory=dict)
    build: str = SECOND_BUILD
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.api_port = self.api_port or (free_port() if self.mode == "dev" else self.port)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        ports = ["--backend-port", str(self.api_port)]
        if self.mode == "dev":
            ports += ["--frontend-port", str(self.port)]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "reflex", "run", "--env", self.mode, *ports],
                cwd=CHECKOUT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_usable(self) -> None:
        def usable() -> bool:
            assert self.process and self.process.poll() is None, f"reflex run ended:\n{self.log[-4000:]}"
            return self._answers(self.port, "/") and self._answers(self.api_port, "/ping")

        eventually(usable, lambda: f"{self.mode} server usable; its log:\n{self.log[-4000:]}", START_SECONDS)

    def terminate(self) -> int:
        """SIGTERM to the one process a supervisor knows; answers its exit code."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def processes(self) -> list[int]:
        """Every living process of this run: they share the session that the first one opened."""
        assert self.process
        return [pid for pid, session, state in _processes() if session == self.process.pid and state != "Z"]

    def listeners(self) -> set[str]:
        """The addresses on which this run listens."""
        inodes = set()
        for pid in self.processes():
            with contextlib.suppress(OSError):
                for handle in Path(f"/proc/{pid}/fd").iterdir():
                    with contextlib.suppress(OSError):
                        inodes.add(str(handle.readlink()).removeprefix("socket:[").removesuffix("]"))
        return {address for address, inode in _listening() if inode in inodes}

    def kill(self) -> None:
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process:
            self.process.wait(STOP_SECONDS)

    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        return inherited | {
            "DATA_DIR": str(self.folder / "data"),
            "REFLEX_WEB_WORKDIR": self.build,
            "REFLEX_STATES_WORKDIR": str(self.folder / "states"),
            **self.settings,
        }

    @staticmethod
    def _answers(port: int, path: str) -> bool:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept": "text/html"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """Started and usable; at the end nothing of it is left."""
    server.start()
    try:
        server.wait_until_usable()
        yield server
        if server.process and server.process.poll() is None:
            server.terminate()
    finally:
        server.kill()


def _processes() -> Iterator[tuple[int, int, str]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                # Behind the command in parentheses: state, parent, group, session.
                state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                yield int(folder.name), int(session), state


def _listening() -> Iterator[tuple[str, str]]:
    for table, width in (("/proc/net/tcp", 4), ("/proc/net/tcp6", 16)):
        for line in Path(table).read_text().splitlines()[1:]:
            parts = line.split()
            if parts[3] == "0A":  # LISTEN
                raw = bytes.fromhex(parts[1].partition(":")[0])
                words = b"".join(raw[at : at + 4][::-1] for at in range(0, width, 4))
                family = socket.AF_INET if width == 4 else socket.AF_INET6
                yield socket.inet_ntop(family, words), parts[9]
