"""A schema as a line of the list, and its columns as lines of the form."""

from dataclasses import dataclass

from etl_engine.model.schema import Schema, SchemaColumn, SchemaVersion
from etl_engine.ui.words import counted

TYPES = ("string", "integer", "float", "decimal", "boolean", "date", "timestamp", "timestamptz", "json", "bytes")
_NAMED = 6


@dataclass
class Row:
    """One schema of the list."""

    id: str = ""
    name: str = ""
    description: str = ""
    fields: str = ""  # how many
    names: str = ""  # the first of them
    version: str = ""
    changed: str = ""
    users: str = ""


@dataclass
class ColumnLine:
    """One column in the form. What is typed stays in the browser until the form is sent."""

    id: str = ""
    name: str = ""
    type: str = "string"
    digits: str = ""  # of a decimal: "12,2"
    required: bool = False
    key: bool = False
    fixed: bool = False  # stored already: its type stays


@dataclass
class Version:
    """What one version changed."""

    title: str = ""
    at: str = ""
    what: str = ""


def line_of(column: SchemaColumn, number: int) -> ColumnLine:
    decimal = column.data_type.startswith("decimal")
    return ColumnLine(
        id=f"c{number}",
        name=column.name,
        type="decimal" if decimal else column.data_type,
        digits=column.data_type[len("decimal(") : -1] if decimal else "",
        required=not column.nullable,
        key=column.key,
        fixed=True,
    )


def history(kept: list[SchemaVersion]) -> list[Version]:
    """Newest first."""
    lines = []
    for place, one in enumerate(kept):
        before = kept[place + 1].columns if place + 1 < len(kept) else None
        lines.append(Version(f"Version {one.version}", one.at.isoformat(), _change(before, one.columns)))
    return lines


def row_of(schema: Schema, users: int) -> Row:
    names = [column.name for column in schema.columns]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return Row(
        id=schema.id,
        name=schema.name,
        description=schema.description or "",
        fields=counted(len(names), "field"),
        names=", ".join(names[:_NAMED]) + more,
        version=f"v{schema.version}",
        changed=schema.updated_at.isoformat(),
        users=counted(users, "mapping") if users else "",
    )


def _change(before: list[SchemaColumn] | None, after: list[SchemaColumn]) -> str:
    if before is None:
        return counted(len(after), "field")
    old, new = {one.name: one for one in before}, {one.name: one for one in after}
    said = [f"+ {name}" for name in new if name not in old] + [f"− {name}" for name in old if name not in new]
    said += [f"{name} changed" for name in new if name in old and new[name] != old[name]]
    return ", ".join(said) or "another order"
