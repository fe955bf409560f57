"""A schedule: when something is run, and what becomes of a fire that is late or finds it still running."""

import datetime as dt
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from etl_engine.model.cron import checked
from etl_engine.model.saved import Draft, Id, SavedDocument
from etl_engine.model.text import WHOLE, Name, Plain
from etl_engine.model.zones import Zone

Overlap = Literal["queue", "skip", "allow"]
Missed = Literal["skip", "once", "all"]
Cron = Annotated[
    str,
    Field(
        max_length=200,
        title="When",
        description="Five fields: minute, hour, day of the month, month, day of the week; or @hourly, @daily ...",
        examples=["30 7 * * 1-5"],
    ),
    AfterValidator(checked),
]


class ScheduleDraft(Draft):
    """When a mapping is run."""

    name: Annotated[Name, Field(title="Schedule name", description="How people find it; unique.")]
    description: Annotated[Plain | None, Field(title="Description", max_length=2000)] = None
    mapping_id: Annotated[Id, Field(title="Mapping")]
    cron_expression: Cron
    timezone: Annotated[Zone, Field(title="Time zone", description="Whose clock the expression goes by.")] = "UTC"
    enabled: Annotated[bool, Field(title="Active")] = True
    pause_reason: Annotated[
        Plain | None, Field(title="Why it is paused", max_length=500, description="Only of one that is not active.")
    ] = None
    overlap_policy: Annotated[
        Overlap,
        Field(description="Where it still runs: one fire waits for its end, it is left out, or both run at once."),
    ] = "queue"
    missed_policy: Annotated[
        Missed,
        Field(description="Fires that nobody was there for: left out, made up for by one run, or all of them run."),
    ] = "once"
    missed_limit: Annotated[int, Field(ge=1, le=1000, description="With all: the latest of them, so many."), WHOLE] = 10

    @model_validator(mode="after")
    def _only_what_is_paused_has_a_reason(self) -> Self:
        if self.enabled and self.pause_reason:
            raise ValueError("only a schedule that is not active has a pause_reason")
        return self


class ScheduleSubject(BaseModel):
    """What is run."""

    kind: Literal["mapping"]
    id: str


class Schedule(SavedDocument):
    """A stored schedule."""

    name: str
    description: str | None = None
    subject: ScheduleSubject
    mapping_id: Id
    cron_expression: str
    timezone: str
    enabled: bool
    pause_reason: str | None = None
    overlap_policy: Overlap
    missed_policy: Missed
    missed_limit: int
    last_run_at: Annotated[dt.datetime | None, Field(description="The last fire that was run.")] = None
    last_execution_id: str | None = None
    last_problem: Annotated[str | None, Field(description="Why the last fire could not be run.")] = None
    next_run_at: Annotated[dt.datetime | None, Field(description="Nothing while it is not active.")] = None
    waiting: Annotated[int, Field(description="Fires that are decided and not run yet.")] = 0
    reading: Annotated[str, Field(description="The expression in plain English.")] = ""

    @model_validator(mode="before")
    @classmethod
    def _subject_on_the_wire(cls, values: Any) -> Any:
        if isinstance(values, dict) and "subject" in values and "mapping_id" not in values:
            return {**values, "mapping_id": values["subject"]["id"]}
        return values


class NextFire(BaseModel):
    """One of the next fires, on three clocks."""

    at: Annotated[dt.datetime, Field(description="UTC.")]
    local: Annotated[str, Field(description="In the schedule's zone, with its offset.")]
    viewer: Annotated[str, Field(description="In the zone of who looks.")]
    clock_changed: Annotated[bool, Field(description="Between the fire before and this one the clock changed.")]
    moved: Annotated[bool, Field(description="The clock jumps over the time that was meant: it fires right after.")]


class Timetable(BaseModel):
    """What an expression says, and when it fires next."""

    cron_expression: str
    timezone: str
    viewer_timezone: str
    reading: str
    next: list[NextFire]


class Preset(BaseModel):
    """An expression that many people want."""

    id: str
    title: str
    cron_expression: str


class FireRecord(BaseModel):
    """What became of one fire."""

    at: dt.datetime
    state: Literal["started", "skipped", "failed"]
    reason: str = ""
    execution_id: str | None = None
    decided_at: dt.datetime
