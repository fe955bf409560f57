"""Names as SQL and people want them: quoted, and the ones that look alike."""

import difflib
from collections.abc import Iterable

_SHOWN = 5


def double_quoted(name: str) -> str:
    """An identifier of standard SQL."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """A string of standard SQL."""
    return "'" + text.replace("'", "''") + "'"


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The names that look like `name`, best first."""
    folded = {each.casefold(): each for each in known}
    return [folded[each] for each in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]


def instead(name: str, known: Iterable[str]) -> str:
    """How a sentence about a missing name ends: with what it may have meant, or what there is; "" for nothing."""
    names = sorted(set(known))
    near = nearest(name, names)
    shown = ", ".join(f'"{each}"' for each in near or names[:_SHOWN])
    if not shown:
        return ""
    return f"; did you mean {shown}?" if near else f"; there is {shown}" + (" and more" if len(names) > _SHOWN else "")
