"""Connections: create, list, get, update, duplicate, delete, restore, on the embedded store."""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from scripted_kind import Script, at_once, audited, draft, failed, opened_context, passed, registered

from etl_engine.connectors.registry import Saved
from etl_engine.errors import BadInput, Conflict, Denied, NotFound, Stale, StoreUnavailable
from etl_engine.model.collections import AUDIT, CONNECTIONS
from etl_engine.model.connection import TestStatus
from etl_engine.model.text import MASK
from etl_engine.services import connection_tests, connections, keys
from etl_engine.services.connection_documents import opened
from etl_engine.services.connections import Query
from etl_engine.services.context import Actor, Context

MISSING = "0" * 24


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    with registered(monkeypatch) as script:
        yield script


@pytest.fixture
def ctx(tmp_path: Path, script: Script) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


def saved_with_receipt(ctx: Context, name: str = "Shop", **more: Any) -> Saved:
    """A connection that was tested, and saved with the receipt."""
    values = draft(name, **more)
    receipt = connection_tests.test_new(ctx, values).details.receipt
    assert receipt
    return connections.create(ctx, values, receipt=receipt)


def receipt_of(ctx: Context, connection_id: str, changes: dict[str, Any]) -> str:
    receipt = connection_tests.test_saved(ctx, connection_id, changes).details.receipt
    assert receipt
    return receipt


def secret(ctx: Context, connection_id: str) -> str:
    document = ctx.store.get(CONNECTIONS.name, connection_id)
    assert document is not None
    return str(opened(ctx.keyring.vault(), document)["password"])


def names(ctx: Context, **query: Any) -> list[str]:
    return [one.name for one in connections.list_(ctx, Query(sort="name", descending=False, **query)).items]


# Create and read


def test_a_new_connection_is_untested_masked_and_sealed(ctx: Context) -> None:
    made = connections.create(ctx, draft(password="pl4nted"))
    assert (made.name, made.db_type, made.revision) == ("Shop", "scripted", 1)
    assert (made.last_test_status, made.last_tested_at, made.tests) == (None, None, [])
    assert made.created_at == made.updated_at
    assert made.model_dump()["password"] == MASK
    assert "pl4nted" not in repr(ctx.store.get(CONNECTIONS.name, made.id))
    assert secret(ctx, made.id) == "pl4nted"
    assert connections.get(ctx, made.id) == made


def test_the_mask_is_no_password_for_a_new_connection(ctx: Context) -> None:
    with pytest.raises(BadInput, match="mask") as refused:
        connections.create(ctx, draft(password=MASK))
    assert [problem.pointer for problem in refused.value.problems] == ["/password"]
    assert not ctx.store.count(CONNECTIONS.name)


@pytest.mark.parametrize("work", [connections.get, connections.delete, connections.duplicate], ids=lambda f: f.__name__)
def test_a_connection_that_is_not_there_is_missing(ctx: Context, work: Callable[..., Any]) -> None:
    with pytest.raises(NotFound, match=MISSING):
        work(ctx, MISSING)


def test_updating_what_is_not_there_is_missing(ctx: Context) -> None:
    with pytest.raises(NotFound, match=MISSING):
        connections.update(ctx, MISSING, {"host": "h"})


# Names


@pytest.mark.parametrize(
    "other",
    ["shop größe", "  SHOP GRÖSSE  ", "Shop Gro\u0308ße", "ＳＨＯＰ GRÖSSE"],
    ids=["case", "spaces", "form", "width"],
)
def test_names_that_a_person_takes_for_the_same_are_the_same(ctx: Context, other: str) -> None:
    holder = connections.create(ctx, draft("Shop Größe"))
    with pytest.raises(Conflict) as taken:
        connections.create(ctx, draft(other))
    assert "'Shop Größe'" in taken.value.message and holder.id in taken.value.message
    assert taken.value.context["connection_id"] == holder.id
    assert [problem.pointer for problem in taken.value.problems] == ["/name"]


