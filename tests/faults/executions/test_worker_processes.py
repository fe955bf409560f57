"""Real worker processes that are killed, stopped, asked to end, or left by their parent."""

import datetime as dt
import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from copying import Pair, eventually
from executing import ordered_copy, saved_pair, states
from worker_processes import (
    installation,
    living_of,
    moment,
    pid_of,
    when_final,
    when_running,
    worker_service,
)

from etl_engine.model.execution import Execution, Graph, Status, Subject
from etl_engine.services import execution_logs, executions
from etl_engine.services.context import Context
from etl_engine.services.execution_logs import Search

SLOW = "SELECT g AS id FROM generate_series(1, {rows}) g, LATERAL (SELECT pg_sleep(0.1 + g * 0)) s"
ROWS = 60  # six seconds


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with installation(tmp_path) as engine:
        yield engine.context()


def slow_copy(ctx: Context, pair: Pair, rows: int = ROWS) -> Execution:
    ends = saved_pair(ctx, pair)
    return ordered_copy(ctx, ends, table="", query=SLOW.format(rows=rows), target="slow")


def there_once(pair: Pair, rows: int = ROWS) -> None:
    assert pair.t("SELECT count(*), count(DISTINCT id) FROM slow") == f"{rows}|{rows}"


def at_work(ctx: Context, pair: Pair, made: Execution) -> Execution:
    """It runs, and reads."""
    running = when_running(ctx, made.id)
    asks = "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND query LIKE '%pg_sleep%' AND state = 'active'"
    eventually(lambda: pair.sql("postgres", asks.format(pair.source)) != "0", "that it reads")
    return running


def test_a_killed_process_is_lost_within_20_seconds_and_its_run_goes_on(
    ctx: Context, pair: Pair, tmp_path: Path
) -> None:
    made = slow_copy(ctx, pair)
    with worker_service(tmp_path) as service:
        running = at_work(ctx, pair, made)
        os.kill(pid_of(running), signal.SIGKILL)
        killed = dt.datetime.now(dt.UTC)
        now = when_final(ctx, made.id, 60)
        assert states(now) == ["pending@1", "running@1", "lost@1", "pending@2", "running@2", "success@2"], now.error
        assert (moment(now, Status.LOST) - killed).total_seconds() < 20
        assert pid_of(now) != pid_of(running)
        assert now.counters.loaded == ROWS
        there_once(pair)
        text = " ".join(line.message for line in execution_logs.page(ctx, made.id, Search()).items)
        assert "Taken up again" in text
        assert service.process.poll() is None
        assert "a worker process died" in service.log.read_text()


def test_a_process_that_wakes_after_its_lease_writes_nothing_more(ctx: Context, pair: Pair, tmp_path: Path) -> None:
    made = slow_copy(ctx, pair)
    with worker_service(tmp_path, "first", slots=1) as first:
        zombie = pid_of(at_work(ctx, pair, made))
        for pid in (first.pid, zombie):
            os.kill(pid, signal.SIGSTOP)
        with worker_service(tmp_path, "second", slots=1) as second:
            now = when_final(ctx, made.id, 60)
            assert (now.status, now.epoch) == (Status.SUCCESS, 2), now.error
            assert pid_of(now) in second.slots()
            for pid in (zombie, first.pid):
                os.kill(pid, signal.SIGCONT)
            eventually(lambda: "given up for lost" in first.log.read_text(), "that the sleeper understands", 30)
            there_once(pair)
            assert executions.get(ctx, made.id) == now, "the sleeper changed what another has ended"
            later = executions.submit(ctx, Subject(kind="check"), Graph())
            assert when_final(ctx, later.id).status is Status.SUCCESS


def test_a_killed_parent_leaves_no_process_and_its_run_goes_on_elsewhere(
    ctx: Context, pair: Pair, tmp_path: Path
) -> None:
    made = slow_copy(ctx, pair)
    with worker_service(tmp_path, "first", slots=1) as first:
        at_work(ctx, pair, made)
        os.kill(first.pid, signal.SIGKILL)
        first.process.wait(10)
        eventually(lambda: not living_of(first.pid), "the end of its processes", 25)
        assert executions.get(ctx, made.id).status is Status.PENDING, "handed back, not lost"
    with worker_service(tmp_path, "second", slots=1):
        assert when_final(ctx, made.id).status is Status.SUCCESS
        there_once(pair)


