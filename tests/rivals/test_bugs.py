"""Every one of the rivals' bugs has its line, and every test that a line names is there."""

from pathlib import Path

import pytest
import yaml
from named_tests import is_there

BUGS = yaml.safe_load((Path(__file__).parent / "bugs.yaml").read_text())


def test_all_of_them_are_listed() -> None:
    assert list(BUGS) == [f"B{number}" for number in range(1, 63)]
    assert sum("test" in line for line in BUGS.values()) >= 60


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_is_tested_or_cannot_be_had(bug: str) -> None:
    line = BUGS[bug]
    assert set(line) <= {"what", "test", "na", "gap"}
    assert line["what"]
    assert ("na" in line) != ("test" in line)
    assert [named for named in line.get("test", ()) if not is_there(named)] == []
