"""Rows of a preview as the page shows them: the source's values, beside them what the mapping makes of them."""

from dataclasses import dataclass, field

from etl_engine.model.preview import Preview, PreviewColumn

_LONGEST = 240  # characters of a cell on the screen


@dataclass
class Head:
    """The head of a column."""

    name: str
    native: str
    side: str  # source | result


@dataclass
class Cell:
    """One value."""

    text: str
    tone: str = ""  # null | bad | result


@dataclass
class Line:
    """One row."""

    number: int
    cells: list[Cell]
    refusal: str = ""


@dataclass
class Grid:
    """All of it."""

    heads: list[Head] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    sources: int = 0  # how many of the heads
    results: int = 0
    said: str = ""
    told: str = ""  # what the mapping does to them
    tone: str = "idle"


def grid_of(shown: Preview | None, rows_read: bool) -> Grid:
    """Nothing where no rows were read yet."""
    if shown is None or not rows_read:
        return Grid()
    result = shown.result if shown.result and shown.result.columns else None
    refusals: dict[int, list[str]] = {}
    wrong: set[tuple[int, str]] = set()
    for reject in result.rejects if result else []:
        refusals.setdefault(reject.row, []).append(f"{reject.column}: {reject.value!r} {reject.reason}")
        wrong.add((reject.row, reject.column))
    lines = []
    for place, row in enumerate(shown.rows):
        number, cells = place + 1, [_cell(text, "source") for text in row]
        if result:
            made = result.rows[place]
            cells += (
                [_cell(text, "result") for text in made]
                if made is not None
                else [Cell("✕" if (number, one.name) in wrong else "", "bad") for one in result.columns]
            )
        lines.append(Line(number, cells, "; ".join(refusals.get(number, []))[:600]))
    heads = [_head(one, "source") for one in shown.columns]
    heads += [_head(one, "result") for one in result.columns] if result else []
    return Grid(
        heads,
        lines,
        len(shown.columns),
        len(result.columns) if result else 0,
        _said(shown),
        _told(shown, len(refusals)) if result else "",
        "warn" if refusals else "ok",
    )


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


def _head(column: PreviewColumn, side: str) -> Head:
    return Head(column.name, column.native, side)


def _cell(text: str | None, tone: str = "") -> Cell:
    if text is None:
        return Cell("NULL", f"{tone} null".strip())
    return Cell(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…", tone)
