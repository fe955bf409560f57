"""What docs/copies.md shows is what is printed; the command has an option for everything that can be ordered."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from copying import Pair
from test_copy_command import Installation

from etl_engine.model.copies import CopyOrder

DOCUMENT = Path(__file__).parents[2] / "docs" / "copies.md"


def shown() -> tuple[str, str]:
    """The command of the plan in the document, and what it prints."""
    found = re.search(r"```text\n\$ etl-engine (copy [^\n]*--plan)\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found, "the document shows no plan"
    return found[1], found[2]


def test_the_plan_of_the_document_is_the_plan_that_is_printed(tmp_path: Path, pair: Pair) -> None:
    pair.s(
        "CREATE TABLE orders (id bigint PRIMARY KEY, customer integer NOT NULL, amount numeric(12,2), "
        "note text, updated_at timestamptz NOT NULL)",
        "INSERT INTO orders SELECT g, g, g / 7.0, 'n', now() FROM generate_series(1, 500) g",
        "ANALYZE orders",
    )
    pair.t(
        "CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint NOT NULL, amount numeric(8,2), "
        "note text, updated_at timestamptz NOT NULL)"
    )
    command, printed = shown()
    done = Installation(tmp_path, pair).run(*command.split())
    assert done.returncode == 0, done.stderr
    assert lines(done.stdout) == lines(printed)


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


ELSEWHERE = {"source_id", "target_id", "table", "target"}  # arguments
NAMED = {"columns": "column", "surplus": "delete-surplus"}


@pytest.mark.parametrize("name", sorted(set(CopyOrder.model_fields) - ELSEWHERE))
def test_everything_that_can_be_ordered_has_its_option(name: str) -> None:
    option = f"--{NAMED.get(name, name).replace('_', '-')} "
    assert option in help_text()


def help_text(told: list[str] = []) -> str:  # noqa: B006 - asked once
    if not told:
        done = subprocess.run(
            [sys.executable, "-m", "etl_engine.cli", "copy", "--help"], capture_output=True, text=True, check=True
        )
        told.append(done.stdout)
    return told[0]
