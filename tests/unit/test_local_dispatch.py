"""Worker processes of this machine: one idle at hand, more while there is work, none left at the end."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from copying import eventually

from etl_engine.dispatch import local
from etl_engine.dispatch.local import LocalDispatch
from etl_engine.workers.pool import Turn

# Speaks the protocol; what it does when told is in the file `orders`: work, ignore, die.
SCRIPT = """
import os, socket, sys, time
link = socket.socket(fileno=int(sys.argv[1]))
orders, told = os.environ["ORDERS"], os.environ["TOLD"]
def order():
    return open(orders).read().strip()
if order() == "die at once":
    sys.exit(3)
link.send(b"b")
link.send(b"i")
while True:
    words = link.recv(64)
    with open(told, "a") as file:
        file.write(f"{os.getpid()} {words.decode()}\\n")
    if not words or (b"q" in words and order() != "ignore"):
        sys.exit(0)
    if b"w" in words and order() == "work":
        link.send(b"b")
        while order() == "work":
            time.sleep(0.01)
        link.send(b"i")
"""


class Yard:
    """A dispatch with processes of the script above."""

    def __init__(self, folder: Path) -> None:
        self.orders, self.told = folder / "orders", folder / "told"
        self.order("rest")
        self.told.write_text("")
        self.work = False
        script = folder / "worker.py"
        script.write_text(SCRIPT)
        environment = {"ORDERS": str(self.orders), "TOLD": str(self.told)}
        self.dispatch = LocalDispatch((sys.executable, "-S", "-E", str(script)), lambda: self.work, environment)

    def order(self, text: str) -> None:
        draft = self.orders.with_suffix(".new")
        draft.write_text(text)
        draft.rename(self.orders)

    def heard(self, word: str) -> int:
        return sum(line.split(" ", 1)[1].count(word) for line in self.told.read_text().splitlines())

    @property
    def count(self) -> int:
        return len(self.dispatch.pids)

    def idle(self, count: int) -> bool:
        return self.count == count and self.dispatch.busy == 0


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = Yard(tmp_path)
    yield made
    made.order("rest")
    made.dispatch.stop(2)
    assert made.dispatch.pids == []


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_process_is_kept_warm_and_nothing_before_the_start(yard: Yard) -> None:
    yard.dispatch.wake()
    assert yard.count == 0
    yard.dispatch.start(3)
    eventually(lambda: yard.idle(1), "one idle process")
    yard.dispatch.wake()
    eventually(lambda: yard.heard("w") >= 1, "the wake")


def test_work_that_others_ordered_is_found_by_looking(yard: Yard) -> None:
    yard.dispatch.start(1)
    eventually(lambda: yard.idle(1), "one idle process")
    yard.work = True
    eventually(lambda: yard.heard("w") >= 1, "that it is told")


def test_there_are_more_while_there_is_work_and_fewer_afterwards(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "SPARE_SECONDS", 0.3)
    yard.order("work")
    yard.work = True
    yard.dispatch.start(3)
    eventually(lambda: yard.count == 3 and yard.dispatch.busy == 3, "three at work")
    yard.work = False
    yard.order("rest")
    eventually(lambda: yard.idle(1), "that the spare ones are gone")
    assert yard.dispatch.deaths == 0


def test_a_process_that_dies_is_replaced(yard: Yard) -> None:
    yard.dispatch.start(1)
    eventually(lambda: yard.idle(1), "one idle process")
    [first] = yard.dispatch.pids
    os.kill(first, signal.SIGKILL)
    eventually(lambda: yard.idle(1) and yard.dispatch.pids != [first], "another one")
    assert yard.dispatch.deaths == 1


def test_processes_that_die_at_once_are_not_started_in_a_loop(yard: Yard) -> None:
    yard.order("die at once")
    yard.dispatch.start(1)
    eventually(lambda: yard.dispatch.deaths >= 2 and yard.dispatch._pause >= 1.0, "two deaths, and a longer pause")
    yard.order("rest")
    eventually(lambda: yard.idle(1), "that it recovers", 30)
    assert yard.dispatch._pause == 0.0


def test_who_does_not_end_in_time_is_killed(yard: Yard) -> None:
    yard.dispatch.start(1)
    eventually(lambda: yard.idle(1), "one idle process")
    [pid] = yard.dispatch.pids
    yard.order("ignore")
    yard.dispatch.stop(0.3)
    assert not alive(pid)


def test_it_may_be_started_again(yard: Yard) -> None:
    yard.dispatch.start(1)
    eventually(lambda: yard.idle(1), "one idle process")
    yard.dispatch.stop(5)
    assert yard.dispatch.pids == []
    yard.dispatch.start(1)
    eventually(lambda: yard.idle(1), "one idle process")


def test_one_server_at_a_time_has_the_turn(tmp_path: Path) -> None:
    path = tmp_path / "data" / "workers.lock"
    with Turn(path) as first, Turn(path) as second:
        assert first.mine()
        assert not second.mine()
    with Turn(path) as third:
        assert third.mine()
