"""Mappings and their column mappings: what is stored, what is refused and why, and what an execution is given."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_kind import draft as connection
from scripted_kind import opened_context, registered

from etl_engine.errors import BadInput, Conflict, Denied, EtlError, NotFound, Stale
from etl_engine.model.collections import COLUMN_MAPPINGS
from etl_engine.model.mapping import Mapping
from etl_engine.services import column_mappings, connections, executions, mappings, schemas
from etl_engine.services.context import Actor, Context

MISSING = "0" * 24
COLUMNS = [
    {"name": "id", "data_type": "integer", "key": True},
    {"name": "first", "data_type": "string"},
    {"name": "last", "data_type": "string"},
]
DIRECT = {"type": "direct", "source_columns": ["id"], "target_fields": ["id"]}
SPLIT = {
    "type": "split",
    "source_columns": ["name"],
    "target_fields": ["first", "last"],
    "config": {"delimiter": " ", "separator": None},
}


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    with registered(monkeypatch), opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def draft(ctx: Context) -> Callable[..., dict[str, Any]]:
    source = connections.create(ctx, connection("Shop")).id
    schema = schemas.create(ctx, {"name": "Customers", "columns": COLUMNS}).id
    named = {"name": "Shop to customers", "source_connection_id": source, "target_schema_id": schema}
    return lambda **changes: named | {"source_query": "SELECT id, name FROM customers"} | changes


@pytest.fixture
def made(ctx: Context, draft: Callable[..., dict[str, Any]]) -> Mapping:
    return mappings.create(ctx, draft())


def add(ctx: Context, mapping: Mapping, *rules: Any) -> list[str]:
    return [one.id for one in column_mappings.append(ctx, mapping.id, list(rules), alone=False)]


def refused(call: Callable[[], Any]) -> EtlError:
    with pytest.raises(EtlError) as caught:
        call()
    assert caught.value.hint, caught.value.message
    return caught.value


def test_a_mapping_is_stored_with_its_defaults(ctx: Context, made: Mapping) -> None:
    assert mappings.get(ctx, made.id) == made
    assert (made.write_mode, made.reject_policy, made.max_rejected) == ("append", "quarantine", 1000)
    assert (made.destination_connection_id, made.destination_table) == (None, None)
    changed = mappings.update(ctx, made.id, {"write_mode": "merge", "description": "Every night"})
    assert (changed.write_mode, changed.description, changed.name) == ("merge", "Every night", made.name)
    assert [one.id for one in mappings.list_(ctx).items] == [made.id]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("DELETE FROM customers", "changes data: it has DELETE"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("-- later", "is empty"),
        ("   ", "must not be blank"),
    ],
)
def test_a_query_that_is_not_one_reading_statement_is_refused(
    ctx: Context, draft: Callable[..., dict[str, Any]], query: str, said: str
) -> None:
    assert said in refused(lambda: mappings.create(ctx, draft(source_query=query))).message


@pytest.mark.parametrize("field", ["source_connection_id", "target_schema_id", "destination_connection_id"])
def test_a_reference_to_nothing_is_named(ctx: Context, draft: Callable[..., dict[str, Any]], field: str) -> None:
    error = refused(lambda: mappings.create(ctx, draft(**{field: MISSING}, destination_table="t")))
    assert isinstance(error, BadInput)
    assert [(one.pointer, one.code) for one in error.problems] == [(f"/{field}", "no-such")]


def test_a_destination_needs_a_table_and_merging_a_key(ctx: Context, draft: Callable[..., dict[str, Any]]) -> None:
    values = draft()
    no_table = refused(lambda: mappings.create(ctx, values | {"destination_connection_id": MISSING}))
    assert "needs the table that is written to" in no_table.message
    plain = schemas.create(ctx, {"name": "Plain", "columns": COLUMNS[1:]}).id
    no_key = refused(lambda: mappings.create(ctx, values | {"target_schema_id": plain, "write_mode": "merge"}))
    assert [one.code for one in no_key.problems] == ["key-missing"]


def test_two_mappings_do_not_share_a_table_of_the_lake_by_accident(
    ctx: Context, draft: Callable[..., dict[str, Any]], made: Mapping
) -> None:
    alike = draft(name="shop-to-CUSTOMERS", write_mode="replace")
    error = refused(lambda: mappings.create(ctx, alike))
    assert [(one.pointer, one.code) for one in error.problems] == [("/destination_table", "taken")]
    assert "shop_to_customers in the built-in lake is written by the mapping 'Shop to customers'" in error.message
    on_purpose = mappings.create(ctx, alike | {"destination_table": "shop_to_customers"})
    other = mappings.create(ctx, draft(name="Other"))
    refused(lambda: mappings.update(ctx, other.id, {"name": "Shop  to  customers!"}))
    refused(lambda: mappings.update(ctx, on_purpose.id, {"destination_table": None}))
    assert mappings.update(ctx, other.id, {"description": "Its own name is not taken"}).name == "Other"
    assert mappings.update(ctx, on_purpose.id, {"name": "By its own table", "destination_table": None}).revision == 2


def test_column_mappings_are_added_in_order_and_answered_with_both_config_fields(ctx: Context, made: Mapping) -> None:
    first, second = add(ctx, made, DIRECT, SPLIT)
    found = column_mappings.list_(ctx, made.id)
    assert [one.id for one in found] == [first, second]
    assert (found[0].config["delimiter"], found[0].config["separator"]) == (None, None)
    assert (found[1].config["delimiter"], found[1].config["fewer"]) == (" ", "null")
    assert found[1].mapping_id == made.id


@pytest.mark.parametrize(
    ("rule", "pointer", "code"),
    [
        (DIRECT | {"target_fields": ["nobody"]}, "/column_mappings/0/target_fields/0", "unknown-target-field"),
        (DIRECT | {"target_fields": ["first"]}, "/column_mappings/0/target_fields/0", "mapped-twice"),
        (SPLIT | {"config": {"delimiter": None}}, "/0/config/delimiter", "invalid"),
        (SPLIT | {"config": {"delimiter": ""}}, "/0/config/delimiter", "invalid"),
        (SPLIT | {"config": {}}, "/0/config/delimiter", "required"),
        (DIRECT | {"source_columns": []}, "/0/source_columns", "empty"),
        (DIRECT | {"source_columns": ["a", "b"]}, "/0/source_columns", "too-long"),
        (DIRECT | {"type": "guess"}, "/0/type", "not-a-choice"),
        (DIRECT | {"config": {"steps": [{"op": "trim", "sides": 1}]}}, "/0/config/steps/0/sides", "unknown-field"),
        (DIRECT | {"config": {"steps": [{"op": "shout"}]}}, "/0/config/steps/0/op", "not-a-choice"),
        (DIRECT | {"config": {"zone": "Mars/Base"}}, "/0/config/zone", "invalid"),
        ("direct", "/0", "wrong-type"),
    ],
)
def test_a_column_mapping_that_cannot_be_is_refused_with_its_place(
    ctx: Context, made: Mapping, rule: Any, pointer: str, code: str
) -> None:
    add(ctx, made, SPLIT)
    error = refused(lambda: add(ctx, made, rule))
    assert isinstance(error, BadInput)
    assert [(one.pointer, one.code) for one in error.problems] == [(pointer, code)]
    assert len(column_mappings.list_(ctx, made.id)) == 1, "all or none"


def test_column_mappings_are_replaced_changed_and_taken_out(ctx: Context, made: Mapping) -> None:
    add(ctx, made, DIRECT)
    direct, split = column_mappings.replace(ctx, made.id, [DIRECT, SPLIT])
    assert [one.id for one in column_mappings.list_(ctx, made.id)] == [direct.id, split.id]
    joined = {"type": "join", "source_columns": ["a", "b"], "target_fields": ["last"], "config": {"separator": ", "}}
    changed = column_mappings.change(ctx, made.id, split.id, joined)
    assert (changed.id, changed.type, changed.config["separator"]) == (split.id, "join", ", ")
    twice = refused(lambda: column_mappings.change(ctx, made.id, split.id, DIRECT))
    assert [one.code for one in twice.problems] == ["mapped-twice"]
    column_mappings.delete(ctx, made.id, direct.id)
    assert [one.id for one in column_mappings.list_(ctx, made.id)] == [split.id]
    with pytest.raises(NotFound):
        column_mappings.delete(ctx, made.id, direct.id)
    with pytest.raises(NotFound):
        column_mappings.list_(ctx, MISSING)


def test_a_mapping_runs_as_it_is_now_with_everything_in_its_graph(ctx: Context, made: Mapping) -> None:
    add(ctx, made, DIRECT, SPLIT)
    execution = mappings.run(ctx, made.id)
    assert (execution.subject.kind, execution.subject.id, execution.subject.name) == ("mapping", made.id, made.name)
    extract, mapped, load = execution.graph.nodes
    assert extract.config == {"connection_id": made.source_connection_id, "query": made.source_query}
    assert [rule["type"] for rule in mapped.config["rules"]] == ["direct", "split"]
    assert mapped.config["schema_version"] == 1
    assert (load.config["table"], load.config["connection_id"], load.config["key"]) == (
        "shop_to_customers",
        None,
        ["id"],
    )
    assert [(edge.source, edge.target) for edge in execution.graph.edges] == [("extract", "map"), ("map", "load")]


def test_what_keeps_a_mapping_from_running_is_listed_and_refuses_its_run(ctx: Context, made: Mapping) -> None:
    assert [one.code for one in mappings.problems(ctx, made.id)] == ["required"]
    add(ctx, made, SPLIT)
    [problem] = mappings.problems(ctx, made.id)
    assert (problem.code, problem.pointer, problem.column_mapping_id) == ("required-unmapped", "/column_mappings", None)
    error = refused(lambda: mappings.run(ctx, made.id))
    assert "The column mappings fill nothing into 'id', which needs a value" in error.message
    assert executions.active(ctx, "mapping", made.id) == []


def test_a_mapping_that_runs_is_not_deleted_and_says_so(ctx: Context, made: Mapping) -> None:
    add(ctx, made, DIRECT)
    execution = mappings.run(ctx, made.id)
    error = refused(lambda: mappings.delete(ctx, made.id))
    assert isinstance(error, Conflict)
    assert f"is being run by the execution {execution.id}" in error.message
    executions.cancel(ctx, execution.id)
    mappings.delete(ctx, made.id)
    assert ctx.store.count(COLUMN_MAPPINGS.name) == 0, "its column mappings go with it"


def test_a_connection_that_a_mapping_uses_is_not_deleted_and_says_who(
    ctx: Context, made: Mapping, draft: Callable[..., dict[str, Any]]
) -> None:
    target = connections.create(ctx, connection("Warehouse")).id
    mappings.create(ctx, draft(name="Other", destination_connection_id=target, destination_table="t"))
    error = refused(lambda: connections.delete(ctx, made.source_connection_id))
    assert isinstance(error, Conflict)
    assert "is in use by 2 mappings: 'Other', 'Shop to customers'" in error.message
    assert "by the mapping 'Other'" in refused(lambda: connections.delete(ctx, target)).message


def test_a_change_on_top_of_an_old_revision_is_stale(ctx: Context, made: Mapping) -> None:
    mappings.update(ctx, made.id, {"name": "New"})
    with pytest.raises(Stale):
        mappings.update(ctx, made.id, {"name": "Mine"}, revision=1)


def test_who_may_only_look_changes_nothing(ctx: Context, made: Mapping) -> None:
    reader = ctx.for_request("r", Actor("reader", frozenset({"mapping:read"})))
    assert mappings.problems(reader, made.id)
    for change in (
        lambda: mappings.update(reader, made.id, {"name": "x"}),
        lambda: mappings.delete(reader, made.id),
        lambda: mappings.run(reader, made.id),
        lambda: column_mappings.append(reader, made.id, [DIRECT], alone=False),
    ):
        with pytest.raises(Denied):
            change()
