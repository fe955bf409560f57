"""Copies that are killed at random moments until each came to its end; then their target is judged."""

import random
from dataclasses import dataclass, field
from typing import Any

from dying import DIED

_PATIENCE = 500  # deaths of one load


@dataclass
class Tally:
    """What came of it."""

    target: str
    modes: str
    kills: int = 0
    loads: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)  # each load with which something is the matter

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)


class Killable:
    """A way to copy into one kind of target, load after load. What is there in the end is said by foreign readers."""

    name = ""
    orders: tuple[dict[str, Any], ...] = ()
    shortest, longest = 0.02, 0.6  # seconds until a kill

    def order(self, load: int) -> dict[str, Any]:
        return self.orders[load % len(self.orders)]

    def prepare(self, options: dict[str, Any], load: int) -> None:
        """The source and the target as they are before the first try of a load."""
        raise NotImplementedError

    def run(self, options: dict[str, Any], kill_after: float) -> int:
        """One try in a process of its own; how it ended."""
        raise NotImplementedError

    def finished(self) -> bool:
        """Whether a run came to its end before its process did. Ordered once more, an append would be a new run."""
        raise NotImplementedError

    def difference(self) -> tuple[int, int]:
        """How many rows of the source are missing at the target, and how many are there too often."""
        raise NotImplementedError

    def complaint(self, options: dict[str, Any]) -> str:
        """What else is the matter: books that do not agree with the rows, or something left behind."""
        raise NotImplementedError


def kill(target: Killable, kills: int, seed: int) -> Tally:
    """Load after load until so many processes have died; every load is judged, and the next one begins anew."""
    chance = random.Random(f"{target.name} {seed}")
    modes = dict.fromkeys(one["mode"] + " by cursor" * ("cursor" in one) for one in target.orders)
    tally, longest = Tally(target.name, ", ".join(modes)), target.longest
    while tally.kills < kills:
        assert tally.loads < 20 * kills + 20, "nearly every load is done before it can be killed"
        options = target.order(tally.loads)
        target.prepare(options, tally.loads)
        died, longest = _until_done(target, options, chance, longest)
        tally.kills += died
        lost, doubled = target.difference()
        complaint = target.complaint(options)
        if lost or doubled or complaint:
            tally.wrong.append(
                f"seed {seed}, load {tally.loads}, {options}: {lost} lost, {doubled} doubled; {complaint}"
            )
        tally.lost += lost
        tally.doubled += doubled
        tally.loads += 1
    return tally


def _until_done(target: Killable, options: dict[str, Any], chance: random.Random, longest: float) -> tuple[int, float]:
    """How often it died, and the longest time until a kill for the next load: on a machine that is slow enough,
    nothing would ever be done in time."""
    died = 0
    while target.run(options, chance.uniform(target.shortest, longest)) == DIED:
        died += 1
        assert died < _PATIENCE, f"{target.name}, {options}: it never comes to its end"
        if options["mode"] == "append" and target.finished():
            break
        longest *= 1.05
    return died, max(target.longest, longest * 0.8)
