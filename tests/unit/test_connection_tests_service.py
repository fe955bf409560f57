"""Testing connections: what a test reports, records, and does not do, on the embedded store."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_kind import Script, at_once, audited, draft, failed, opened_context, passed, registered

from etl_engine.connectors.contract import Health, StepState
from etl_engine.errors import BadInput, Cancelled, Conflict, Locked, NotFound
from etl_engine.model.collections import AUDIT, CONNECTIONS
from etl_engine.model.connection import ConnectionConfig, StepReport, TestResult, TestStatus
from etl_engine.model.text import MASK
from etl_engine.services import connection_tests, connections
from etl_engine.services.context import Context


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    with registered(monkeypatch) as script:
        yield script


@pytest.fixture
def ctx(tmp_path: Path, script: Script) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def stored(ctx: Context) -> str:
    return connections.create(ctx, draft(password="st0red-pw")).id


# Values that are not saved


def test_a_test_of_new_values_reports_every_step_and_stores_nothing(ctx: Context, script: Script) -> None:
    steps: list[StepReport] = []
    result = connection_tests.test_new(ctx, draft(), on_step=steps.append)
    assert result.success and result.message == "Connection successful"
    assert (result.details.version, result.details.ms, result.details.db_type) == ("Scripted 1.0", 12.5, "scripted")
    assert [step.key for step in steps] == ["tcp", "login"] == [step.key for step in result.details.steps]
    assert result.details.receipt and not result.details.recorded
    assert script.closed == 1
    assert not ctx.store.count(CONNECTIONS.name) and not audited(ctx)


def test_a_failed_test_is_an_answer_with_cause_and_fix_and_no_receipt(ctx: Context, script: Script) -> None:
    script.check = lambda config: failed("the password is wrong")
    result = connection_tests.test_new(ctx, draft())
    assert not result.success and result.message == "Login: the password is wrong"
    assert (result.details.version, result.details.receipt) == (None, None)
    failure = result.details.steps[-1]
    assert (failure.state, failure.fix, failure.who, failure.code) == (StepState.FAIL, "Change it.", "you", "wrong")


def test_the_mask_is_not_tried_as_a_password(ctx: Context, script: Script) -> None:
    with pytest.raises(BadInput, match="mask"):
        connection_tests.test_new(ctx, draft(password=MASK))
    assert not script.configs


def test_the_connector_is_closed_whatever_the_check_does(ctx: Context, script: Script) -> None:
    def broken(config: ConnectionConfig) -> Health:
        raise RuntimeError("a defect of the connector")

    script.check = broken
    with pytest.raises(RuntimeError):
        connection_tests.test_new(ctx, draft())
    assert script.closed == 1


def test_a_cancelled_test_says_so_and_closes(ctx: Context, script: Script, stored: str) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        connection_tests.test_new(ctx, draft(), cancelled=cancelled)
    with pytest.raises(Cancelled):
        connection_tests.test_saved(ctx, stored, cancelled=cancelled)
    assert script.closed == 2
    assert connections.get(ctx, stored).tests == []


def test_no_step_repeats_the_password(ctx: Context, script: Script) -> None:
    script.check = lambda config: failed("driver said: pl4nted-pw is no password")
    steps: list[StepReport] = []
    result = connection_tests.test_new(ctx, draft(password="pl4nted-pw"), on_step=steps.append)
    assert "pl4nted-pw" not in repr(result) + repr(steps)


# Connections that are stored


def test_a_test_of_a_stored_connection_tests_what_is_stored_and_records_it(
    ctx: Context, script: Script, stored: str
) -> None:
    before = connections.get(ctx, stored)
    result = connection_tests.test_saved(ctx, stored)
    assert result.success and result.details.recorded and result.details.receipt is None
    assert script.configs[-1].revealed()["password"] == "st0red-pw"
    now = connections.get(ctx, stored)
    assert (now.last_test_status, now.last_test_ms) == (TestStatus.SUCCESS, 12.5)
    assert (now.last_test_version, now.last_test_message) == ("Scripted 1.0", "Connection successful")
    assert (now.revision, now.updated_at) == (before.revision, before.updated_at)
    assert [(run.status, run.ms) for run in now.tests] == [(TestStatus.SUCCESS, 12.5)]


def test_a_failure_is_recorded_with_its_cause(ctx: Context, script: Script, stored: str) -> None:
    connection_tests.test_saved(ctx, stored)
    script.check = lambda config: failed("no such database")
    connection_tests.test_saved(ctx, stored)
    now = connections.get(ctx, stored)
    assert (now.last_test_status, now.last_test_message) == (TestStatus.FAILED, "Login: no such database")
    assert now.last_test_version is None
    assert [run.status for run in now.tests] == [TestStatus.SUCCESS, TestStatus.FAILED]


def test_a_test_with_changes_tests_them_and_records_nothing(ctx: Context, script: Script, stored: str) -> None:
    before = connections.get(ctx, stored)
    changes: dict[str, Any] = {"host": "other.example.com", "password": MASK}
    result = connection_tests.test_saved(ctx, stored, changes)
    assert result.success and not result.details.recorded and result.details.receipt
    tried = script.configs[-1].revealed()
    assert (tried["host"], tried["password"]) == ("other.example.com", "st0red-pw")
    assert connections.get(ctx, stored) == before


def test_changes_that_make_no_connection_are_refused_before_anything_is_tried(
    ctx: Context, script: Script, stored: str
) -> None:
    with pytest.raises(BadInput) as refused:
        connection_tests.test_saved(ctx, stored, {"port": 70_000})
    assert refused.value.problems[0].pointer == "/port"
    assert not script.configs


def test_a_connection_that_is_not_there_is_missing(ctx: Context) -> None:
    with pytest.raises(NotFound):
        connection_tests.test_saved(ctx, "0" * 24)


def test_a_secret_that_no_key_opens_can_be_replaced_in_the_test(ctx: Context, script: Script, stored: str) -> None:
    ctx.store.update(CONNECTIONS.name, {"_id": stored}, {"password": "gAAAAAbroken"})
    with pytest.raises(Locked):
        connection_tests.test_saved(ctx, stored)
    assert connection_tests.test_saved(ctx, stored, {"password": "new"}).success
    assert script.configs[-1].revealed()["password"] == "new"


# Meanwhile


def test_a_connection_deleted_while_it_is_tested_is_a_conflict(ctx: Context, script: Script, stored: str) -> None:
    def deleting(config: ConnectionConfig) -> Health:
        connections.delete(ctx, stored)
        return passed()

    script.check = deleting
    with pytest.raises(Conflict, match="deleted while it was tested"):
        connection_tests.test_saved(ctx, stored)
    assert audited(ctx)[-1] == ("connection:test", "failed", "conflict")
    assert not ctx.store.count(CONNECTIONS.name)


def test_a_result_is_not_recorded_on_values_that_changed_meanwhile(ctx: Context, script: Script, stored: str) -> None:
    def changing(config: ConnectionConfig) -> Health:
        connections.update(ctx, stored, {"host": "other.example.com"})
        return passed()

    script.check = changing
    result = connection_tests.test_saved(ctx, stored)
    assert result.success and not result.details.recorded
    now = connections.get(ctx, stored)
    assert (now.last_test_status, now.tests) == (None, [])


def test_a_rename_meanwhile_is_a_change_like_any_other(ctx: Context, script: Script, stored: str) -> None:
    def renaming(config: ConnectionConfig) -> Health:
        connections.update(ctx, stored, {"name": "Books"})
        return passed()

    script.check = renaming
    assert not connection_tests.test_saved(ctx, stored).details.recorded


# History


def test_the_history_keeps_the_last_twenty(ctx: Context, script: Script, stored: str) -> None:
    for number in range(23):
        script.check = lambda config, number=number: passed(ms=float(number))  # type: ignore[misc]
        connection_tests.test_saved(ctx, stored)
    runs = connections.get(ctx, stored).tests
    assert [run.ms for run in runs] == [float(number) for number in range(3, 23)]
    assert [run.at for run in runs] == sorted({run.at for run in runs}), "every result is later than the one before"


def test_sixteen_results_of_eight_threads_are_all_kept(ctx: Context, script: Script, stored: str) -> None:
    together = threading.Barrier(8)

    def all_at_once(config: ConnectionConfig) -> Health:
        together.wait(10)
        return passed(ms=float(threading.get_ident() % 1000))

    script.check = all_at_once
    answers = at_once(8, lambda _: [connection_tests.test_saved(ctx, stored) for _ in range(2)])
    results = [result for answer in answers for result in answer]
    assert all(isinstance(result, TestResult) and result.details.recorded for result in results)
    now = connections.get(ctx, stored)
    assert len(now.tests) == 16
    assert sorted(run.ms for run in now.tests) == sorted(result.details.ms for result in results)
    assert len({run.at for run in now.tests}) == 16
    assert now.last_tested_at == max(run.at for run in now.tests)


def test_results_in_one_millisecond_are_all_kept(
    ctx: Context, script: Script, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = ctx.store.now()
    monkeypatch.setattr(ctx.store, "now", lambda: moment)
    answers = at_once(8, lambda _: connection_tests.test_saved(ctx, stored))
    assert all(isinstance(answer, TestResult) and answer.details.recorded for answer in answers), answers
    assert len(connections.get(ctx, stored).tests) == 8


def test_every_recorded_test_is_one_line_of_audit(ctx: Context, script: Script, stored: str) -> None:
    at_once(8, lambda _: connection_tests.test_saved(ctx, stored))
    assert audited(ctx)[1:] == [("connection:test", "done", "")] * 8
    entry = ctx.store.find(AUDIT.name, sort=[("_id", -1)], limit=1)[0]
    assert (entry["subject_id"], entry["subject_name"]) == (stored, "Shop")
