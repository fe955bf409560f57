"""Every value of the corpus through every pair of kinds: equal for the target's own reader, or told with its column.

`told.yaml` says for every pair what does not arrive as it was; whatever it does not name must arrive equal.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from value_cases import CORPUS, COUNT, rows
from value_copies import Ways, copy, plan
from value_ends import End, Found, Kept
from value_texts import spelled

from etl_engine.errors import BadInput, EtlError
from etl_engine.model.copies import Rule

TOLD: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "told.yaml").read_text())
TARGETS = ("postgresql", "mysql", "sqlite", "duckdb", "parquet", "csv", "jsonl", "lake")
_SHOWN = 200  # characters of a value that is kept apart


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert COUNT > 700
    assert all(len(CORPUS[kind]) >= 25 for kind in ("postgresql", "mysql", "duckdb", "parquet"))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", CORPUS)
def test_every_value_arrives_or_is_told(ways: Ways, source: str, target: str) -> None:
    one, other = ways.sources[source], ways.targets[target]
    table, there = ways.corpus(source)
    assert len(there) == len(rows(source))
    told = TOLD.get(source, {}).get(target, {})
    name = f"from_{source}"
    refused = [rule.name for rule in plan(one, table, other, name).columns if rule.rule is Rule.LOSSY]
    assert refused == told.get("refused", [])
    if refused:
        with pytest.raises(BadInput, match="could change"):
            copy(one, name, other, table=table)
    through = ["id", *(column for column in CORPUS[source] if column not in refused)]
    stopping = _stopping(one, other, source, told.get("stops", {}))
    what: dict[str, Any] = {"table": table, "columns": tuple(through)}
    if stopping:
        left = ", ".join(map(str, stopping))
        what = {"query": f"SELECT {', '.join(through)} FROM corpus WHERE id NOT IN ({left})"}
    receipt = copy(one, name, other, **what, on_reject="quarantine", reject_limit=None)
    kept = other.kept(name, receipt) if receipt.rejected else []
    assert receipt.rejected == len(kept)
    wrong = _compare(source, there, other.read(name), kept, told, {"refused": refused, "stopping": stopping})
    assert not wrong, "\n".join(wrong)
    assert Counter(column for _, column, _ in kept) == told.get("apart", {})


def _stopping(one: End, other: End, source: str, told: dict[str, list[str]]) -> list[int]:
    """Rows that a target without savepoints refuses: each stops the copy and leaves nothing."""
    stopping = [number for number, name, value in rows(source) if value in told.get(name, ())]
    assert len(stopping) == sum(map(len, told.values()))
    for number, name, _ in rows(source):
        if number in stopping:
            query = f"SELECT id, {name} FROM corpus WHERE id = {number}"
            with pytest.raises(EtlError, match=r"out of range|cannot|truncated|Could not"):
                copy(one, f"stopped_{number}", other, query=query, on_reject="quarantine")
    return stopping


def _compare(
    source: str, there: Found, found: Found, kept: list[Kept], told: dict[str, Any], left: dict[str, list[Any]]
) -> list[str]:
    wrong = []
    apart = {number: (column, value) for number, column, value in kept}
    for number, column, literal in rows(source):
        meaning, was = CORPUS[source][column].meaning, there[number][column]
        if number in left["stopping"]:
            continue
        if number in apart:
            blamed, value = apart[number]
            value = value.replace("␀", "\0")  # PostgreSQL has no place for NUL, nor for one that is kept apart
            same = value == was[:_SHOWN] or spelled(meaning, value) == spelled(meaning, was)
            if number in found or blamed != column or not same:
                wrong.append(f"{column} {literal[:60]}: kept apart as {blamed} {value[:60]!r}, was {was[:60]!r}")
            continue
        wanted = {} if column in left["refused"] else {column: spelled(meaning, was)}
        row = found.get(number, {"": "not there"})
        now = {key: spelled(meaning, value) for key, value in row.items()}
        if column in told.get("padding", ()):
            now, wanted = ({key: value.rstrip(" ") for key, value in each.items()} for each in (now, wanted))
        if column in told.get("no_negative_zero", ()) and float(was) == 0:
            wanted = {column: spelled(meaning, "0")}
        if now != wanted:
            wrong.append(f"{column} {literal[:60]}: {str(row)[:200]} was {was[:100]!r}")
    return wrong