def test_a_rename_to_a_taken_name_names_the_holder(ctx: Context) -> None:
    holder, other = connections.create(ctx, draft("Shop")), connections.create(ctx, draft("Books"))
    with pytest.raises(Conflict, match=holder.id):
        connections.update(ctx, other.id, {"name": "SHOP"})
    assert connections.get(ctx, other.id).name == "Books"


def test_a_name_may_change_in_case_alone(ctx: Context) -> None:
    made = connections.create(ctx, draft("shop"))
    assert connections.update(ctx, made.id, {"name": "Shop"}).name == "Shop"


def test_eight_creations_of_one_name_at_once_make_one_connection(ctx: Context) -> None:
    answers = at_once(8, lambda number: connections.create(ctx, draft("Shop" if number % 2 else "SHOP")))
    made = [answer for answer in answers if isinstance(answer, Saved)]
    assert len(made) == 1
    refused = [answer for answer in answers if isinstance(answer, Conflict)]
    assert len(refused) == 7
    assert all(made[0].id in answer.message for answer in refused)


# Lists


@pytest.fixture
def five(ctx: Context, script: Script) -> Context:
    """Three untested, one good, one bad."""
    connections.create(ctx, draft("alpha", host="one.example.com", database="Straße"))
    connections.create(ctx, draft("Beta", username="billing_%"))
    connections.create(ctx, draft("gamma", db_type="postgresql", port=5999))
    script.check = lambda config: passed(ms=40)
    saved_with_receipt(ctx, "Delta")
    bad = connections.create(ctx, draft("epsilon", db_type="scripted"))
    script.check = lambda config: failed()
    connection_tests.test_saved(ctx, bad.id)
    return ctx


def test_a_list_is_newest_change_first(five: Context) -> None:
    listing = connections.list_(five, Query())
    assert [one.name for one in listing.items] == ["epsilon", "Delta", "gamma", "Beta", "alpha"]
    assert listing.total == 5


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["alpha", "Beta", "Delta", "epsilon", "gamma"]),
        ("ETA", ["Beta"]),
        ("one.EXAMPLE", ["alpha"]),
        ("strasse", ["alpha"]),
        ("STRAßE", ["alpha"]),
        ("5999", ["gamma"]),
        ("billing_%", ["Beta"]),
        ("%", ["Beta"]),
        ("b_lling", []),
        ("  delta ", ["Delta"]),
        ("secret", []),
        (MASK, []),
        (".*", []),
    ],
)
def test_a_search_finds_what_a_card_shows_to_the_letter(five: Context, text: str, found: list[str]) -> None:
    assert names(five, text=text) == found
    assert connections.facets(five, text).total == len(found)


def test_a_search_finds_nothing_across_two_fields(five: Context) -> None:
    assert names(five, text="alphaone") == []


def test_filters_by_kind_and_status_add_up(five: Context) -> None:
    assert names(five, db_types=("postgresql",)) == ["gamma"]
    assert names(five, db_types=("postgresql", "scripted"), statuses=("success",)) == ["Delta"]
    assert names(five, statuses=("failed",)) == ["epsilon"]
    assert names(five, statuses=("untested",)) == ["alpha", "Beta", "gamma"]
    assert names(five, statuses=("untested", "failed")) == ["alpha", "Beta", "epsilon", "gamma"]
    assert names(five, text="eta", statuses=("failed",)) == []


def test_facets_count_by_kind_and_status(five: Context) -> None:
    facets = connections.facets(five)
    assert facets.total == 5
    assert facets.db_types == {"scripted": 4, "postgresql": 1}
    assert facets.statuses == {"success": 1, "failed": 1, "untested": 3}


def test_names_sort_without_regard_to_case(five: Context) -> None:
    assert names(five) == ["alpha", "Beta", "Delta", "epsilon", "gamma"]


def test_untested_connections_sort_before_those_with_a_latency(five: Context) -> None:
    found = connections.list_(five, Query(sort="last_test_ms", descending=False)).items
    assert [one.name for one in found[-2:]] == ["epsilon", "Delta"]


