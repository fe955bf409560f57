"""Opening once per process: on first use, after failures, and by many threads."""

import threading
from typing import Any

import pytest
from servers import wait_until

from etl_engine.errors import StoreUnavailable
from etl_engine.store.opening import Opening


def test_it_opens_on_first_use_and_once() -> None:
    attempts: list[int] = []
    opening = Opening(lambda: attempts.append(1) or "handle")
    assert not attempts
    assert [opening.get(), opening.get()] == ["handle", "handle"]
    assert attempts == [1]


def test_it_tries_again_after_a_failure() -> None:
    outcomes = iter([False, False, True])

    def attempt() -> str:
        return "handle" if next(outcomes) else _fail()

    opening = Opening(attempt)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="away"):
            opening.get()
    assert opening.get() == "handle"


def test_it_opens_anew_after_it_was_forgotten() -> None:
    handles = iter(["one", "two"])
    opening = Opening(lambda: next(handles))
    assert opening.forget() is None
    assert (opening.get(), opening.forget(), opening.get()) == ("one", "one", "two")


class CountingLock:
    """Says how many have asked for it."""

    def __init__(self) -> None:
        self.asked = 0
        self.lock = threading.Lock()

    def acquire(self, **how: Any) -> bool:
        self.asked += 1
        return self.lock.acquire(**how)

    def release(self) -> None:
        self.lock.release()


def test_those_who_waited_share_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[int] = []
    lock = CountingLock()

    def attempt() -> str:
        attempts.append(1)
        wait_until(lambda: lock.asked == 6, 10, "everybody's call")
        return _fail()

    opening = Opening(attempt)
    monkeypatch.setattr(opening, "_lock", lock)
    failures: list[StoreUnavailable] = []

    def call() -> None:
        with pytest.raises(StoreUnavailable) as caught:
            opening.get()
        failures.append(caught.value)

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [failure.hint for failure in failures] == ["come back"] * 6
    assert len(attempts) == 1


def _fail() -> str:
    raise StoreUnavailable("away", hint="come back")
