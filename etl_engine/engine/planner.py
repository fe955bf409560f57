"""Decides how a copy is done, and can say why: lane, form, rule of every column, what the target must become first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from etl_engine.connectors.rows import Destination, Moment, Source
from etl_engine.engine import lanes
from etl_engine.errors import BadInput, Problem
from etl_engine.model.copies import CopyOrder, CopyPlan, Rule
from etl_engine.model.table import Column, Table, TableName


@dataclass(frozen=True)
class Planned:
    """The plan, with what the strategies need to know beside it."""

    plan: CopyPlan
    order: CopyOrder
    source: Table  # only the columns that go through
    target: TableName
    existing: Table | None
    columns: tuple[Column, ...]  # of the target, in the order of the source's
    added: tuple[Column, ...]  # columns that the target gets first
    key: tuple[str, ...]
    unique_in_source: bool  # no two rows of one read can have the same key
    plain: bool = False  # the target takes what is not special as such, whatever its column could hold

    @property
    def primary_key(self) -> tuple[str, ...]:
        """What a new target gets. Appending by a cursor keeps every version of a row: there the key repeats."""
        return () if self.order.mode == "append" and self.order.cursor else self.key

    @property
    def new_columns(self) -> tuple[Column, ...]:
        """The columns of a new target: those of its key are never NULL, whatever the source allows."""
        return as_key(self.columns, self.primary_key)


def plan(order: CopyOrder, source: Source, destination: Destination, table: Table, since: Moment | None) -> Planned:
    """Raises BadInput where the target cannot take these rows; nothing is written."""
    target, existing = destination.resolve(order.target)
    _refuse_itself(source, destination, table, target)
    destination.may_write(target, existing, order.mode)
    notes: list[str] = []
    kept = _writable(table, existing, order, notes)
    same_engine = lanes.same_engine(source.identity, destination.identity)
    made = destination.natives(kept, same_engine=same_engine)
    columns, added = _columns(made, existing, order, notes)
    key = _key(order, kept, existing, destination, target)
    road = lanes.choose(order, source, destination, kept, columns)
    statements = _statements(destination, target, existing, columns, added, key, order, notes)
    planned = CopyPlan(
        source=str(table.name or "query"),
        target=str(target),
        mode=order.mode,
        lane=road.lane,
        form=road.form,
        why=road.why,
        columns=road.rules,
        key=list(key),
        statements=statements,
        notes=notes,
        rows=table.rows,
        bytes=table.bytes,
        cursor=order.cursor,
        cursor_from=since.reached.text if since and since.reached else None,
    )
    unique = bool(key) and kept.is_key(key)
    return Planned(planned, order, kept, target, existing, columns, added, key, unique, destination.takes_plain)


def refuse_losses(planned: Planned) -> None:
    """Lossless or loud: a column whose values may change needs somebody's word for it."""
    losing = [
        one for one in planned.plan.columns if one.rule is Rule.LOSSY and one.name not in planned.order.allow_lossy
    ]
    if not losing:
        return
    problems = tuple(
        Problem(
            "/allow_lossy",
            "lossy",
            f"{one.name}: {one.source_type} into {one.target_type}: {one.why}",
            f"Add --allow-lossy {one.name}, or change the column of the target.",
        )
        for one in losing
    )
    first = losing[0]
    more = f", and {len(losing) - 1} more columns" if len(losing) > 1 else ""
    raise BadInput(
        f"Values of {first.name} could change on the way from {first.source_type} to {first.target_type}: "
        f"{first.why}{more}",
        hint=problems[0].fix,
        problems=problems,
    )


def _refuse_itself(source: Source, destination: Destination, table: Table, target: TableName) -> None:
    if source.identity == destination.identity and table.name == target:
        raise BadInput(f"Source and target are the same table, {target}", hint="Choose another target table.")