def test_pages_hold_every_connection_once(five: Context) -> None:
    pages = [connections.list_(five, Query(limit=2, offset=offset)) for offset in (0, 2, 4, 6)]
    assert [len(page.items) for page in pages] == [2, 2, 1, 0]
    assert {page.total for page in pages} == {5}
    assert len({one.id for page in pages for one in page.items}) == 5


# Update


def test_an_update_changes_the_fields_it_names_and_no_other(ctx: Context) -> None:
    made = connections.create(ctx, draft(password="first"))
    changed = connections.update(ctx, made.id, {"host": "other.example.com"})
    assert (changed.model_dump()["host"], changed.model_dump()["database"]) == ("other.example.com", "shop")
    assert secret(ctx, made.id) == "first"
    assert changed.revision == made.revision + 1
    assert names(ctx, text="other.example") == ["Shop"] and names(ctx, text="db.example") == []


@pytest.mark.parametrize("patch", [{}, {"host": "db.example.com"}, {"password": MASK}, {"password": "secret"}], ids=str)
def test_an_update_that_changes_nothing_writes_nothing(ctx: Context, patch: dict[str, Any]) -> None:
    made = saved_with_receipt(ctx)
    assert connections.update(ctx, made.id, patch) == made
    assert [action for action, _, _ in audited(ctx)] == ["connection:create"]


def test_the_mask_keeps_the_password(ctx: Context) -> None:
    made = connections.create(ctx, draft(password="first"))
    connections.update(ctx, made.id, {"password": MASK, "username": "you"})
    assert secret(ctx, made.id) == "first"


@pytest.mark.parametrize(
    "patch", [{"host": "h"}, {"password": "new"}, {"port": 7001}, {"tls_mode": "require"}], ids=str
)
def test_changing_anything_but_the_name_makes_it_untested(ctx: Context, patch: dict[str, Any]) -> None:
    made = saved_with_receipt(ctx)
    assert made.last_test_status is TestStatus.SUCCESS
    changed = connections.update(ctx, made.id, patch)
    assert (changed.last_test_status, changed.last_tested_at, changed.last_test_version) == (None, None, None)
    assert len(changed.tests) == 1, "what was measured before stays in the history"


def test_a_rename_keeps_the_status(ctx: Context) -> None:
    made = saved_with_receipt(ctx)
    renamed = connections.update(ctx, made.id, {"name": "Books"})
    assert (renamed.last_test_status, renamed.last_tested_at) == (made.last_test_status, made.last_tested_at)


def test_another_kind_takes_its_own_port_and_drops_what_it_does_not_have(ctx: Context) -> None:
    made = saved_with_receipt(ctx, port=7123, tls_mode="require")
    changed = connections.update(ctx, made.id, {"db_type": "postgresql"})
    values = changed.model_dump()
    assert (values["db_type"], values["port"], values["tls_mode"]) == ("postgresql", 5432, "require")
    assert changed.last_test_status is None
    assert secret(ctx, made.id) == "secret"
    file = connections.update(ctx, made.id, {"db_type": "sqlite", "database": "shop.db"}).model_dump()
    assert "host" not in file and "password" not in file
    stored = ctx.store.get(CONNECTIONS.name, made.id)
    assert stored is not None and stored["password"] is None and stored["host"] is None
    with pytest.raises(BadInput, match="host"):
        connections.update(ctx, made.id, {"db_type": "scripted"})


def test_an_update_says_what_is_wrong_with_which_field(ctx: Context) -> None:
    made = connections.create(ctx, draft())
    with pytest.raises(BadInput) as refused:
        connections.update(ctx, made.id, {"port": 0, "hots": "h"})
    assert {problem.pointer for problem in refused.value.problems} == {"/port", "/hots"}
    assert connections.get(ctx, made.id) == made


