"""A copy: what is ordered, what is planned, what became of it."""

import datetime as dt
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Mode = Literal["append", "replace", "merge"]
Name = Annotated[str, Field(min_length=1, max_length=1000)]
SLICE_ROWS = 5_000_000


class CopyOrder(BaseModel):
    """What is to be copied, from where, to where, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source_id: str
    target_id: str
    table: Annotated[str, Field(max_length=1000, description="Table of the source: schema.table.")] = ""
    query: Annotated[str, Field(max_length=1_000_000, description="One SELECT, in place of a table.")] = ""
    target: Annotated[Name, Field(description="Table of the target.")]
    mode: Mode = "append"
    columns: Annotated[tuple[Name, ...], Field(description="Only these; all if empty.")] = ()
    key: Annotated[tuple[Name, ...], Field(description="Columns that tell rows apart; the primary key if empty.")] = ()
    cursor: Annotated[
        str, Field(max_length=1000, description="Column that only grows: later runs read what is new.")
    ] = ""
    null_cursor: Literal["raise", "include", "exclude"] = "raise"
    look_back: Annotated[
        float | None, Field(ge=0, le=31_536_000, description="Seconds behind the cursor to read again.")
    ] = None
    new_columns: Annotated[
        Literal["fail", "evolve", "ignore"], Field(description="Source columns that the target does not have.")
    ] = "fail"
    allow_lossy: Annotated[tuple[Name, ...], Field(description="Columns whose values may change on the way.")] = ()
    slice_rows: Annotated[int, Field(ge=1, description="Rows to commit at a time, where a run can be resumed.")] = (
        SLICE_ROWS
    )
    restart: Annotated[bool, Field(description="Forget the cursor, and any run that was broken off.")] = False
    take_over: Annotated[bool, Field(description="Put this run in the place of one that is at work.")] = False
    verify: Annotated[bool, Field(description="Read both sides again afterwards, and compare.")] = False
    lane: Annotated[
        Literal["auto", "relay", "text", "typed"], Field(description="The road to take; auto: the cheapest exact one.")
    ] = "auto"
    readers: Annotated[
        int | None, Field(ge=1, le=16, description="Sessions that read a table at once, in one snapshot; null: chosen.")
    ] = None
    on_reject: Annotated[
        Literal["stop", "quarantine"],
        Field(description="Rows that cannot be loaded: stop at the first, or keep them apart in _etl_rejects."),
    ] = "stop"
    reject_limit: Annotated[int | None, Field(ge=0, description="Rejected rows that a run may have; null: any.")] = 1000
    reject_percent: Annotated[
        float | None, Field(ge=0, le=100, description="Share of rejected rows that a batch may have.")
    ] = None

    reconcile: Annotated[
        Literal["", "report", "repair"],
        Field(description="Compare both sides by ranges of the key: report what differs, or repair it."),
    ] = ""
    surplus: Annotated[
        Literal["keep", "delete"], Field(description="What a repair does with rows that only the target has.")
    ] = "keep"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self._reconciles_as_it_can()
        if bool(self.table) == bool(self.query):
            raise ValueError("give either a table or a query")
        if self.mode == "replace" and self.cursor:
            raise ValueError("a cursor makes no sense with replace: everything is read every time")
        if self.mode == "append" and self.cursor and self.null_cursor == "include":
            raise ValueError("rows without a cursor value would be appended again at every run; exclude them, or merge")
        if self.mode == "append" and self.cursor and self.verify:
            raise ValueError(
                "the target keeps every version of a row, so it cannot be compared with the source: use merge"
            )
        if self.on_reject == "quarantine" and self.lane in ("relay", "text"):
            raise ValueError(f"the lane {self.lane} looks at no row, so it can keep none apart: use auto or typed")
        if len(set(self.key)) < len(self.key) or len(set(self.columns)) < len(self.columns):
            raise ValueError("a column is named twice")
        return self

    def _reconciles_as_it_can(self) -> None:
        if not self.reconcile:
            if self.surplus == "delete":
                raise ValueError("rows that only the target has are deleted by a repair: add --reconcile repair")
            return
        if self.mode != "merge" or self.query or self.verify:
            raise ValueError("a table is reconciled as it is merged: give a table, --mode merge and no --verify")
        if self.null_cursor == "exclude":
            raise ValueError("rows without a cursor value were left out on purpose, and would be found missing")
        if self.surplus == "delete" and self.reconcile == "report":
            raise ValueError("a report deletes nothing: use --reconcile repair")


class Rule(StrEnum):
    """What becomes of a column's values."""

    EXACT = "exact"
    WIDENED = "widened"  # the target holds more than the source can
    LOSSY = "lossy"  # a value may come out different: only where somebody allows it


