"""Every mistake of the list has a test for every kind that it can happen to, and those tests are there."""

from pathlib import Path

import pytest
import yaml
from named_tests import is_there

LIST = yaml.safe_load((Path(__file__).parent / "bad_input.yaml").read_text())
KINDS = {"postgresql", "mysql", "sqlite", "duckdb", "files", "s3", "lake"}
MISTAKES = 17


def test_the_list_is_complete() -> None:
    assert len(LIST) == MISTAKES


@pytest.mark.parametrize("mistake", LIST)
def test_a_mistake_is_tested_for_every_kind_that_can_make_it(mistake: str) -> None:
    line = dict(LIST[mistake])
    reason = line.pop("na", "")
    assert set(line) <= {*KINDS, "all"}
    spared = set() if "all" in line else KINDS - set(line)
    assert bool(spared) == bool(reason), f"without a test and without a reason: {sorted(spared)}"
    assert [named for tests in line.values() for named in tests if not is_there(named)] == []
