"""SIGKILL at random moments, again and again; TEST_KILLS for more of them. Two broken orders must be caught."""

import pytest
from amount import KILLS, SEED
from copying import Pair, eventually
from dying import no_sessions_left
from killing import Killable, kill
from killing_servers import BROKEN, OfPostgresql, caught


@pytest.mark.timeout(0)
def test_nothing_is_lost_or_doubled_however_often_a_copy_is_killed(pair: Pair) -> None:
    tally = kill(OfPostgresql(pair), KILLS, SEED)
    assert tally.clean, tally.wrong
    eventually(no_sessions_left(pair), "the end of all sessions")


@pytest.mark.timeout(0)
@pytest.mark.parametrize("what", BROKEN)
def test_the_judge_catches_an_order_that_is_broken(pair: Pair, what: str) -> None:
    kills, lost, doubled = caught(pair, what, SEED)
    assert kills, f"600 kills, and no rows were {what}: {lost} lost, {doubled} doubled"


def test_a_loop_tells_of_what_a_target_lost() -> None:
    class Losing(Killable):
        name, orders = "one that loses", ({"mode": "append", "cursor": "at"}, {"mode": "merge"})

        def prepare(self, options: object, load: int) -> None:
            self.left, self.lost = 2, int(load == 1)

        def run(self, options: object, kill_after: float) -> int:
            self.left -= 1
            return -9 if self.left >= 0 else 0

        def finished(self) -> bool:
            return False

        def difference(self) -> tuple[int, int]:
            return self.lost, 0

        def complaint(self, options: object) -> str:
            return ""

    tally = kill(Losing(), 6, 1)
    assert (tally.kills, tally.loads, tally.lost, tally.doubled) == (6, 3, 1, 0)
    assert tally.modes == "append by cursor, merge" and not tally.clean
    assert "load 1, {'mode': 'merge'}: 1 lost" in tally.wrong[0]
