"""Schemathesis against the running API: all checks and phases, no failure, no answer of 500, nobody else reached.

The default run is the same every time. `SCHEMATHESIS_EXAMPLES=200` makes the recorded run, with a seed of its own;
its numbers are printed with `-s`.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from api_server import Served, serve

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "20"))
SEED = [] if "SCHEMATHESIS_EXAMPLES" in os.environ else ["--seed", "20"]
HERE = Path(__file__).parent
PHASES = ("Examples", "Coverage", "Fuzzing", "Stateful")


@pytest.mark.timeout(120 + 60 * EXAMPLES)
def test_generated_requests_find_nothing_wrong(tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        run = schemathesis(served, tmp_path)
        statuses = answered(served)
    print(run.stdout)
    assert run.returncode == 0, run.stdout[-6000:]
    assert all(re.search(rf"✅  {phase} ", run.stdout) for phase in PHASES), "a phase did not run"
    [cases] = re.findall(r"(\d+) generated, \1 passed", run.stdout)
    assert int(cases) >= EXAMPLES * 10
    [scenarios] = re.findall(r"Scenarios: +(\d+)", run.stdout)
    assert int(scenarios) >= EXAMPLES, "the stateful phase ended early"
    assert 500 not in statuses
    assert {200, 201, 204, 400, 404, 405, 409, 412, 415, 422} <= statuses, "some kind of answer was never provoked"


def schemathesis(served: Served, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "schemathesis", "--config-file", HERE / "schemathesis.toml", "run"]
    options = ["--checks", "all", "--max-examples", str(EXAMPLES), "--continue-on-failure", "--no-color", *SEED]
    hooks = {"SCHEMATHESIS_HOOKS": str(HERE / "schemathesis_hooks.py"), "SCHEMATHESIS_TARGET": served.url}
    return subprocess.run(
        [*map(str, command), f"{served.url}/openapi.json", *options],
        cwd=folder,
        env=os.environ | hooks,
        capture_output=True,
        text=True,
        check=False,
    )


def answered(served: Served) -> set[int]:
    """Every status there was, from the access log."""
    lines = (line for line in served.log.read_text().splitlines() if line.startswith("{"))
    return {event["status"] for event in map(json.loads, lines) if event["event"] == "request"}
