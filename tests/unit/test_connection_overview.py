"""A page of the list, with what stands around it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sample_connections as samples
from scripted_kind import opened_context

from etl_engine.errors import Denied
from etl_engine.services import connection_overview
from etl_engine.services.connections import Query
from etl_engine.services.context import Actor, Context


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as made:
        samples.fill(made, samples.TWELVE)
        yield made


def test_counts_are_of_what_the_search_finds_and_of_all(ctx: Context) -> None:
    found = connection_overview.look(ctx, Query(text="INTERNAL", db_types=("mysql",), limit=3))
    assert (len(found.items), found.matching, found.found.total, found.total) == (3, 5, 11, 12)
    assert found.found.db_types == {"mysql": 5, "postgresql": 6}
    assert found.titles["mysql"] == "MySQL / MariaDB"


def test_a_page_behind_the_last_one_is_the_last_one(ctx: Context) -> None:
    found = connection_overview.look(ctx, Query(limit=5, offset=500, sort="name", descending=False))
    assert [one.name for one in found.items] == ["Warehouse", "Web events"]


def test_work_on_all_of_them_gets_ids_in_the_order_of_the_list(ctx: Context) -> None:
    query = Query(db_types=("mysql",), sort="name", descending=False, limit=2, offset=2)
    names = connection_overview.ids(ctx, query)
    assert list(names.values()) == ["Customer service", "Orders", "Returns", "Stock levels", "Supplier portal"]


def test_who_may_not_read_learns_nothing(ctx: Context) -> None:
    nobody = ctx.for_request("", Actor("nobody"))
    for call in (connection_overview.look, connection_overview.ids):
        with pytest.raises(Denied):
            call(nobody, Query())