def test_a_worker_that_is_asked_to_end_hands_back_and_ends_well(ctx: Context, pair: Pair, tmp_path: Path) -> None:
    made = slow_copy(ctx, pair)
    with worker_service(tmp_path, "first") as first:
        at_work(ctx, pair, made)
        began = time.monotonic()
        assert first.end() == 0
        assert time.monotonic() - began < 15
        assert living_of(first.pid) == []
        now = executions.get(ctx, made.id)
        assert states(now) == ["pending@1", "running@1", "pending@2"]
    with worker_service(tmp_path, "second"):
        assert when_final(ctx, made.id).status is Status.SUCCESS
        there_once(pair)


def test_a_running_copy_is_cancelled_within_seconds_and_leaves_nothing(
    ctx: Context, pair: Pair, tmp_path: Path
) -> None:
    made = slow_copy(ctx, pair, rows=600)
    with worker_service(tmp_path):
        at_work(ctx, pair, made)
        began = time.monotonic()
        executions.cancel(ctx, made.id)
        now = when_final(ctx, made.id, 10)
        assert time.monotonic() - began < 6
        assert states(now) == ["pending@1", "running@1", "cancelled@1"]
        assert pair.t("SELECT to_regclass('slow') IS NULL") == "t"
        ours = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{pair.source}' AND query LIKE '%pg_sleep%'"
        eventually(lambda: pair.sql("postgres", ours) == "0", "the end of its session")
        assert executions.cancel(ctx, made.id).id == made.id


def test_forty_runs_of_two_workers_each_run_once(ctx: Context, tmp_path: Path) -> None:
    ids = [executions.submit(ctx, Subject(kind="check"), Graph()).id for _ in range(40)]
    with worker_service(tmp_path, "first"), worker_service(tmp_path, "second"):
        ended = [when_final(ctx, one) for one in ids]
    assert {tuple(states(one)) for one in ended} == {("pending@1", "running@1", "success@1")}


def test_a_worker_tells_its_health_and_its_figures(ctx: Context, tmp_path: Path) -> None:
    made = executions.submit(ctx, Subject(kind="check"), Graph())
    with worker_service(tmp_path) as service:
        when_final(ctx, made.id)

        def asked(path: str) -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{service.port}{path}", timeout=10) as answer:
                return str(answer.read().decode())

        assert json.loads(asked("/health"))["status"] == "ok"
        figures = asked("/metrics")
        assert 'etl_executions{status="success"} 1.0' in figures
        assert 'etl_worker_slots{state="free"}' in figures
        assert "etl_store_up 1.0" in figures
        mine = os.getpriority(os.PRIO_PROCESS, service.pid)
        assert service.slots()
        assert all(os.getpriority(os.PRIO_PROCESS, pid) > mine for pid in service.slots()), "runs give way"


def test_a_worker_tells_of_a_failure(ctx: Context, pair: Pair, tmp_path: Path) -> None:
    told: list[dict[str, object]] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            assert self.headers["webhook-signature"].startswith("v1,")
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    receiver = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=receiver.serve_forever, daemon=True)
    thread.start()
    made = ordered_copy(ctx, saved_pair(ctx, pair), table="nowhere")
    hook = {"WEBHOOK_URL": f"http://127.0.0.1:{receiver.server_address[1]}/", "WEBHOOK_SECRET": "sixteen characters"}
    try:
        with worker_service(tmp_path, **hook):
            now = when_final(ctx, made.id)
            assert (now.status, now.error and now.error.code) == (Status.FAILED, "missing")
            eventually(lambda: bool(told), "that it is told", 30)
    finally:
        receiver.shutdown()
        receiver.server_close()
        thread.join(5)
    assert [one["type"] for one in told] == ["execution.failed"]
    assert made.id in json.dumps(told)
