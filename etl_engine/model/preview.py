"""A preview: the first rows of a query, and what a mapping makes of them."""

from typing import Annotated

from pydantic import BaseModel, Field

from etl_engine.model.mapping import AnyRule, MappingProblem, Query
from etl_engine.model.saved import ID_PATTERN, Draft, Id
from etl_engine.model.text import WHOLE

MOST_ROWS = 200


class PreviewOrder(Draft):
    """What to look at."""

    source_connection_id: Id
    source_query: Query
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS, description="Rows at most."), WHOLE] = 50
    target_schema_id: Annotated[
        str | None, Field(pattern=ID_PATTERN, description="With it, the result beside the source.")
    ] = None
    column_mappings: Annotated[list[AnyRule], Field(default=[], max_length=1600, description="What fills the schema.")]


class PreviewColumn(BaseModel):
    """One column of a query, or of what a mapping makes of it."""

    name: str
    native: Annotated[str, Field(description="The type as its own system writes it.")]
    family: Annotated[str, Field(description="The same in the words of the house: integer, decimal, text ...")]
    nullable: bool


class PreviewReject(BaseModel):
    """A value that does not fit."""

    row: Annotated[int, Field(description="Of this preview, counted from 1.")]
    column: str
    value: str
    reason: str


Cells = list[str | None]


class PreviewResult(BaseModel):
    """What the mapping makes of the rows."""

    columns: list[PreviewColumn]
    rows: Annotated[list[Cells | None], Field(description="In the order of the source's; null for a rejected row.")]
    rejects: list[PreviewReject]
    counts: Annotated[dict[str, int], Field(description="What was uneven, and how often.")]


class Preview(BaseModel):
    """The first rows of a query as exact texts."""

    columns: list[PreviewColumn]
    rows: list[Cells]
    more: Annotated[bool, Field(description="Whether the query has more rows than are shown.")]
    cut: Annotated[int, Field(description="Values that are too long to be shown wholly.")]
    milliseconds: float
    problems: Annotated[list[MappingProblem], Field(description="What keeps the mapping from running.")]
    result: PreviewResult | None = None
