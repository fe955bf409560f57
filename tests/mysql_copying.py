"""Copies from and into MariaDB. What came out is judged by the `mariadb` client, a reader that is not ours."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Any

from copying import Pair
from servers import MariadbServer

from etl_engine.connectors import registry
from etl_engine.connectors.contract import Surroundings
from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.model.copies import CopyOrder, CopyPlan, CopyReceipt

_OPTIONS = (
    "--no-defaults",
    "--skip-column-names",
    "--batch",
    "--default-character-set=utf8mb4",
    "--skip-ssl",
    "--init-command=SET time_zone = '+00:00'",
)
BOOKS = "_etl_ledger, _etl_streams, _etl_seen, _etl_rejects"


@dataclass
class Database:
    """One database of the server, and an account to reach it with."""

    server: MariadbServer
    name: str
    user: str = ""
    password: str = ""
    port: int = 0
    config: dict[str, Any] = field(default_factory=dict)

    def sql(self, *statements: str) -> str:
        """What the client prints: values between tabs, escaped, NULL as the word."""
        program = shutil.which("mariadb") or shutil.which("mysql")
        assert program, "the client is not installed (Debian package mariadb-client)"
        server = self.server
        done = subprocess.run(
            [program, *_OPTIONS, "-h", server.host, "-P", str(server.port), "-u", server.user, self.name],
            input=";\n".join(statements) + ";\n",
            env={"PATH": os.environ["PATH"], "MYSQL_PWD": server.password},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.returncode, done.stderr
        return done.stdout.rstrip("\n")

    def connector(self) -> Any:
        kind = registry.kind("mysql")
        values = {
            "name": self.name,
            "db_type": "mysql",
            "host": self.server.host,
            "port": self.port or self.server.port,
            "database": self.name,
            "username": self.user or self.server.user,
            "password": self.password or self.server.password,
            **self.config,
        }
        return kind.make(kind.config.model_validate(values), Surroundings())

    def hexadecimal(self, table: str, columns: tuple[str, ...], order: str = "1") -> str:
        """Every cell as the digits of its bytes: what no escaping can blur. A float is asked for as a double."""
        types = dict(
            line.split("\t")
            for line in self.sql(
                "SELECT column_name, data_type FROM information_schema.columns "
                f"WHERE table_schema = DATABASE() AND table_name = '{table}'"
            ).splitlines()
        )
        cells = [f"`{one}` * 1E0" if types[one] == "float" else f"`{one}`" for one in columns]
        texts = [f"HEX(CAST({one} AS CHAR))" if "* 1E0" in one else f"HEX({one})" for one in cells]
        return self.sql(f"SELECT {', '.join(texts)} FROM `{table}` ORDER BY {order}")


@dataclass
class Road:
    """A source, a target, and copies between them. Either end is a Database, or one side of a Pair."""

    source: Any
    target: Any
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def ends(self) -> Ends:
        target = self.target.connector()
        return Ends(self.source.connector().open_source, target.open_destination, target.open_source)

    def order(self, table: str = "", target: str = "", **options: Any) -> CopyOrder:
        values = {"source_id": "1", "target_id": "2", "table": table, "target": target or table}
        return CopyOrder.model_validate({**values, **self.options, **options})

    def copy(self, table: str = "", target: str = "", **options: Any) -> CopyReceipt:
        return transfer.run(self.order(table, target, **options), self.ends, Progress(), Stop())

    def plan(self, table: str = "", target: str = "", **options: Any) -> CopyPlan:
        return transfer.plan(self.order(table, target, **options), self.ends)

    def same(self, table: str, target: str = "", order: str = "1") -> None:
        """Row by row the same, read by the client; and nothing left behind."""
        source = self.source.sql(f"SELECT * FROM {table} ORDER BY {order}")
        assert self.target.sql(f"SELECT * FROM {target or table} ORDER BY {order}") == source
        self.tidy()

    def tidy(self) -> None:
        assert self.target.sql("SHOW TABLES LIKE '\\_etl\\_new%'", "SHOW TABLES LIKE '\\_etl\\_old%'") == ""


@dataclass
class PostgresEnd:
    """One of the databases of a Pair, as an end of a road."""

    pair: Pair
    name: str

    def sql(self, *statements: str) -> str:
        return self.pair.sql(self.name, *statements)

    def connector(self) -> Any:
        return self.pair.connector(self.name)
