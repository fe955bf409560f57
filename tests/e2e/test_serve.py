"""`etl-engine serve` is the production server: same process, same port for everything, same clean end."""

import subprocess
import sys
from pathlib import Path

from running import CHECKOUT, Server, running
from test_process import LOOPBACK, check_api_and_pages_share, nothing_is_left

SERVE = [sys.executable, "-m", "etl_engine.cli", "serve", "--port"]


class Served(Server):
    """Started by our own command."""

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*SERVE, str(self.port)],
                cwd=CHECKOUT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def test_serve_becomes_the_server_and_a_second_one_is_told_who_has_the_port(tmp_path: Path) -> None:
    with running(Served(tmp_path)) as server:
        assert server.process
        command = Path(f"/proc/{server.process.pid}/cmdline").read_text().split("\0")
        assert command[1:4] == ["-m", "reflex", "run"]  # no process of ours stands between signals and the server
        assert server.listeners() == LOOPBACK
        check_api_and_pages_share(server.port)
        assert "web started" in server.log
        assert server.log.count("made a new key in ") == 1
        second = subprocess.run(
            [*SERVE, str(server.port)],
            cwd=CHECKOUT,
            env=server.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 1
        assert f"Port {server.port} of 127.0.0.1 is taken by the app in {CHECKOUT} (process " in second.stderr
        server.terminate()
        nothing_is_left(server)
