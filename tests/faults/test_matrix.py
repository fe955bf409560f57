"""Every fault has its line in the matrix, and every test that a line names is there."""

import re
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
MATRIX = yaml.safe_load((HERE / "matrix.yaml").read_text())
FAULTS = [f"F{number}" for number in (*range(1, 64), *range(70, 77), 79, 80, *range(82, 85))]
INTEGRATION = HERE.parent / "integration"
FILES = {
    "modes": INTEGRATION / "test_copy_modes.py",
    "cursor": INTEGRATION / "test_copy_cursor.py",
    "values": INTEGRATION / "test_copy_values.py",
    "command": INTEGRATION / "test_copy_command.py",
    "reading": INTEGRATION / "test_files_reading.py",
    "files": INTEGRATION / "test_copy_files.py",
    "s3": INTEGRATION / "test_copy_s3.py",
    "points": HERE / "copy" / "test_crash_points.py",
    "kills": HERE / "copy" / "test_random_kills.py",
    "fencing": HERE / "copy" / "test_fencing.py",
    "day": HERE / "schedules" / "test_a_simulated_day.py",
    "schedules": HERE.parent / "unit" / "test_schedules_service.py",
    "cron": HERE.parent / "unit" / "test_cron.py",
    "deaths": HERE / "executions" / "test_worker_deaths.py",
    "processes": HERE / "executions" / "test_worker_processes.py",
    "attempts": HERE.parent / "unit" / "test_execution_attempts.py",
    "service": HERE.parent / "unit" / "test_executions_service.py",
    "network": HERE / "copy" / "test_network.py",
}


def test_the_matrix_is_complete() -> None:
    assert list(MATRIX) == FAULTS


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_tested_or_says_why_not(fault: str) -> None:
    line = MATRIX[fault]
    assert set(line) <= {"test", "na", "gap"}
    assert ("na" in line) != bool({"test", "gap"} & set(line)), "either it cannot happen, or it is tested or a gap"
    for reason in (line.get("na", ""), line.get("gap", "")):
        assert not reason or len(reason) >= 8
    for named in line.get("test", ()):
        file, _, test = named.partition("::")
        assert re.search(rf"^def {test}\(", FILES[file].read_text(), re.MULTILINE), f"{named} is not there"
