"""Who did what to which thing, and how it ended."""

import datetime as dt
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Outcome(StrEnum):
    """How an audited change ended."""

    PENDING = "pending"  # the intent is written, the change may or may not have happened
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"  # closed by the reaper: the process died between intent and outcome


class AuditEntry(BaseModel):
    """One change: the intent is written first, the outcome after the change."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    id: str = Field(alias="_id")
    at: dt.datetime
    actor: str
    action: str
    subject_id: str
    subject_name: str
    changed: list[str] = []
    request_id: str = ""
    outcome: Outcome = Outcome.PENDING
    done_at: dt.datetime | None = None  # when the outcome was written: what a feed of changes goes by
    error_code: str = ""
