"""Rows that nobody has chosen, there and back again: equal on both sides, or kept apart for what has no place there."""

import pytest
from value_copies import Ways, copy
from value_ends import Found
from value_rows import COUNT, MEANINGS, NATIVES, fits, thought_of
from value_texts import spelled

TARGETS = ("postgresql", "mysql", "sqlite", "duckdb", "parquet", "csv", "jsonl", "lake")


def meant(found: Found) -> Found:
    return {
        number: {name: spelled(MEANINGS[name], value) for name, value in row.items()} for number, row in found.items()
    }


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", NATIVES)
def test_any_rows_there_and_back(ways: Ways, source: str, target: str) -> None:
    rows = thought_of()
    assert len(rows) > COUNT
    here = [number for number, row in enumerate(rows) if fits(source, row)]
    there = [number for number in here if fits(target, rows[number])]
    assert len(there) > COUNT * 0.8
    table = ways.rows(source)
    one, other, again = ways.sources[source], ways.targets[target], ways.targets[source]
    name = f"rows_from_{source}"
    receipt = copy(one, name, other, table=table, on_reject="quarantine", reject_limit=None)
    assert (receipt.rows, receipt.rejected) == (len(here), len(here) - len(there))
    was = meant(one.read(table))
    assert sorted(was) == here
    expected = {number: was[number] for number in there}
    assert meant(other.read(name)) == expected
    kept = other.kept(name, receipt) if receipt.rejected else []
    assert sorted(number for number, _, _ in kept) == sorted(set(here) - set(there))
    assert {column for _, column, _ in kept} <= {"note", "real8"}
    back = f"back_from_{target}"
    assert copy(other, back, again, table=name, allow_lossy=()).rows == len(there)
    assert meant(again.read(back)) == expected