def test_an_update_of_another_revision_is_stale(ctx: Context) -> None:
    made = connections.create(ctx, draft())
    connections.update(ctx, made.id, {"host": "a"}, revision=made.revision)
    with pytest.raises(Stale, match="changed by somebody else"):
        connections.update(ctx, made.id, {"host": "b"}, revision=made.revision)
    assert connections.get(ctx, made.id).model_dump()["host"] == "a"


def test_updates_of_different_fields_at_once_all_survive(ctx: Context) -> None:
    made = connections.create(ctx, draft())
    patches: list[dict[str, Any]] = [{"host": "h"}, {"database": "d"}, {"username": "u"}, {"password": "p"}]
    answers = at_once(4, lambda number: connections.update(ctx, made.id, patches[number]))
    assert all(isinstance(answer, Saved) for answer in answers), answers
    values = connections.get(ctx, made.id).model_dump()
    assert (values["host"], values["database"], values["username"]) == ("h", "d", "u")
    assert secret(ctx, made.id) == "p"
    assert connections.get(ctx, made.id).revision == 5


def test_of_eight_updates_of_one_revision_one_is_made(ctx: Context) -> None:
    made = connections.create(ctx, draft())
    answers = at_once(8, lambda n: connections.update(ctx, made.id, {"host": f"h{n}"}, revision=made.revision))
    assert sum(isinstance(answer, Saved) for answer in answers) == 1
    assert sum(isinstance(answer, Stale) for answer in answers) == 7
    assert connections.get(ctx, made.id).revision == 2


