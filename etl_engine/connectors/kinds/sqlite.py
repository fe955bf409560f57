"""SQLite database files."""

from typing import Annotated, Literal

from pydantic import Field

from etl_engine.model.connection import ConnectionConfig
from etl_engine.model.text import Identifier


class SqliteConfig(ConnectionConfig):
    """A SQLite file below one of the folders that the operator allows (`FILE_ROOTS`)."""

    db_type: Literal["sqlite"]
    database: Annotated[
        Identifier,
        Field(
            title="Database file",
            description="Path of the file, relative to the files folder or absolute inside it.",
            max_length=1024,
            json_schema_extra={"placeholder": "shop.db"},
        ),
    ]
