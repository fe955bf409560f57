"""`scripts/test --install`: servers of packages do not start meanwhile, and the machine is left as it was."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from servers import wait_until

ROOT = Path(__file__).parents[2]
POLICY = "#!/bin/sh\nexit 101\n"
LOOKS = 'sh "$POLICY"; echo "$1 $?" >> seen\n'


class Machine:
    """A folder with a copy of the script, a machine's policy file, and an apt-get of the test's own."""

    def __init__(self, folder: Path, apt_get: str) -> None:
        self.folder = folder
        self.policy = folder / "sbin" / "policy-rc.d"
        script = (ROOT / "scripts" / "test").read_text()
        assert "/usr/sbin/policy-rc.d" in script and "/usr/lib/postgresql/" in script
        script = script.replace("/usr/sbin/policy-rc.d", str(self.policy)).replace("/usr/lib/postgresql/", "/nowhere/")
        for name in ("requirements.txt", "requirements-dev.txt", "pyproject.toml"):
            (folder / name).write_text("")
        self._program("scripts/test", script)
        self._program("sbin/apt-get", f"#!/bin/sh\n{apt_get}")
        self._program("sbin/id", "#!/bin/sh\necho 0\n")
        self._program(".venv/bin/python", "#!/bin/sh\n")

    def _program(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def install(self) -> subprocess.Popen[str]:
        variables = {"PATH": f"{self.folder}/sbin:{os.environ['PATH']}", "POLICY": str(self.policy)}
        command = [self.folder / "scripts" / "test", "--install"]
        return subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def beside_apt_get(self) -> set[str]:
        return {path.name for path in self.policy.parent.iterdir()} - {"apt-get", "id"}


def test_packages_start_no_server_and_the_policy_goes_afterwards(tmp_path: Path) -> None:
    machine = Machine(tmp_path, LOOKS)
    installing = machine.install()
    _, errors = installing.communicate(timeout=20)
    assert installing.returncode == 0, errors
    # Once more for the other browsers, where they are missing.
    assert (tmp_path / "seen").read_text() in ("update 101\ninstall 101\n", "update 101\ninstall 101\n" * 2)
    assert machine.beside_apt_get() == set()


@pytest.mark.parametrize("fails", ["update", "install"])
def test_the_policy_goes_where_apt_fails_too_and_it_is_said_what_is_skipped(tmp_path: Path, fails: str) -> None:
    machine = Machine(tmp_path, f'[ "$1" != {fails} ] || exit 100\n')
    installing = machine.install()
    _, errors = installing.communicate(timeout=20)
    assert installing.returncode == 0
    assert "their tests are skipped: postgresql" in errors
    assert machine.beside_apt_get() == set()


def test_the_policy_goes_where_the_installation_is_interrupted(tmp_path: Path) -> None:
    machine = Machine(tmp_path, f"{LOOKS}exec sleep 20\n")
    installing = machine.install()
    wait_until((tmp_path / "seen").exists, 20, "apt-get")
    os.killpg(installing.pid, signal.SIGINT)
    installing.communicate(timeout=20)
    assert installing.returncode != 0
    assert machine.beside_apt_get() == set()


@pytest.mark.parametrize("text", [POLICY, "#!/bin/sh\nexit 0\n"])
def test_a_policy_that_was_there_before_stays(tmp_path: Path, text: str) -> None:
    machine = Machine(tmp_path, "")
    machine.policy.write_text(text)
    installing = machine.install()
    installing.communicate(timeout=20)
    assert installing.returncode == 0
    assert machine.policy.read_text() == text
    assert machine.beside_apt_get() == {"policy-rc.d"}
