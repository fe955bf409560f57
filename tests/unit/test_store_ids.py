"""Ids sort by time, in one process without exception, and never meet those of another process."""

import multiprocessing
import threading
import time

import pytest
import time_machine
from bson import ObjectId

from etl_engine.store import ids
from etl_engine.store.ids import is_id, new_id


@pytest.fixture(autouse=True)
def own_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids never go back: another test that travelled to the future would leave this one there."""
    monkeypatch.setattr(ids, "_sequence", ids._Sequence())


def test_ids_of_one_process_only_grow() -> None:
    made = [new_id() for _ in range(50_000)]
    assert made == sorted(made)
    assert len(set(made)) == 50_000


def test_ids_are_object_ids_that_carry_their_second() -> None:
    made = new_id()
    assert is_id(made)
    assert abs(ObjectId(made).generation_time.timestamp() - time.time()) < 60


def test_ids_do_not_go_back_with_the_clock() -> None:
    first = new_id()
    with time_machine.travel("2001-01-01", tick=False):
        second = new_id()
    assert first < second < new_id()


def test_later_ids_of_other_processes_sort_behind() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as other:
        earlier = new_id()
        later = other.apply(new_id)
    assert earlier < later
    assert earlier[14:] != later[14:]


def test_a_forked_child_makes_ids_of_its_own() -> None:
    with multiprocessing.get_context("fork").Pool(2) as children:
        made = children.starmap(new_id, [()] * 100)
    mine = [new_id() for _ in range(100)]
    assert len({*made, *mine}) == 200
    assert mine[0][14:] not in {one[14:] for one in made}


def test_threads_never_share_an_id() -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend([new_id() for _ in range(2000)])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 16_000


def test_what_is_no_id() -> None:
    assert not any(is_id(value) for value in ("", "a" * 23, "A" * 24, "g" * 24, "a" * 24 + "\n", "１" * 24, None, 5))