def test_a_lost_race_is_run_again_and_stands_in_the_audit_once(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    made = connections.create(ctx, draft())
    update, raced = ctx.store.update, []

    def overtaken(collection: str, where: Any, *args: Any, **more: Any) -> Any:
        if collection == CONNECTIONS.name and not raced:
            raced.append(where)
            update(CONNECTIONS.name, {"_id": made.id}, {"database": "theirs"}, increment={"revision": 1})
        return update(collection, where, *args, **more)

    monkeypatch.setattr(ctx.store, "update", overtaken)
    changed = connections.update(ctx, made.id, {"host": "mine"}).model_dump()
    assert (changed["host"], changed["database"]) == ("mine", "theirs")
    assert audited(ctx)[1:] == [("connection:update", "done", "")]


def test_thirty_updates_at_once_without_a_revision_are_all_made(ctx: Context) -> None:
    made = connections.create(ctx, draft())
    answers = at_once(30, lambda n: connections.update(ctx, made.id, {"host": f"h{n}"}))
    assert [answer for answer in answers if not isinstance(answer, Saved)] == []
    assert connections.get(ctx, made.id).revision == 31
    assert audited(ctx)[1:] == [("connection:update", "done", "")] * 30


# Receipts


def test_a_receipt_saves_a_connection_as_tested(ctx: Context, script: Script) -> None:
    script.check = lambda config: passed(ms=77.5, version="Scripted 9.9")
    made = saved_with_receipt(ctx)
    assert made.last_test_status is TestStatus.SUCCESS
    assert (made.last_test_ms, made.last_test_version) == (77.5, "Scripted 9.9")
    assert [run.status for run in made.tests] == [TestStatus.SUCCESS]
    assert made.last_tested_at == made.tests[0].at


@pytest.mark.parametrize(
    "other", [{"host": "h"}, {"password": "other"}, {"port": 7001}, {"tls_mode": "disable"}], ids=str
)
def test_a_receipt_is_for_exactly_the_values_tested(ctx: Context, other: dict[str, Any]) -> None:
    receipt = connection_tests.test_new(ctx, draft()).details.receipt or ""
    with pytest.raises(BadInput, match="does not prove that these values were tested") as refused:
        connections.create(ctx, draft(**other), receipt=receipt)
    assert refused.value.problems[0].pointer == "/test_receipt"
    assert not ctx.store.count(CONNECTIONS.name)


def test_a_receipt_survives_another_name(ctx: Context) -> None:
    receipt = connection_tests.test_new(ctx, draft("Shop")).details.receipt or ""
    assert connections.create(ctx, draft("Books"), receipt=receipt).last_test_status is TestStatus.SUCCESS


@pytest.mark.parametrize(("seconds", "good"), [(590, True), (610, False)])
def test_a_receipt_is_good_for_ten_minutes(ctx: Context, seconds: int, good: bool) -> None:
    began = dt.datetime(2031, 5, 6, 12, tzinfo=dt.UTC)
    with time_machine.travel(began, tick=False) as clock:
        receipt = connection_tests.test_new(ctx, draft()).details.receipt or ""
        clock.shift(seconds)
        with contextlib.nullcontext() if good else pytest.raises(BadInput, match="ten minutes"):
            assert connections.create(ctx, draft(), receipt=receipt).last_tested_at == began


def test_a_receipt_of_another_store_is_refused(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with opened_context(tmp_path / "other") as other:
        receipt = connection_tests.test_new(other, draft()).details.receipt or ""
    with pytest.raises(BadInput, match="not valid"):
        connections.create(ctx, draft(), receipt=receipt)


@pytest.mark.parametrize("text", ["x", "gAAAAA", "é", "a" * 5000])
def test_a_text_that_is_no_receipt_is_refused(ctx: Context, text: str) -> None:
    with pytest.raises(BadInput, match="not valid"):
        connections.create(ctx, draft(), receipt=text)


def test_an_undo_token_is_no_receipt_and_a_receipt_undoes_nothing(ctx: Context) -> None:
    made = connections.create(ctx, draft())
    receipt = connection_tests.test_new(ctx, draft("Books")).details.receipt or ""
    undo = connections.delete(ctx, made.id)
    with pytest.raises(BadInput, match="not valid"):
        connections.create(ctx, draft(), receipt=undo)
    with pytest.raises(BadInput, match="no longer be undone"):
        connections.restore(ctx, receipt)


def test_a_receipt_goes_with_an_update(ctx: Context) -> None:
    made = saved_with_receipt(ctx)
    receipt = receipt_of(ctx, made.id, {"host": "h", "name": "Other"})
    changed = connections.update(ctx, made.id, {"host": "h", "name": "Third"}, receipt=receipt)
    assert (changed.name, changed.last_test_status, len(changed.tests)) == ("Third", TestStatus.SUCCESS, 2)


def test_a_receipt_for_other_changes_is_refused(ctx: Context) -> None:
    made = saved_with_receipt(ctx)
    receipt = receipt_of(ctx, made.id, {"host": "h"})
    with pytest.raises(BadInput, match="does not prove that these values were tested"):
        connections.update(ctx, made.id, {"host": "h", "username": "you"}, receipt=receipt)
    assert connections.get(ctx, made.id) == made


def test_a_receipt_from_before_a_new_data_key_asks_for_another_test(ctx: Context) -> None:
    receipt = connection_tests.test_new(ctx, draft()).details.receipt or ""
    keys.rotate(ctx, reseal=True)
    with pytest.raises(BadInput, match="does not prove that these values were tested") as refused:
        connections.create(ctx, draft(), receipt=receipt)
    assert refused.value.hint == "Test these values again."
    assert connections.create(ctx, draft(), receipt=connection_tests.test_new(ctx, draft()).details.receipt or "")


def test_a_receipt_used_twice_counts_once(ctx: Context) -> None:
    made = connections.create(ctx, draft())
    receipt = receipt_of(ctx, made.id, {"host": "h"})
    for _ in range(2):
        changed = connections.update(ctx, made.id, {"host": "h"}, receipt=receipt)
    assert len(changed.tests) == 1


# Duplicate, delete, restore


def test_a_duplicate_has_the_secret_a_free_name_and_no_history(ctx: Context) -> None:
    made = saved_with_receipt(ctx, password="pl4nted")
    copies = [connections.duplicate(ctx, made.id) for _ in range(3)]
    assert [copy.name for copy in copies] == ["Shop (copy)", "Shop (copy 2)", "Shop (copy 3)"]
    assert all(copy.last_test_status is None and copy.tests == [] for copy in copies)
    assert {secret(ctx, copy.id) for copy in copies} == {"pl4nted"}
    assert set(names(ctx, text="(copy")) == {copy.name for copy in copies}


def test_the_copy_of_a_long_name_fits(ctx: Context) -> None:
    made = connections.create(ctx, draft("x" * 120))
    assert connections.duplicate(ctx, made.id).name == "x" * 113 + " (copy)"


def test_copies_made_at_once_all_find_a_name(ctx: Context) -> None:
    made = connections.create(ctx, draft())
    answers = at_once(6, lambda _: connections.duplicate(ctx, made.id))
    assert all(isinstance(answer, Saved) for answer in answers), answers
    assert ctx.store.count(CONNECTIONS.name) == 7


def test_a_deletion_is_undone_as_it_was(ctx: Context) -> None:
    made = saved_with_receipt(ctx, password="pl4nted")
    undo = connections.delete(ctx, made.id)
    assert "pl4nted" not in undo
    with pytest.raises(NotFound):
        connections.get(ctx, made.id)
    assert connections.restore(ctx, undo) == made
    assert secret(ctx, made.id) == "pl4nted"


def test_deleting_twice_is_missing_the_second_time(ctx: Context) -> None:
    made = connections.create(ctx, draft())
    connections.delete(ctx, made.id)
    with pytest.raises(NotFound):
        connections.delete(ctx, made.id)


def test_of_eight_deletions_at_once_one_deletes(ctx: Context) -> None:
    made = connections.create(ctx, draft())
    answers = at_once(8, lambda _: connections.delete(ctx, made.id))
    assert sum(isinstance(answer, str) for answer in answers) == 1
    assert sum(isinstance(answer, NotFound) for answer in answers) == 7


def test_deleting_another_revision_is_stale(ctx: Context) -> None:
    made = connections.create(ctx, draft())
    connections.update(ctx, made.id, {"host": "h"})
    with pytest.raises(Stale):
        connections.delete(ctx, made.id, revision=made.revision)
    connections.delete(ctx, made.id, revision=made.revision + 1)


def test_a_change_just_before_a_deletion_comes_back_with_the_undo(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = connections.create(ctx, draft())
    delete, raced = ctx.store.delete, []

    def overtaken(collection: str, where: Any) -> int:
        if not raced:
            raced.append(where)
            connections.update(ctx, made.id, {"host": "theirs"})
        return delete(collection, where)

    monkeypatch.setattr(ctx.store, "delete", overtaken)
    undo = connections.delete(ctx, made.id)
    assert connections.restore(ctx, undo).model_dump()["host"] == "theirs"


@pytest.mark.parametrize(("seconds", "good"), [(115, True), (125, False)])
def test_a_deletion_can_be_undone_for_two_minutes(ctx: Context, seconds: int, good: bool) -> None:
    with time_machine.travel(dt.datetime(2031, 5, 6, 12, tzinfo=dt.UTC), tick=False) as clock:
        undo = connections.delete(ctx, connections.create(ctx, draft()).id)
        clock.shift(seconds)
        with contextlib.nullcontext() if good else pytest.raises(BadInput, match="no longer be undone"):
            assert connections.restore(ctx, undo).name == "Shop"


def test_an_undo_of_a_name_taken_meanwhile_names_the_holder(ctx: Context) -> None:
    undo = connections.delete(ctx, connections.create(ctx, draft()).id)
    holder = connections.create(ctx, draft("SHOP"))
    with pytest.raises(Conflict, match=holder.id):
        connections.restore(ctx, undo)
    assert names(ctx) == ["SHOP"]


def test_an_undo_used_twice_is_a_conflict(ctx: Context) -> None:
    undo = connections.delete(ctx, connections.create(ctx, draft()).id)
    connections.restore(ctx, undo)
    with pytest.raises(Conflict):
        connections.restore(ctx, undo)
    assert ctx.store.count(CONNECTIONS.name) == 1


def test_an_undo_of_another_store_is_refused(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with opened_context(tmp_path / "other") as other:
        undo = connections.delete(other, connections.create(other, draft()).id)
    with pytest.raises(BadInput, match="no longer be undone"):
        connections.restore(ctx, undo)


# Audit and rights


def test_every_write_is_in_the_audit_with_its_outcome(ctx: Context) -> None:
    made = connections.create(ctx.for_request("request-1", Actor("ann", frozenset({"connection:*"}))), draft())
    connections.update(ctx, made.id, {"name": "Books", "password": "new"})
    copy = connections.duplicate(ctx, made.id)
    undo = connections.delete(ctx, copy.id)
    connections.restore(ctx, undo)
    assert audited(ctx) == [
        ("connection:create", "done", ""),
        ("connection:update", "done", ""),
        ("connection:create", "done", ""),
        ("connection:delete", "done", ""),
        ("connection:restore", "done", ""),
    ]
    first, second, *_ = ctx.store.find(AUDIT.name, sort=[("_id", 1)])
    assert (first["actor"], first["request_id"], first["subject_id"]) == ("ann", "request-1", made.id)
    assert (first["subject_name"], second["subject_name"], second["changed"]) == ("Shop", "Shop", ["name", "password"])
    assert first["done_at"] >= first["at"]
    assert "new" not in repr(second["changed"])


def test_writes_that_fail_are_in_the_audit_too(ctx: Context) -> None:
    made, other = connections.create(ctx, draft()), connections.create(ctx, draft("Books"))
    with pytest.raises(Conflict):
        connections.create(ctx, draft("shop"))
    with pytest.raises(Conflict):
        connections.update(ctx, other.id, {"name": "shop"})
    undo = connections.delete(ctx, made.id)
    connections.create(ctx, draft("shop"))
    with pytest.raises(Conflict):
        connections.restore(ctx, undo)
    failures = [entry for entry in audited(ctx) if entry[1] == "failed"]
    assert [(action, code) for action, _, code in failures] == [
        ("connection:create", "conflict"),
        ("connection:update", "conflict"),
        ("connection:restore", "conflict"),
    ]


def test_a_store_that_goes_away_leaves_the_intent_open(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    made = connections.create(ctx, draft())

    def gone(*args: Any, **more: Any) -> Any:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(ctx.store, "delete", gone)
        with pytest.raises(StoreUnavailable):
            connections.delete(ctx, made.id)
    assert audited(ctx)[-1] == ("connection:delete", "pending", "")


CALLS: dict[str, Callable[[Context], Any]] = {
    "connection:create": lambda ctx: connections.create(ctx, draft()),
    "connection:read": lambda ctx: connections.list_(ctx, Query()),
    "connection:read, counts": connections.facets,
    "connection:read, one": lambda ctx: connections.get(ctx, MISSING),
    "connection:update": lambda ctx: connections.update(ctx, MISSING, {"host": "h"}),
    "connection:create, copy": lambda ctx: connections.duplicate(ctx, MISSING),
    "connection:delete": lambda ctx: connections.delete(ctx, MISSING),
    "connection:create, undo": lambda ctx: connections.restore(ctx, "x"),
    "connection:test": lambda ctx: connection_tests.test_new(ctx, draft()),
    "connection:test, stored": lambda ctx: connection_tests.test_saved(ctx, MISSING),
}


@pytest.mark.parametrize("call", CALLS)
def test_without_the_right_nothing_is_read_or_written(ctx: Context, script: Script, call: str) -> None:
    needed = call.partition(",")[0]
    others = {"connection:create", "connection:read", "connection:update", "connection:delete", "connection:test"}
    for rights in (frozenset(), frozenset(others - {needed})):
        with pytest.raises(Denied, match=needed):
            CALLS[call](ctx.for_request("", Actor("bob", rights)))
    assert not ctx.store.count(CONNECTIONS.name)
    assert not audited(ctx)
    assert not script.configs