class ColumnRule(BaseModel):
    """One column, and what becomes of it."""

    name: str
    source_type: str
    target_type: str
    rule: Rule
    why: str = ""


class CopyPlan(BaseModel):
    """What a copy would do, without doing it."""

    source: str
    target: str
    mode: Mode
    lane: Literal["relay", "text", "typed"]
    form: str
    why: str = Field(description="Why this lane.")
    columns: list[ColumnRule]
    key: list[str]
    statements: list[str] = Field(description="DDL that the target would see before the first row.")
    notes: list[str] = []
    rows: int | None = Field(default=None, description="The source's own estimate.")
    bytes: int | None = None
    cursor: str = ""
    cursor_from: str | None = None


class Verification(BaseModel):
    """Both sides, read again."""

    equal: bool
    source_rows: int
    target_rows: int
    columns: list[str] = Field(default=[], description="Whose content differs, where the rows are as many.")
    seconds: float


class Difference(BaseModel):
    """One row that is not the same on both sides."""

    what: Literal["missing", "changed", "surplus"]
    key: str


class Reconciliation(BaseModel):
    """In what the target differed from the source, by key, and what was done about it."""

    applied: bool = Field(description="Repaired, and not only reported.")
    ranges: int = 0
    different: int = Field(default=0, description="Ranges of the key in which something differed.")
    missing: int = Field(default=0, description="Rows that only the source had.")
    changed: int = Field(default=0, description="Rows with other values.")
    surplus: int = Field(default=0, description="Rows that only the target had.")
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    examples: list[Difference] = Field(default=[], description="The first of them.")
    seconds: float = 0.0

    @property
    def equal(self) -> bool:
        return not (self.missing or self.changed or self.surplus)


class KeptRow(BaseModel):
    """A row that was kept apart."""

    row: int = Field(description="Of the batch as it was read, counted from 1.")
    column: str
    value: str
    reason: str


class CopyReceipt(BaseModel):
    """What became of a copy."""

    stream: str
    run_id: str
    epoch: int
    resumed: bool
    source: str
    target: str
    mode: Mode
    lane: str
    form: str
    rows: int = Field(description="Read from the source by this run.")
    written: int = Field(description="Inserted or updated in the target.")
    rejected: int = Field(default=0, description="Read and kept apart, in _etl_rejects beside the target.")
    rejects: list[KeptRow] = Field(default=[], description="The first of them.")
    bytes: int
    seconds: float
    batches: int
    checksum: str = Field(
        description="blake2b-128 of the bytes that went through; of their list where there were several batches."
    )
    columns: list[ColumnRule]
    cursor: str = ""
    cursor_from: str | None = None
    cursor_to: str | None = None
    notes: list[str] = []
    verification: Verification | None = None
    reconciliation: Reconciliation | None = None
    started_at: dt.datetime
    finished_at: dt.datetime


class CopyOutcome(BaseModel):
    """What became of one table of several."""

    table: str
    target: str
    receipt: CopyReceipt | None = None
    code: str = Field(default="", description="Of the error, where there is no receipt.")
    error: str = ""
    hint: str = ""