def _writable(table: Table, existing: Table | None, order: CopyOrder, notes: list[str]) -> Table:
    """The columns that go through: by name, without those that the target computes itself or is to do without."""
    if not table.columns:
        raise BadInput(f"{table.name or 'The query'} has no columns", hint="Choose another source.")
    kept = []
    for column in table.columns:
        there = existing.column(column.name) if existing else None
        if there is not None and there.generated:
            notes.append(f"{column.name} is computed by the target and not copied.")
        elif existing is not None and there is None and order.new_columns == "ignore":
            notes.append(f"{column.name} is not copied: the target does not have it.")
        else:
            kept.append(column)
    if not kept:
        raise BadInput("No column of the source is in the target", hint="Look at the names of the target's columns.")
    return replace(table, columns=tuple(kept))


def _columns(
    made: Sequence[Column], existing: Table | None, order: CopyOrder, notes: list[str]
) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """The target's columns for these, and those of them that it does not have yet."""
    if existing is None:
        return tuple(made), ()
    columns, added = [], []
    for column in made:
        there = existing.column(column.name)
        if there is None:
            added.append(column)
        columns.append(there or column)
    if added and order.new_columns == "fail":
        names = ", ".join(f"{one.name} ({one.native})" for one in added)
        raise BadInput(
            f"The target {existing.name} does not have the column{'s' if len(added) > 1 else ''} {names}",
            hint="Say what to do with new columns: --new-columns evolve (add them) or ignore.",
        )
    coming = {column.name for column in columns}
    for column in existing.columns:
        if column.name in coming or column.generated:
            continue
        if not column.nullable and not column.filled:
            raise BadInput(
                f"The target's column {column.name} must have a value, and the source has no such column",
                hint="Give it a default, let it take NULL, or add it to the source with --query.",
            )
        notes.append(f"{column.name} of the target is not in the source: it gets its default.")
    return tuple(columns), tuple(added)


def _key(
    order: CopyOrder, table: Table, existing: Table | None, destination: Destination, target: TableName
) -> tuple[str, ...]:
    key = order.key or (table.key if order.mode != "merge" or existing is None or not existing.key else existing.key)
    for name in key:
        if table.column(name) is None:
            raise BadInput(
                f"The key column {name!r} is not copied", hint=f"The columns are: {', '.join(table.names)[:300]}"
            )
    if order.mode == "merge" and not key:
        raise BadInput("Merging needs a key, and the source has no primary key", hint="Name the columns: --key id")
    if order.mode == "append" and order.cursor and not key:
        raise BadInput(
            "Appending by a cursor needs a key, by which a row that is read twice is known",
            hint="Name the columns: --key id",
        )
    if order.mode == "merge" and existing is not None and not _has_arbiter(existing, key):
        raise BadInput(
            f"The target {existing.name} has no unique key over ({', '.join(key)}) that merging could go by",
            hint=destination.keyed(target, key),
        )
    return key


def _has_arbiter(existing: Table, key: tuple[str, ...]) -> bool:
    return any(set(one) == set(key) for one in (existing.key, *existing.unique) if one)


def _statements(
    destination: Destination,
    target: TableName,
    existing: Table | None,
    columns: Sequence[Column],
    added: Sequence[Column],
    key: Sequence[str],
    order: CopyOrder,
    notes: list[str],
) -> list[str]:
    if existing is None:
        primary = () if order.mode == "append" and order.cursor else key
        return [destination.ddl(target, as_key(columns, primary), primary)]
    if order.mode == "replace":
        why = destination.why_not_swapped(target)
        meanwhile = "readers wait" if destination.readers_wait else "whoever reads it meanwhile sees the old rows"
        notes.append(
            f"{target} is emptied and filled in one transaction, and {meanwhile}: {why}."
            if why
            else f"A new {target} is loaded beside the old one and takes its name, indexes and grants at the end."
        )
    return [destination.added(target, column) for column in added]


def as_key(columns: Sequence[Column], key: Sequence[str]) -> tuple[Column, ...]:
    return tuple(replace(column, nullable=False) if column.name in key else column for column in columns)
