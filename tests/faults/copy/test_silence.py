"""Packets that vanish: nobody says so, and the copy ends by itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_line_whose_packets_vanish_ends_by_itself(kind: str) -> None:
    alone = ["unshare", "--net"]
    if subprocess.run([*alone, "ip", "link", "set", "lo", "up"], capture_output=True, check=False).returncode:
        pytest.skip("a network of its own cannot be made here")
    script = Path(__file__).with_name("silence.py")
    done = subprocess.run(
        [*alone, sys.executable, "-W", "ignore", str(script), kind],
        cwd=script.parents[3], env=dict(os.environ), capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ended, seconds = done.stdout.split()[-2:]
    assert ended == "Unreachable", f"{done.stdout}\n{done.stderr}"
    assert int(seconds) < 30
