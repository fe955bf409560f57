"""Every fault has its line in the matrix, and every test that a line names is there."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from named_tests import is_there

MATRIX = yaml.safe_load((Path(__file__).parent / "matrix.yaml").read_text())
FAULTS = [f"F{number}" for number in (*range(1, 64), *range(70, 77), 79, 80, *range(82, 85))]
KINDS = {"postgresql", "mysql", "sqlite", "duckdb", "files", "s3", "lake"}


def test_the_matrix_is_complete() -> None:
    assert list(MATRIX) == FAULTS


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_tested_or_says_why_not(fault: str) -> None:
    line = dict(MATRIX[fault])
    kinds = line.pop("kinds", {})
    assert set(kinds) <= KINDS
    for one in (line, *kinds.values()):
        told(one)


def told(line: dict[str, Any]) -> None:
    assert set(line) <= {"test", "na", "gap"}
    assert ("na" in line) != bool({"test", "gap"} & set(line)), "either it cannot happen, or it is tested or a gap"
    for reason in (line.get("na", ""), line.get("gap", "")):
        assert not reason or len(reason) >= 8
    assert [named for named in line.get("test", ()) if not is_there(named)] == []
