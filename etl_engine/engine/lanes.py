"""Which road rows take: bytes that nobody looks at, texts of one engine, or typed batches that the engine converts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from etl_engine.connectors.rows import ARROW, TEXT_BLOCKS, Destination, Source
from etl_engine.engine.typed_types import allowed, typed_fit
from etl_engine.engine.types import Fit, fit
from etl_engine.errors import BadInput, NotCapable, Problem
from etl_engine.model.copies import ColumnRule, CopyOrder, Rule
from etl_engine.model.table import Column, Table, Type

Lane = Literal["relay", "text", "typed"]


@dataclass(frozen=True)
class Road:
    """A lane, and what becomes of each column on it."""

    lane: Lane
    form: str
    why: str
    rules: list[ColumnRule]

    def losing(self, order: CopyOrder) -> list[ColumnRule]:
        return [one for one in self.rules if one.rule is Rule.LOSSY and one.name not in order.allow_lossy]


def same_engine(source: str, destination: str) -> bool:
    """Of two identities."""
    return source.partition(":")[0] == destination.partition(":")[0]


def choose(order: CopyOrder, source: Source, destination: Destination, table: Table, columns: Sequence[Column]) -> Road:
    """The cheapest road on which nothing is lost; else the cheapest."""
    taken = destination.forms(table)
    forms = [form for form in source.forms(table) if form in taken]
    relays = [form for form in forms if form != ARROW and not form.endswith(TEXT_BLOCKS)]
    texts = [form for form in forms if form.endswith(TEXT_BLOCKS)]
    roads: list[Callable[[], Road]] = []
    if relays and order.lane in ("auto", "relay") and order.on_reject == "stop":
        roads.append(lambda: _relay(relays, table, columns))
    if texts and order.lane == "text":
        why = "every column as the text that its own server writes"
        roads.append(lambda: Road("text", texts[0], why, _rules(table, columns, fit)))
    if ARROW in forms and order.lane in ("auto", "typed"):
        roads.append(lambda: _typed(order, table, columns, between_engines=not relays))
    if not roads:
        raise NotCapable(
            "There is no road between these two kinds of connection"
            + ("" if order.lane == "auto" else f" in the lane {order.lane}"),
            hint="Copy without naming a lane." if order.lane != "auto" else "Copy to another kind of connection.",
        )
    first: Road | BadInput | None = None
    for make in roads:
        try:
            road = make()
        except BadInput as error:
            first = first or error
            continue
        if not road.losing(order):
            return road
        first = first if isinstance(first, Road) else road
    if isinstance(first, Road):
        return first
    assert first is not None  # noqa: S101 - there was a road, and it was refused
    raise first


def _relay(forms: Sequence[str], table: Table, columns: Sequence[Column]) -> Road:
    """Native bytes only between identical types, which mean the same on both sides."""
    rules = _rules(table, columns, fit)
    other = next((s for s, t in zip(table.columns, columns, strict=True) if s.native != t.native), None)
    if other is None:
        note = "" if forms[0].endswith("binary") else "; as text, since some types have no binary form that travels"
        return Road("relay", forms[0], f"same engine and same types: the bytes go through as they are{note}", rules)
    text = next(form for form in forms if not form.endswith("binary"))
    return Road("relay", text, f"same engine; as text, since {other.name} has another type at the target", rules)


def _typed(order: CopyOrder, table: Table, columns: Sequence[Column], *, between_engines: bool) -> Road:
    def rule(source: Column, target: Column) -> Fit:
        found = typed_fit(source.type, target.type)
        if found is None:
            raise BadInput(
                f"The column {source.name} is {source.native}, which cannot become {target.native}",
                hint="Cast it with --query, or change the column of the target.",
                problems=(Problem("/target", "no_conversion", f"{source.name}: {source.native} to {target.native}"),),
            )
        if order.on_reject == "quarantine":
            found = replace(
                found,
                why=found.why.replace("stops the copy", "is kept apart").replace("stop the copy", "are kept apart"),
            )
        return allowed(found) if source.name in order.allow_lossy else found

    why = "different engines" if between_engines else "same engine"
    turned = [s.name for s, t in zip(table.columns, columns, strict=True) if s.type != t.type]
    what = f"{', '.join(turned[:3])}{' and others' if len(turned) > 3 else ''} converted here" if turned else ""
    rules = _made(table, columns, rule)
    return Road("typed", ARROW, "; ".join(filter(None, (f"{why}: typed batches", what))), rules)


def _rules(table: Table, columns: Sequence[Column], fits: Callable[[Type, Type], Fit]) -> list[ColumnRule]:
    return _made(table, columns, lambda source, target: fits(source.type, target.type))


def _made(table: Table, columns: Sequence[Column], fits: Callable[[Column, Column], Fit]) -> list[ColumnRule]:
    rules = []
    for source, target in zip(table.columns, columns, strict=True):
        found = fits(source, target)
        if found.rule is not Rule.LOSSY and source.nullable and not target.nullable:
            found = Fit(found.rule, "; ".join(filter(None, (found.why, "NULL stops the copy"))))
        rules.append(
            ColumnRule(
                name=source.name,
                source_type=source.native,
                target_type=target.native,
                rule=found.rule,
                why=found.why,
            )
        )
    return rules
