"""A rung that does not hold, in words for people: the fact, the fix, and who must act. Never a secret."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from etl_engine.connectors.contract import Who
from etl_engine.masking import MASK, SHORTEST, Secrets

SAID_AT_MOST = 200


class Fault(Exception):
    """A step of the ladder failed, and this is why."""

    def __init__(self, code: str, cause: str, fix: str, who: Who, *, step: str = "") -> None:
        super().__init__(cause)
        self.code = code
        self.cause = cause
        self.fix = fix
        self.who = who
        self.step = step  # the rung it belongs to, where that is later than the one being climbed


class OutOfTime(Exception):
    """The budget of the check is used up. Not an OSError: drivers would rename those."""


@dataclass(frozen=True)
class Entry:
    """One line of a catalogue: texts with {places} for the facts of the case."""

    code: str
    cause: str
    fix: str
    who: Who
    step: str = "login"

    def about(self, facts: Mapping[str, str]) -> Fault:
        return Fault(self.code, self.cause.format_map(facts), self.fix.format_map(facts), self.who, step=self.step)


def said(text: str, secret: str) -> str:
    """What another system said, fit to be shown: one short line, no control characters, not our secret."""
    # First of all, since in a text that was tidied or cut the secret is no longer recognised.
    text = Secrets([secret]).masked(text)
    if 0 < len(secret) < SHORTEST:  # found in every second word: only where it stands alone
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
    line = "".join(character for character in " ".join(text.split()) if character.isprintable())
    return line if len(line) <= SAID_AT_MOST else line[: SAID_AT_MOST - 1] + "…"
