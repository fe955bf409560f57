"""Turns are taken in the order in which they were asked for, and nobody who gave up holds anybody up."""

import threading
import time

from copying import eventually

from etl_engine.store.queueing import Queue


def waiting(queue: Queue) -> int:
    return len(queue._waiting)


def test_turns_come_in_order_also_against_a_thread_that_never_rests() -> None:
    queue, came = Queue(), []
    assert queue.acquire(1)
    threads = []
    for number in range(5):

        def take(number: int = number) -> None:
            assert queue.acquire(10)
            came.append(number)
            queue.release()

        threads.append(threading.Thread(target=take))
        threads[-1].start()
        eventually(lambda number=number: waiting(queue) == number + 1, "that it waits")  # type: ignore[misc]
    queue.release()
    assert queue.acquire(10), "the holder asks again at once, and comes last"
    assert came == [0, 1, 2, 3, 4]
    queue.release()
    for thread in threads:
        thread.join(10)


def test_who_gives_up_is_passed_over() -> None:
    queue = Queue()
    assert queue.acquire(1)
    began = time.monotonic()
    assert not queue.acquire(0.05)
    assert time.monotonic() - began < 5
    queue.release()
    assert queue.acquire(0)
    queue.release()


def test_one_at_a_time_and_nobody_is_forgotten() -> None:
    queue, inside, most, done = Queue(), 0, 0, []

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            if queue.acquire(0.0005):
                inside += 1
                most = max(most, inside)
                inside -= 1
                queue.release()
        done.append(True)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(done), most) == (8, 1)
    assert queue.acquire(0), "a turn was given to one who had left"
