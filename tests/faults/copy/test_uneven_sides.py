"""One side is much slower than the other, or its cells are large: memory does not follow."""

import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from copying import Pair
from dying import in_child
from fault_proxy import Fault
from test_network import Between, between  # noqa: F401 - the fixture

MEBI = 1 << 20
ROWS = 48_000  # of about a kilobyte


def grown(work: Any) -> float:
    """By how many MiB the process that does it grows at most."""
    with tempfile.NamedTemporaryFile("r+") as told:

        def measured() -> None:
            Path("/proc/self/clear_refs").write_text("5")  # the highest so far is what it is now
            before = _highest()
            work()
            Path(told.name).write_text(str(_highest() - before))

        assert in_child(measured) == 0
        return int(told.read()) / 1024


def _highest() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1])


@pytest.mark.parametrize("lane", ["relay", "typed"])
@pytest.mark.parametrize("slow", ["source", "target"])
def test_a_side_that_is_slow_makes_the_other_one_wait(between: Between, slow: str, lane: str) -> None:  # noqa: F811
    between.pair.s(
        "TRUNCATE orders",
        f"INSERT INTO orders SELECT g, repeat(md5(g::text), 32), now() FROM generate_series(1, {ROWS}) g",
        "ANALYZE orders",
    )
    between.copy(mode="append", lane=lane)  # whatever is loaded once is loaded now
    between.clear()
    proxy = getattr(between, slow)
    proxy.fault = Fault(to_server=slow == "target", rate=16 * MEBI, once=False)
    most = {"relay": 8, "typed": 40}[lane]
    assert grown(lambda: between.copy(mode="append", lane=lane)) < most
    assert between.pair.t("SELECT count(*), count(DISTINCT id) FROM orders") == f"{ROWS}|{ROWS}"


@pytest.mark.parametrize(
    ("native", "lane", "cells"), [("bytea", "relay", 4), ("text", "relay", 4), ("text", "typed", 7)]
)
def test_large_cells_take_room_for_a_few_of_them(pair: Pair, native: str, lane: str, cells: int) -> None:
    size = 24
    value = "decode(repeat(md5(g::text), {0}), 'hex')" if native == "bytea" else "repeat(md5(g::text), {0})"
    pair.s(
        f"CREATE TABLE t (id int PRIMARY KEY, v {native})",
        "ALTER TABLE t ALTER v SET STORAGE EXTERNAL",
        f"INSERT INTO t SELECT g, {value.format(size * MEBI // (16 if native == 'bytea' else 32))} "
        "FROM generate_series(1, 8) g",
        "ANALYZE t",
    )
    pair.copy("t", "warm", lane=lane)
    assert grown(lambda: pair.copy("t", lane=lane)) < cells * size
    same = "SELECT md5(string_agg(md5(v), '' ORDER BY id)) FROM t"
    assert pair.s(same) == pair.t(same)
