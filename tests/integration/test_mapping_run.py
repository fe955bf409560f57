"""A mapping from its documents to rows in PostgreSQL: preview, run, rejects, run again; judged by psql."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from copying import Pair
from deltalake import DeltaTable
from scripted_kind import opened_context

from etl_engine.errors import BadInput, Cancelled, EtlError, Rejected
from etl_engine.model.execution import Counters, Execution, Status
from etl_engine.services import column_mappings, connections, execution_attempts, executions, mappings, preview, schemas
from etl_engine.services.connection_documents import as_config
from etl_engine.services.context import Context

pytestmark = pytest.mark.real

CUSTOMERS = (
    "CREATE TABLE customers (id int, name text, joined timestamptz, city text, zip text, credit numeric, raw bytea)",
    "INSERT INTO customers VALUES (1, 'Ada Lovelace', '2024-07-01 10:00Z', 'London', 'SW1', 12.50, '\\x00ff'),"
    " (2, 'Grace', NULL, 'New York', NULL, NULL, NULL), (3, 'Edsger W. Dijkstra', '2024-01-01Z', NULL, NULL, 1e9, '')",
)
COLUMNS = [
    {"name": "id", "data_type": "integer", "key": True},
    {"name": "first", "data_type": "string"},
    {"name": "last", "data_type": "string"},
    {"name": "place", "data_type": "string"},
    {"name": "credit", "data_type": "decimal(8,2)"},
    {"name": "since", "data_type": "timestamp"},
    {"name": "origin", "data_type": "string", "nullable": False},
]
RULES: list[dict[str, Any]] = [
    {"type": "direct", "source_columns": ["id"], "target_fields": ["id"]},
    {"type": "split", "source_columns": ["name"], "target_fields": ["first", "last"], "config": {"delimiter": " "}},
    {
        "type": "join",
        "source_columns": ["city", "zip"],
        "target_fields": ["place"],
        "config": {"separator": " · ", "steps": [{"op": "case", "to": "upper"}]},
    },
    {"type": "direct", "source_columns": ["credit"], "target_fields": ["credit"]},
    {"type": "direct", "source_columns": ["joined"], "target_fields": ["since"], "config": {"zone": "Europe/Berlin"}},
    {"type": "constant", "target_fields": ["origin"], "config": {"value": "shop"}},
]
LOADED = "SELECT * FROM clients ORDER BY id"
ROWS = "1|Ada|Lovelace|LONDON · SW1|12.50|2024-07-01 12:00:00|shop\n2|Grace||NEW YORK|||shop"


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


def connected(ctx: Context, pair: Pair, database: str, name: str) -> str:
    server = pair.server
    values = {"name": name, "db_type": "postgresql", "host": server.host, "port": server.port, "database": database}
    login = {"username": server.user, "password": server.password, "tls_mode": "disable"}
    return connections.create(ctx, as_config(values | login)).id


@pytest.fixture
def source(ctx: Context, pair: Pair) -> str:
    pair.s(*CUSTOMERS)
    return connected(ctx, pair, pair.source, "Shop")


@pytest.fixture
def make(ctx: Context, pair: Pair, source: str) -> Callable[..., str]:
    def made(**changes: Any) -> str:
        schema = schemas.create(ctx, {"name": "Clients", "columns": COLUMNS}).id
        values = {"name": "Clients", "source_connection_id": source, "target_schema_id": schema}
        values |= {"source_query": "SELECT * FROM customers", "destination_table": "clients"}
        values["destination_connection_id"] = connected(ctx, pair, pair.target, "Warehouse")
        mapping = mappings.create(ctx, values | changes)
        column_mappings.append(ctx, mapping.id, RULES, alone=False)
        return mapping.id

    return made


def run(ctx: Context, mapping_id: str) -> Execution:
    ordered = mappings.run(ctx, mapping_id)
    assert execution_attempts.claim_and_run(ctx, "worker", ending=threading.Event(), stall_seconds=60)
    return executions.get(ctx, ordered.id)


def look(ctx: Context, source: str, query: str, **more: Any) -> preview.Preview:
    return preview.show(ctx, {"source_connection_id": source, "source_query": query, **more})


def refusal(ctx: Context, source: str, query: str, **more: Any) -> EtlError:
    with pytest.raises(EtlError) as refused:
        look(ctx, source, query, **more)
    return refused.value


def test_rows_are_split_joined_cast_and_loaded_and_the_one_that_does_not_fit_is_kept_apart(
    ctx: Context, pair: Pair, make: Callable[..., str]
) -> None:
    done = run(ctx, make())
    assert done.error is None
    assert (done.status, done.counters.read, done.counters.loaded, done.counters.rejected) == (Status.PARTIAL, 3, 2, 1)
    assert pair.t(LOADED) == ROWS
    assert pair.t(
        "SELECT column_name || ' ' || data_type FROM information_schema.columns "
        "WHERE table_name = 'clients' AND column_name IN ('credit', 'id') ORDER BY 1"
    ) == ("credit numeric\nid bigint")
    [kept] = (done.result or {})["rejects"]
    assert (kept["row"], kept["column"], kept["value"]) == (3, "credit", "1000000000")
    assert kept["reason"] == "has more than 6 digits before the point"


def test_merging_again_changes_nothing_and_brings_what_is_new(
    ctx: Context, pair: Pair, make: Callable[..., str]
) -> None:
    mapping = make(write_mode="merge")
    run(ctx, mapping)
    pair.s("UPDATE customers SET credit = 7 WHERE id = 3")
    again = run(ctx, mapping)
    assert (again.status, again.counters.rejected) == (Status.SUCCESS, 0)
    assert pair.t(LOADED) == ROWS + "\n3|Edsger|W. Dijkstra||7.00|2024-01-01 01:00:00|shop"


def test_the_first_row_that_does_not_fit_ends_the_run_where_it_is_to(
    ctx: Context, pair: Pair, make: Callable[..., str]
) -> None:
    done = run(ctx, make(reject_policy="stop"))
    assert done.status is Status.FAILED
    assert done.error is not None
    assert "Row 3: the value '1000000000' of credit has more than 6 digits" in done.error.message
    assert pair.t("SELECT count(*) FROM pg_class WHERE relname = 'clients'") == "0"


def test_more_rejects_than_allowed_end_the_run(ctx: Context, pair: Pair, make: Callable[..., str]) -> None:
    done = run(ctx, make(max_rejected=0))
    assert (done.status, done.counters.loaded) == (Status.FAILED, 0)
    assert pair.t("SELECT count(*) FROM pg_class WHERE relname = 'clients'") == "0"


def test_without_a_destination_rows_go_to_the_built_in_lake(
    ctx: Context, make: Callable[..., str], tmp_path: Path
) -> None:
    with_lake = replace(ctx, surroundings=replace(ctx.surroundings, lake=tmp_path / "lake"))
    mapping = make(destination_connection_id=None, destination_table=None, write_mode="merge")
    for _ in range(2):
        done = run(with_lake, mapping)
        assert (done.status, done.counters.loaded) == (Status.PARTIAL, 2)
    rows = DeltaTable(tmp_path / "lake" / "clients").to_pyarrow_table().sort_by("id").to_pylist()
    assert [(row["id"], row["first"], row["last"], str(row["credit"])) for row in rows] == [
        (1, "Ada", "Lovelace", "12.50"),
        (2, "Grace", None, "None"),
    ]


def test_a_query_without_rows_is_a_success_of_no_rows(ctx: Context, pair: Pair, make: Callable[..., str]) -> None:
    done = run(ctx, make(source_query="SELECT * FROM customers WHERE id < 0"))
    assert (done.status, done.counters) == (Status.SUCCESS, Counters())
    assert pair.t("SELECT count(*) FROM clients") == "0"


def test_a_destination_table_of_another_shape_is_said_before_a_row_is_written(
    ctx: Context, pair: Pair, make: Callable[..., str]
) -> None:
    pair.t("CREATE TABLE clients (id int, first text)")
    done = run(ctx, make())
    assert done.status is Status.FAILED
    assert done.error is not None
    assert "does not have the columns last (text)" in done.error.message
    assert done.error.hint == "Add these columns to the table, or choose another table."
    assert pair.t("SELECT count(*) FROM clients") == "0"


def test_a_column_that_is_gone_from_the_source_is_named(ctx: Context, pair: Pair, make: Callable[..., str]) -> None:
    mapping = make()
    pair.s("ALTER TABLE customers DROP COLUMN zip")
    done = run(ctx, mapping)
    assert done.error is not None
    assert "Column mapping 3 names 'zip', which the query does not answer" in done.error.message
    [problem] = mappings.problems(ctx, mapping, look=True)
    assert (problem.code, problem.pointer) == ("unknown-source-column", "/column_mappings/2/source_columns/1")


def test_a_mapping_that_is_deleted_while_it_runs_is_kept_and_the_run_has_all_it_needs(
    ctx: Context, pair: Pair, make: Callable[..., str]
) -> None:
    mapping = make()
    ordered = mappings.run(ctx, mapping)
    with pytest.raises(EtlError, match="is being run by the execution"):
        mappings.delete(ctx, mapping)
    assert execution_attempts.claim_and_run(ctx, "worker", ending=threading.Event(), stall_seconds=60)
    assert executions.get(ctx, ordered.id).final
    mappings.delete(ctx, mapping)


def test_a_preview_shows_types_exact_values_and_the_result_beside_them(
    ctx: Context, source: str, make: Callable[..., str]
) -> None:
    schema = mappings.get(ctx, make()).target_schema_id
    shown = look(
        ctx, source, "SELECT * FROM customers ORDER BY id", target_schema_id=schema, column_mappings=RULES[:4], limit=3
    )
    assert [(one.name, one.native, one.family) for one in shown.columns][:3] == [
        ("id", "integer", "integer"),
        ("name", "text", "text"),
        ("joined", "timestamp with time zone", "timestamp"),
    ]
    assert shown.rows[0] == ["1", "Ada Lovelace", "2024-07-01 10:00:00+00", "London", "SW1", "12.50", "\\x00ff"]
    assert (len(shown.rows), shown.more, shown.cut) == (3, False, 0)
    assert [one.code for one in shown.problems] == ["required-unmapped"]
    assert shown.result is not None
    assert shown.result.rows == [
        ["1", "Ada", "Lovelace", "LONDON · SW1", "12.50"],
        ["2", "Grace", None, "NEW YORK", None],
        None,
    ]
    assert [(one.row, one.column) for one in shown.result.rejects] == [(3, "credit")]
    assert shown.result.counts["rows with fewer parts than fields"] == 1


def test_a_preview_takes_a_few_rows_of_a_query_without_an_end(ctx: Context, source: str) -> None:
    endless = "WITH RECURSIVE n AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM n) SELECT n FROM n"
    shown = look(ctx, source, endless, limit=5)
    assert (shown.rows, shown.more) == ([["1"], ["2"], ["3"], ["4"], ["5"]], True)


def test_a_preview_keeps_the_order_and_cuts_what_is_too_long(ctx: Context, source: str) -> None:
    shown = look(ctx, source, "SELECT repeat('x', 5000) AS long, id FROM customers ORDER BY id DESC", limit=2)
    assert [row[1] for row in shown.rows] == ["3", "2"]
    assert (shown.cut, len(shown.rows[0][0] or ""), shown.more) == (2, 1000, True)


def test_a_preview_takes_no_more_bytes_than_it_may(ctx: Context, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    in_full = preview._texts

    def texts(batch: pa.RecordBatch, columns: Any) -> Any:
        held.append(batch.nbytes)
        return in_full(batch, columns)

    monkeypatch.setattr(preview, "_texts", texts)
    wide = "SELECT g, repeat('x', 5000000) AS long FROM generate_series(1, 40) AS g ORDER BY g"
    shown = look(ctx, source, wide)
    assert held[0] < preview.TOTAL_BYTES + (9 << 20), "of 200 MB"
    numbers = [row[0] for row in shown.rows]
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    assert 5 < len(numbers) < 10
    assert (shown.more, shown.cut) == (True, len(numbers))
    exactly = look(ctx, source, wide, limit=3)
    assert (len(exactly.rows), exactly.more) == (3, True)
    all_of_it = look(ctx, source, "SELECT g FROM generate_series(1, 3) AS g", limit=3)
    assert (len(all_of_it.rows), all_of_it.more) == (3, False)


def test_a_preview_without_rows_has_its_columns(ctx: Context, source: str) -> None:
    shown = look(ctx, source, "SELECT id, raw FROM customers WHERE false")
    assert ([one.name for one in shown.columns], shown.rows, shown.more) == (["id", "raw"], [], False)


def test_a_preview_writes_nothing_whatever_the_query_calls(ctx: Context, pair: Pair, source: str) -> None:
    pair.s(
        "CREATE SEQUENCE counted",
        "CREATE FUNCTION sneak() RETURNS int LANGUAGE sql AS 'DELETE FROM customers; SELECT 1'",
    )
    assert "read-only transaction" in refusal(ctx, source, "SELECT sneak() AS a").message
    assert "read-only transaction" in refusal(ctx, source, "SELECT nextval('counted') AS a").message
    assert pair.s("SELECT count(*) FROM customers") == "3"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT 1 AS a, 2 AS a", "several columns named 'a'"),
        ("SELECT 1", "Column 1 of the query has no name"),
        ("SELECT 1 AS a; SELECT 2 AS b", "more than one statement"),
        ("DROP TABLE customers", "changes data: it has DROP"),
        ("SELECT FROM customers", "no columns"),
        ("SELECT * FROM customer", "customer"),
        ("SELECT 1 AS a) AS x; DROP TABLE customers; --", "closes a parenthesis"),
        ("SELECT wrong FROM customers", "wrong"),
    ],
)
def test_a_query_that_cannot_be_shown_says_why(ctx: Context, source: str, query: str, said: str) -> None:
    error = refusal(ctx, source, query)
    assert said in error.message
    assert error.hint or not isinstance(error, BadInput)


def test_a_query_that_takes_too_long_is_stopped_by_the_server(
    ctx: Context, pair: Pair, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "SECONDS", 1.0)
    error = refusal(ctx, source, "SELECT pg_sleep(60) IS NULL AS a")
    assert isinstance(error, Rejected)
    assert "gave no rows within 1 seconds" in error.message
    assert (
        pair.s(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active' "
            "AND pid <> pg_backend_pid()"
        )
        == "0"
    )


def test_a_preview_that_nobody_waits_for_is_stopped(ctx: Context, pair: Pair, source: str) -> None:
    gone, begun = threading.Event(), time.monotonic()
    threading.Timer(0.5, gone.set).start()
    with pytest.raises(Cancelled):
        preview.show(
            ctx, {"source_connection_id": source, "source_query": "SELECT pg_sleep(60) IS NULL AS a"}, gone=gone
        )
    assert time.monotonic() - begun < 8
