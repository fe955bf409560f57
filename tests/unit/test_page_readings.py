"""What a page shows is read by one function: it finds the same as the single ones, and asks for every right."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from executing import scripted_blocks, submitted, worked
from scripted_kind import draft, failed, passed, registered

from etl_engine import wiring
from etl_engine.engine.block import Output
from etl_engine.errors import BadInput, Denied, NotFound, Stale
from etl_engine.model.execution import Status
from etl_engine.services import (
    column_mappings,
    connections,
    executions,
    filled_forms,
    forms,
    mappings,
    run_detail,
    run_listing,
    schedule_forms,
    schedule_listing,
    schedules,
    schema_listing,
    schemas,
)
from etl_engine.services.context import Actor, Context
from etl_engine.services.documents import Query
from etl_engine.settings import Settings

MISSING = "0" * 24
VALUES = {
    "name": "Shop",
    "db_type": "scripted",
    "host": "db.example.com",
    "port": "7000",
    "database": "shop",
    "username": "me",
    "password": "secret",
}


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    with registered(monkeypatch) as script:
        script.check = lambda config: passed() if config.revealed()["host"] != "away" else failed()
        engine = wiring.Engine(Settings(data_dir=tmp_path))
        yield engine.context()
        engine.close()


@pytest.fixture
def schema(ctx: Context) -> str:
    return schemas.create(ctx, {"name": "Ids", "columns": [{"name": "id", "data_type": "integer"}]}).id


@pytest.fixture
def mapping(ctx: Context, schema: str) -> str:
    source = connections.create(ctx, draft("Source")).id
    values = {"name": "Nightly ids", "source_connection_id": source, "target_schema_id": schema}
    made = mappings.create(ctx, values | {"source_query": "SELECT 1 AS id"}).id
    rule = {"type": "direct", "source_columns": ["id"], "target_fields": ["id"]}
    column_mappings.append(ctx, made, [rule], alone=False)
    return made


@pytest.fixture
def fill(ctx: Context, mapping: str) -> Callable[..., str]:
    def filled(name: str, **changes: Any) -> str:
        values = {"name": name, "mapping_id": mapping, "cron_expression": "0 * * * *", **changes}
        return schedules.create(ctx, values).id

    return filled


def test_a_list_of_schedules_counts_what_the_search_finds_and_names_what_runs(
    ctx: Context, fill: Callable[..., str], mapping: str
) -> None:
    for number in range(5):
        fill(f"Hourly {number}", enabled=number != 2)
    fill("Other")
    paused = Query("hourly", {"enabled": False}, "name", False, 2, 0)
    found = schedule_listing.look(ctx, paused)
    assert [one.name for one in found.items] == ["Hourly 2"]
    assert (found.total, found.active, found.paused, found.any) == (1, 4, 1, True)
    assert found.mappings == {mapping: "Nightly ids"}
    behind = schedule_listing.look(ctx, Query("hourly", {}, "name", False, 2, 40))
    assert [one.name for one in behind.items] == ["Hourly 4"]
    nothing = schedule_listing.look(ctx, Query("nothing like this", limit=2))
    assert (nothing.items, nothing.any, nothing.mappings) == ([], True, {})


def test_without_a_schedule_there_is_none(ctx: Context) -> None:
    assert not schedule_listing.look(ctx, Query(limit=2)).any


def test_the_form_of_a_schedule_opens_with_its_next_fires(ctx: Context, fill: Callable[..., str], mapping: str) -> None:
    made = fill("Mornings", cron_expression="0 7 * * *", timezone="Europe/Berlin")
    form = schedule_forms.filled(ctx, made, "America/New_York")
    assert (form.schedule, form.mappings) == (schedules.get(ctx, made), {mapping: "Nightly ids"})
    assert form.reading.timetable == schedules.timetable(ctx, made, viewer="America/New_York")
    assert form.presets == schedules.presets(ctx)
    blank = schedule_forms.blank(ctx, "Mars/Olympus")
    assert blank.reading.refusal is not None
    assert blank.reading.refusal.problems[0].pointer == "/timezone"
    unknown_viewer = schedule_forms.read(ctx, "0 7 * * *", "UTC", "Mars/Olympus")
    assert unknown_viewer.timetable is not None
    assert unknown_viewer.timetable.viewer_timezone == "UTC"
    with pytest.raises(NotFound):
        schedule_forms.filled(ctx, MISSING)


def test_a_list_of_schemas_says_by_how_many_each_is_used(ctx: Context, schema: str, mapping: str) -> None:
    other = schemas.create(ctx, {"name": "Other", "columns": [{"name": "id", "data_type": "integer"}]}).id
    found = schema_listing.look(ctx)
    assert [one.id for one in found.items] == [schema, other]
    assert (found.total, found.used.get(schema), found.used.get(other)) == (2, 1, None)
    assert schema_listing.look(ctx, "oth").total == 2
    detail = schema_listing.one(ctx, schema)
    assert (detail.schema, detail.versions) == (schemas.get(ctx, schema), schemas.versions(ctx, schema))


def test_a_list_of_runs_counts_every_status_that_the_other_filters_find(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not run_listing.look(ctx, executions.Query()).any
    with scripted_blocks(monkeypatch, "one") as blocks:
        blocks["one"].does = lambda work: Output()
        for _ in range(2):
            submitted(ctx, "one")
            assert worked(ctx)
        waits = submitted(ctx, "one")
        page = run_listing.look(ctx, executions.Query(statuses=(Status.SUCCESS,), limit=1))
        assert page.counts == {Status.SUCCESS: 2, Status.PENDING: 1}
        assert page.page.next is not None
        older = executions.Query(statuses=(Status.SUCCESS,), limit=1, after=page.page.next)
        assert run_listing.look(ctx, older).counts == page.counts
        assert run_listing.look(ctx, replace(older, text="nothing like this", after=None)).any
        detail = run_detail.look(ctx, waits.id)
        assert (detail.execution.id, [task.block_id for task in detail.tasks]) == (
            waits.id,
            [node.id for node in waits.graph.nodes],
        )


def test_a_new_connection_is_stored_with_the_receipt_of_its_test_and_never_without(ctx: Context) -> None:
    with pytest.raises(BadInput, match=filled_forms.UNTESTED):
        filled_forms.create(ctx, VALUES, "")
    with pytest.raises(BadInput, match="port") as wrong:
        filled_forms.create(ctx, VALUES | {"port": "many"}, "")
    assert [one.pointer for one in wrong.value.problems] == ["/port"]
    receipt = filled_forms.test(ctx, "", VALUES).details.receipt or ""
    with pytest.raises(BadInput, match="does not prove"):
        filled_forms.create(ctx, VALUES | {"host": "other.example.com"}, receipt)
    assert connections.facets(ctx).total == 0
    assert filled_forms.create(ctx, VALUES | {"name": "Another name"}, receipt).last_test_status == "success"


def test_a_stored_connection_may_be_renamed_untested_and_nothing_else(ctx: Context) -> None:
    made = connections.create(ctx, draft("Shop"))
    typed = dict(forms.filled(ctx, made.id).values)
    with pytest.raises(BadInput, match=filled_forms.UNTESTED):
        filled_forms.update(ctx, made.id, typed | {"name": "Renamed", "host": "other.example.com"})
    renamed = filled_forms.update(ctx, made.id, typed | {"name": "Renamed"}, revision=made.revision)
    assert renamed.name == "Renamed"
    moved = typed | {"host": "other.example.com"}
    receipt = filled_forms.test(ctx, made.id, moved).details.receipt or ""
    with pytest.raises(Stale):
        filled_forms.update(ctx, made.id, moved, revision=made.revision, receipt=receipt)
    saved = filled_forms.update(ctx, made.id, moved, revision=renamed.revision, receipt=receipt)
    assert (saved.name, saved.last_test_status) == ("Shop", "success")
    assert not filled_forms.test(ctx, made.id, typed | {"host": "away"}).success


def test_a_pasted_text_brings_the_form_of_its_kind_where_it_is_another(ctx: Context) -> None:
    url = "postgres://reader:pl4nted@db.example.com/shop"
    other = filled_forms.pasted(ctx, url, "mysql").other_kind
    assert other is not None
    assert other.kind.db_type == "postgresql"
    assert filled_forms.pasted(ctx, url, "postgresql").other_kind is None


@pytest.mark.parametrize(
    ("rights", "call"),
    [
        ({"schedule:read"}, lambda ctx: schedule_listing.look(ctx, Query())),
        ({"schedule:read"}, schedule_forms.blank),
        ({"schema:read"}, schema_listing.look),
        ({"mapping:read"}, schema_listing.look),
        ({"schedule:read"}, lambda ctx: run_listing.look(ctx, executions.Query())),
        ({"schedule:read"}, lambda ctx: run_detail.look(ctx, MISSING)),
        ({"connection:test"}, lambda ctx: filled_forms.create(ctx, VALUES, "x")),
        ({"connection:read"}, lambda ctx: filled_forms.test(ctx, "", VALUES)),
        ({"connection:read", "connection:test"}, lambda ctx: filled_forms.update(ctx, MISSING, VALUES)),
    ],
    ids=["schedules", "schedule", "schemas", "mappings", "runs", "run", "create", "test", "update"],
)
def test_a_reading_of_several_nouns_asks_for_the_right_to_each(
    ctx: Context, rights: set[str], call: Callable[[Context], Any]
) -> None:
    with pytest.raises(Denied):
        call(replace(ctx, actor=Actor("reader", frozenset(rights))))
