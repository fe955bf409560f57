"""PostgreSQL."""

from typing import Annotated, Literal

from pydantic import Field

from etl_engine.model.connection import ServerConfig
from etl_engine.model.text import Port


class PostgresqlConfig(ServerConfig):
    """A PostgreSQL server, version 12 or later."""

    db_type: Literal["postgresql"]
    port: Annotated[Port, Field(title="Port", ge=1, le=65535)] = 5432
