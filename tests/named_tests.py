"""Tests by their names, for the lists that say which test proves what."""

import re
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent


@cache
def _files() -> dict[str, Path]:
    return {path.stem.removeprefix("test_"): path for path in HERE.rglob("test_*.py")}


def is_there(named: str) -> bool:
    """`copy_modes::test_merge` is the function of test_copy_modes.py, in whichever folder that lies."""
    file, _, test = named.partition("::")
    path = _files().get(file)
    return path is not None and bool(re.search(rf"^(?:async )?def {test}\(", path.read_text(), re.MULTILINE))
