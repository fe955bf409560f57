"""What every plain document of the store has: its id, its times, its revision."""

import datetime as dt
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

ID_PATTERN = "^[0-9a-f]{24}$"
Id = Annotated[
    str,
    Field(pattern=ID_PATTERN, description="24 hexadecimal digits.", examples=["507f1f77bcf86cd799439011"]),
]


class Draft(BaseModel):
    """A document as somebody sends it: nothing that is not declared, nothing that has to be guessed."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class SavedDocument(BaseModel):
    """What the store adds."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, strict=False)

    id: Annotated[str, Field(alias="_id", pattern=ID_PATTERN, description="24 hexadecimal digits.")]
    created_at: dt.datetime
    updated_at: dt.datetime
    revision: Annotated[int, Field(exclude=True)] = 1
