"""The data plane of a MySQL connection: what the kind's connector inherits. Loads no driver by itself."""

from etl_engine.connectors.contract import Surroundings
from etl_engine.connectors.rows import Destination, Explorer, Explores, Reads, Source, Writes
from etl_engine.model.connection import ServerConfig


class MysqlData(Reads, Writes, Explores):
    """Opens sessions of its own; several may be open at once."""

    _config: ServerConfig
    _surroundings: Surroundings

    def open_source(self) -> Source:
        from etl_engine.connectors.mysql.session import open_session
        from etl_engine.connectors.mysql.source import MysqlSource

        return MysqlSource(open_session(self._config, self._surroundings))

    def open_destination(self) -> Destination:
        from etl_engine.connectors.mysql.destination import MysqlDestination
        from etl_engine.connectors.mysql.session import open_session

        return MysqlDestination(open_session(self._config, self._surroundings))

    def explore(self) -> Explorer:
        from etl_engine.connectors.mysql.explorer import MysqlExplorer
        from etl_engine.connectors.mysql.session import open_session

        return MysqlExplorer(open_session(self._config, self._surroundings))
