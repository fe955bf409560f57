"""Rows of a preview as the page shows them: the source's values, beside them what the mapping makes of them."""

from dataclasses import dataclass, field

from etl_engine.model.preview import Cells, Preview, PreviewColumn

_LONGEST = 240  # characters of a cell on the screen


@dataclass
class Head:
    """The head of a column."""

    name: str
    native: str


@dataclass
class Side:
    """Columns and rows of one of the two sides; each is sent again only when it changes."""

    heads: list[Head] = field(default_factory=list)
    rows: list[Cells | None] = field(default_factory=list)  # None: the row is kept apart


@dataclass
class Grid:
    """What is said about both."""

    said: str = ""
    told: str = ""  # what the mapping does to them
    tone: str = "idle"
    refusals: list[str] = field(default_factory=list)  # by row; empty where it fits


def sides_of(shown: Preview | None, rows_read: bool) -> tuple[Grid, Side, Side]:
    """Nothing where no rows were read yet."""
    if shown is None or not rows_read:
        return Grid(), Side(), Side()
    given = Side([_head(one) for one in shown.columns], [_short(row) for row in shown.rows])
    result = shown.result
    if result is None or not result.columns:
        return Grid(_said(shown)), given, Side()
    reasons: dict[int, list[str]] = {}
    for reject in result.rejects:
        reasons.setdefault(reject.row, []).append(f"{reject.column}: {reject.value!r} {reject.reason}")
    refusals = ["; ".join(reasons.get(place + 1, []))[:600] for place in range(len(shown.rows))]
    made = Side([_head(one) for one in result.columns], [row and _short(row) for row in result.rows])
    return Grid(_said(shown), _told(shown, len(reasons)), "warn" if reasons else "ok", refusals), given, made


def _said(shown: Preview) -> str:
    count = len(shown.rows)
    rows = "No rows" if not count else f"The first {count} rows" if shown.more else f"All {count} rows"
    if count == 1 and not shown.more:
        rows = "The only row"
    cut = f" · {shown.cut} long values cut" if shown.cut else ""
    return f"{rows} · {len(shown.columns)} columns · {shown.milliseconds:.0f} ms{cut}"


def _told(shown: Preview, refused: int) -> str:
    count = len(shown.rows)
    said = f"{refused} of {count} rows would be kept apart" if refused else f"{count} of {count} rows fit"
    counts = shown.result.counts if shown.result else {}
    return "; ".join([said, *(f"{number} {what}" for what, number in counts.items() if number)])


def _head(column: PreviewColumn) -> Head:
    return Head(column.name, column.native)


def _short(row: Cells) -> Cells:
    return [text if text is None or len(text) <= _LONGEST else text[: _LONGEST - 1] + "…" for text in row]
