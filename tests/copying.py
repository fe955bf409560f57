"""Two databases with a copy between them. What came out is judged by psql, a reader that is not ours."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers import PostgresServer

from etl_engine.connectors import registry
from etl_engine.connectors.contract import Surroundings
from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.model.copies import CopyOrder, CopyPlan, CopyReceipt

LEFT_BEHIND = (
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relname LIKE '\\_etl\\_new%' OR c.relname = '_etl_stage'"
)


def psql_program() -> str:
    found = shutil.which("psql") or next(map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"))), "")
    assert found, "psql is not installed (Debian package postgresql-client)"
    return found


@dataclass
class Pair:
    """A source and a target database of one server, and copies between them."""

    server: PostgresServer
    source: str
    target: str
    user: str = ""
    password: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def sql(self, database: str, *statements: str) -> str:
        """What psql prints: unaligned, tuples only."""
        done = subprocess.run(
            [psql_program(), "-XAtq", "-v", "ON_ERROR_STOP=1", *(part for one in statements for part in ("-c", one))],
            env={
                "PATH": os.environ["PATH"],
                "PGHOST": self.server.host,
                "PGPORT": str(self.server.port),
                "PGUSER": self.server.user,
                "PGPASSWORD": self.server.password,
                "PGDATABASE": database,
                "PGOPTIONS": "-c timezone=UTC -c datestyle=ISO -c extra_float_digits=3 -c intervalstyle=postgres",
                "PGSSLMODE": "disable",
                "PGCLIENTENCODING": "UTF8",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.returncode, done.stderr
        return done.stdout.rstrip("\n")

    def s(self, *statements: str) -> str:
        return self.sql(self.source, *statements)

    def t(self, *statements: str) -> str:
        return self.sql(self.target, *statements)

    def connector(self, database: str) -> Any:
        kind = registry.kind("postgresql")
        config = kind.config.model_validate(
            {
                "name": database,
                "db_type": "postgresql",
                "host": self.server.host,
                "port": self.server.port,
                "database": database,
                "username": self.user or self.server.user,
                "password": self.password or self.server.password,
            }
        )
        return kind.make(config, Surroundings())

    @property
    def ends(self) -> Ends:
        return Ends(self.connector(self.source).open_source, self.connector(self.target).open_destination)

    def order(self, table: str = "", target: str = "", **options: Any) -> CopyOrder:
        values = {"source_id": self.source, "target_id": self.target, "table": table, "target": target or table}
        return CopyOrder.model_validate({**values, **self.options, **options})

    def copy(self, table: str = "", target: str = "", **options: Any) -> CopyReceipt:
        return transfer.run(self.order(table, target, **options), self.ends, Progress(), Stop())

    def plan(self, table: str = "", target: str = "", **options: Any) -> CopyPlan:
        return transfer.plan(self.order(table, target, **options), self.ends)

    def both(self, query: str) -> tuple[str, str]:
        return self.s(query), self.t(query)

    def same(self, table: str, target: str = "", order: str = "1") -> None:
        """Row by row the same, read by psql; and nothing left behind."""
        source = self.s(f"SELECT * FROM {table} ORDER BY {order}")
        there = self.t(f"SELECT * FROM {target or table} ORDER BY {order}")
        assert there == source
        self.tidy()

    def tidy(self) -> None:
        assert self.t(LEFT_BEHIND) == "0"

    def books(self, target: str, stream: str) -> None:
        """The ledger's rows are the rows that are there."""
        assert self.t(f"SELECT sum(rows) FROM _etl_ledger WHERE stream = '{stream}'") == self.t(
            f"SELECT count(*) FROM {target}"
        )


def eventually(condition: Callable[[], bool], what: str, seconds: float = 15.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.02)
