"""Several processes at one store: claims, counters, unique keys, first start, sudden death."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from store_servers import TEST_MONGO_URI, new_database
from store_worker import COLLECTIONS, store_at

WORKER = Path(__file__).with_name("store_worker.py")
LIMIT = 60  # seconds that a role may take


class Worker:
    """A process that does one role of store_worker.py."""

    def __init__(self, url: str, role: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(WORKER), url, role, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.guard = threading.Timer(LIMIT, self.process.kill)
        self.guard.start()

    def line(self) -> Any:
        assert self.process.stdout
        text = self.process.stdout.readline()
        assert text, self._errors()
        return json.loads(text)

    def go(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def result(self) -> Any:
        lines, errors = self._rest()
        assert self.process.returncode == 0, errors
        return json.loads(lines[-1])

    def killed(self) -> list[str]:
        """Kill it now; the complete lines it still said."""
        self.process.send_signal(signal.SIGKILL)
        lines, _ = self._rest()
        return [text for text in lines if text.endswith("\n")]

    def _errors(self) -> str:
        self.process.kill()
        return self._rest()[1]

    def _rest(self) -> tuple[list[str], str]:
        """Not by `communicate`, which forgets what was read ahead of the last line."""
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        self.process.stdin.close()
        lines, errors = self.process.stdout.readlines(), self.process.stderr.read()
        self.process.wait(LIMIT)
        self.guard.cancel()
        self.process.stdout.close()
        self.process.stderr.close()
        return lines, errors


def at_once(workers: list[Worker]) -> list[Any]:
    for worker in workers:
        assert worker.line() == "ready"
    for worker in workers:
        worker.go()
    return [worker.result() for worker in workers]


@pytest.fixture(params=["sqlite", "postgresql", *(["mongodb"] if TEST_MONGO_URI else [])])
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def new_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Makes URLs of stores that do not exist yet."""
    made: list[str] = []

    def new() -> str:
        if backend == "sqlite":
            made.append(f"sqlite:///{tmp_path}/{len(made)}/store.db")
        elif backend == "postgresql":
            made.append(new_database(request.getfixturevalue("postgres_server")))
        else:
            made.append(f"{TEST_MONGO_URI}#etl_test_{os.getpid()}_{len(made)}")
        return made[-1]

    yield new
    if backend == "mongodb":
        with pymongo.MongoClient(TEST_MONGO_URI) as client:
            for url in made:
                client.drop_database(url.rpartition("#")[2])


@pytest.fixture
def url(new_url: Any) -> str:
    made: str = new_url()
    return made


@pytest.fixture
def store(url: str) -> Iterator[Any]:
    opened = store_at(url)
    opened.open(COLLECTIONS)
    yield opened
    opened.close()


def test_four_processes_claim_a_thousand_jobs_once_each(url: str, store: Any) -> None:
    jobs = [{"state": "queued", "priority": number % 10, "attempts": 0} for number in range(1000)]
    made = {job["_id"] for job in store.insert("jobs", *jobs)}
    claimed = at_once([Worker(url, "claim", f"w{number}") for number in range(4)])
    assert sorted(job for owner in claimed for job in owner) == sorted(made)
    assert all(claimed), "everybody gets a share"
    assert store.count("jobs", {"state": "running"}) == 1000
    assert {job["attempts"] for job in store.find("jobs")} == {1}
    assert {job["_id"]: job["owner"] for job in store.find("jobs")} == {
        job: f"w{number}" for number, owner in enumerate(claimed) for job in owner
    }


def test_four_processes_lose_no_increment_and_make_one_counter(url: str, store: Any) -> None:
    assert at_once([Worker(url, "count", "100") for _ in range(4)]) == [100] * 4
    (counter,) = store.find("counters")
    assert counter["n"] == 400


def test_one_of_four_processes_wins_each_unique_key(url: str, store: Any) -> None:
    won = at_once([Worker(url, "fire", "100") for _ in range(4)])
    assert sorted(slot for winner in won for slot in winner) == list(range(100))
    assert store.count("fires") == 100


def test_eight_processes_create_the_store_at_once(new_url: Any) -> None:
    urls = [new_url() for _ in range(3)]
    workers = [Worker(urls[0], "start", *urls[1:]) for _ in range(8)]
    for _ in urls:
        for worker in workers:
            assert worker.line() == "ready"
        for worker in workers:
            worker.go()
    assert [worker.result() for worker in workers] == ["done"] * 8
    for url in urls:
        store = store_at(url)
        store.open(COLLECTIONS)
        assert store.count("log", {"seq": 1}) == 8
        store.close()


def test_a_killed_writer_loses_nothing_it_was_promised(url: str, store: Any) -> None:
    for number, lines in enumerate((1, 17, 60, 111)):
        name = f"w{number}"
        writer = Worker(url, "write", name)
        assert writer.line() == "ready"
        writer.go()
        acknowledged = [writer.line() for _ in range(lines)]
        acknowledged += [json.loads(text) for text in writer.killed()]
        kept = [entry["seq"] for entry in store.find("log", {"by": name}, sort=[("seq", 1)])]
        assert acknowledged == list(range(len(acknowledged)))
        assert kept == list(range(len(kept))), "no write is torn or lost"
        assert len(acknowledged) <= len(kept) <= len(acknowledged) + 1
        (meta,) = store.find("counters", {"name": name})
        assert acknowledged[-1] <= meta["n"] <= kept[-1]


def test_a_forked_child_opens_its_own_connections(url: str) -> None:
    worker = Worker(url, "fork")
    assert worker.line() == "ready"
    worker.go()
    assert worker.result() == {"child": 0, "documents": 101, "made": 101}
