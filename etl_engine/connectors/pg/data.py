"""The data plane of a PostgreSQL connection: what the kind's connector inherits. Loads no driver by itself."""

from etl_engine.connectors.contract import Surroundings
from etl_engine.connectors.rows import Destination, Explorer, Explores, Reads, Source, Writes
from etl_engine.model.connection import ServerConfig


class PostgresqlData(Reads, Writes, Explores):
    """Opens sessions of its own; several may be open at once."""

    _config: ServerConfig
    _surroundings: Surroundings

    def open_source(self) -> Source:
        from etl_engine.connectors.pg.session import open_session
        from etl_engine.connectors.pg.source import PostgresqlSource

        return PostgresqlSource(open_session(self._config, self._surroundings))

    def open_destination(self) -> Destination:
        from etl_engine.connectors.pg.destination import PostgresqlDestination
        from etl_engine.connectors.pg.session import open_session

        return PostgresqlDestination(open_session(self._config, self._surroundings))

    def explore(self) -> Explorer:
        from etl_engine.connectors.pg.explorer import PostgresqlExplorer
        from etl_engine.connectors.pg.session import open_session

        return PostgresqlExplorer(open_session(self._config, self._surroundings))
