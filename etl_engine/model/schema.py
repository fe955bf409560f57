"""A target schema: the columns that a mapping fills, each with a type that every destination can hold."""

import datetime as dt
import re
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from etl_engine.model.saved import Draft, SavedDocument
from etl_engine.model.table import Column, Family, Type
from etl_engine.model.text import Described, Identifier, Name, Plain, name_key

MICROSECONDS = 6
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_PLAIN = {
    "string": Type(Family.TEXT),
    "integer": Type(Family.INTEGER, size=64),
    "float": Type(Family.FLOAT, size=64),
    "boolean": Type(Family.BOOLEAN),
    "date": Type(Family.DATE, special=False),
    "timestamp": Type(Family.TIMESTAMP, precision=MICROSECONDS, special=False),
    "timestamptz": Type(Family.TIMESTAMP, precision=MICROSECONDS, zoned=True, special=False),
    "bytes": Type(Family.BYTES),
    "json": Type(Family.JSON),
}
_DIGITS_PATTERN = r"decimal\(([1-9]|[12][0-9]|3[0-8]),([0-9]|[12][0-9]|3[0-8])\)"


def _known_type(data_type: str) -> str:
    if not re.fullmatch(f"{'|'.join(_PLAIN)}|{_DIGITS_PATTERN}", data_type):
        raise ValueError(f"must be one of {', '.join(_PLAIN)}, or decimal(p,s) with up to 38 digits")
    return data_type


DataType = Annotated[
    str,
    AfterValidator(_known_type),
    Described(pattern=f"^({'|'.join(_PLAIN)}|{_DIGITS_PATTERN})$"),
    Field(
        description="string, integer (64 bits), float (64 bits), boolean, date, timestamp (a clock's reading), "
        "timestamptz (an instant), decimal(p,s) with up to 38 digits, bytes or json.",
        examples=["string", "decimal(12,2)"],
    ),
]


class SchemaColumn(BaseModel):
    """One column of a target schema."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    name: Annotated[Identifier, Field(title="Column")]
    data_type: Annotated[DataType, Field(title="Type")]
    nullable: Annotated[bool, Field(description="Whether a row may have no value here.")] = True
    key: Annotated[bool, Field(description="Whether it is one of the columns that tell rows apart.")] = False

    @property
    def type(self) -> Type:
        return house_type(self.data_type)

    @property
    def required(self) -> bool:
        return self.key or not self.nullable


Columns = Annotated[list[SchemaColumn], Field(min_length=1, max_length=1600)]


class SchemaDraft(Draft):
    """A target schema."""

    name: Annotated[Name, Field(title="Schema name", description="How people find it; unique.")]
    description: Annotated[Plain | None, Field(title="Description", max_length=2000)] = None
    columns: Columns

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        seen: dict[str, str] = {}
        for column in self.columns:
            other = seen.setdefault(name_key(column.name), column.name)
            if other is not column.name:
                raise ValueError(
                    f"the columns {other!r} and {column.name!r} have one name, but for upper and lower case"
                )
            if found := _DECIMAL.fullmatch(column.data_type):
                digits, places = map(int, found.groups())
                if places > digits:
                    raise ValueError(
                        f"the column {column.name!r} has more decimal places ({places}) than digits ({digits})"
                    )
        return self


class SchemaVersion(BaseModel):
    """What the columns were, from one moment on."""

    version: int
    at: dt.datetime
    columns: list[SchemaColumn]


class Schema(SavedDocument):
    """A stored target schema."""

    name: str
    description: str | None = None
    columns: list[SchemaColumn]
    version: Annotated[
        int, Field(description="Counts the changes of the columns; a run keeps the one it began with.")
    ] = 1


def house_type(data_type: str) -> Type:
    """The type of a `data_type` that was checked."""
    if found := _DECIMAL.fullmatch(data_type):
        return Type(Family.DECIMAL, precision=int(found[1]), scale=int(found[2]), special=False)
    return _PLAIN[data_type]


def house_columns(columns: list[SchemaColumn]) -> tuple[Column, ...]:
    """The columns as the data plane describes them."""
    return tuple(Column(one.name, one.data_type, one.type, nullable=not one.required) for one in columns)


def key_of(columns: list[SchemaColumn]) -> tuple[str, ...]:
    return tuple(one.name for one in columns if one.key)
