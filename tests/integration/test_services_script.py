"""`scripts/services`: the servers for hand testing come up, say how to log in, and go."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ladders import climb

SCRIPT = Path(__file__).parents[1] / "services.py"


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not pytest's own folder: that one is closed to the accounts the servers run as.
    made = Path(tempfile.mkdtemp(prefix="etl-services-"))
    made.chmod(0o755)
    yield made
    run("wipe", made)
    shutil.rmtree(made)


def run(action: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), action, "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def ports(output: str) -> dict[str, int]:
    lines = [line for line in output.splitlines() if "process" in line]
    return {line.split(":")[0]: int(line.split(":")[2].split()[0]) for line in lines}


def test_the_servers_for_hand_testing_come_and_go(
    folder: Path, postgres_server: object, mariadb_server: object
) -> None:
    assert run("status", folder).returncode == 1
    first = run("up", folder)
    assert first.returncode == 0, first.stderr
    assert ports(first.stdout).keys() == {"PostgreSQL", "MariaDB"}
    assert run("up", folder).stdout == first.stdout == run("status", folder).stdout
    found = ports(first.stdout)
    values = {"username": "etl", "password": "etl-demo", "database": "shop"}
    for kind, title in (("postgresql", "PostgreSQL"), ("mysql", "MariaDB")):
        done = climb(kind, port=found[title], **values)
        assert done.health.ok, done.health.failure
        assert done.step("privileges").evidence.startswith("Reads 1 of 1 tables")
    assert "not running" not in run("down", folder).stdout
    again = run("down", folder)
    assert again.returncode == 0 and again.stdout.count("not running") == 2
