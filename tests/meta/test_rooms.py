"""Names and sizes of the rooms; imports are checked by import-linter."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "etl_engine").rglob("*.py"))
VAGUE = {"utils", "helpers", "common", "misc", "base", "manager", "handler", "impl"}
CEILING = 400


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_has_a_telling_name_and_a_readable_size(module: Path) -> None:
    assert module.stem not in VAGUE, f"{module.name} says nothing: name what it holds"
    lines = len(module.read_text().splitlines())
    assert lines <= CEILING, f"{module.name} has {lines} lines: which two things does it hold?"
