"""MySQL and MariaDB."""

from typing import Annotated, Literal

from pydantic import Field

from etl_engine.model.connection import ServerConfig
from etl_engine.model.text import Port


class MysqlConfig(ServerConfig):
    """A MySQL server from 5.7, or a MariaDB server from 10.3."""

    db_type: Literal["mysql"]
    port: Annotated[Port, Field(title="Port", ge=1, le=65535)] = 3306
