"""PostgreSQL."""

import contextlib
import re
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from etl_engine.connectors import guess, names, tls
from etl_engine.connectors.catalogue import postgresql as catalogue
from etl_engine.connectors.contract import Kind, Who
from etl_engine.connectors.fault import Fault, OutOfTime
from etl_engine.connectors.pg.data import PostgresqlData
from etl_engine.connectors.server import RUNGS, ServerCheck, ServerConnector
from etl_engine.connectors.sql import Dialect, Product, one
from etl_engine.connectors.wire import Closed, Silent, Wire
from etl_engine.model.connection import ServerConfig
from etl_engine.model.text import Port

if TYPE_CHECKING:
    from sqlalchemy import Connection

_SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"
_PROTOCOL_3 = 196608
_DESCRIBE = """
SELECT r.rolsuper, pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on',
       EXISTS (SELECT 1 FROM pg_namespace s WHERE s.nspname !~ '^pg_' AND s.nspname <> 'information_schema'
               AND has_schema_privilege(s.oid, 'CREATE')),
       t.tables, t.readable, t.writable, t.closed
FROM pg_roles r, (
    SELECT count(*) AS tables,
           count(*) FILTER (WHERE may_read) AS readable,
           count(*) FILTER (WHERE may_write) AS writable,
           (array_agg(DISTINCT nspname::text) FILTER (WHERE NOT may_read))[1:5] AS closed
    FROM (SELECT n.nspname,
                 has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS may_read,
                 has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'INSERT') AS may_write
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ) AS listed
) AS t
WHERE r.rolname = current_user
"""
_SETUP = """
Run as a superuser of the server. Reading needs no more than this:

```sql
CREATE ROLE "{username}" LOGIN PASSWORD 'choose a long one';
GRANT CONNECT ON DATABASE "{database}" TO "{username}";
-- then, connected to {database}, once per schema:
GRANT USAGE ON SCHEMA public TO "{username}";
GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{username}";
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO "{username}";
```

To load into it as well:

```sql
GRANT CREATE ON SCHEMA public TO "{username}";
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public TO "{username}";
```

The server lets the engine in with a line in `pg_hba.conf` (then `SELECT pg_reload_conf();`):

```
hostssl "{database}" "{username}" 10.0.0.0/8 scram-sha-256
```
""".strip()


class PostgresqlConfig(ServerConfig):
    """A PostgreSQL server, version 12 or later."""

    db_type: Literal["postgresql"]
    port: Annotated[Port, Field(title="Port")] = 5432


class PostgresqlCheck(ServerCheck):
    """Asks for TLS on a connection of ours, then lets libpq log in to the same address."""

    dialect = Dialect(
        kind="postgresql",
        url="postgresql+psycopg2",
        driver="psycopg2",
        extra="postgresql",
        version_query="SELECT version()",
        products=(Product("PostgreSQL", re.compile(r"^PostgreSQL (\d+)(?:\.(\d+))?"), (12, 0)),),
        engine_options={"use_native_hstore": False},
    )
    product = "PostgreSQL"
    usual_port = 5432
    speaks = guess.POSTGRESQL
    offers_tls = False

    def secure(self, wire: Wire) -> None:
        wire.sendall(_SSL_REQUEST)
        answer = self.hear(lambda patience: wire.read(1, patience))
        if answer == b"E":
            raise self._early_error(wire)
        if answer not in (b"S", b"N"):
            raise self.not_this_service()
        self.offers_tls = answer == b"S"
        if self.offers_tls and self.wish.mode != "disable":
            self.encrypt(wire)
        else:
            self.stay_plain(offered=self.offers_tls)
        wire.close()
        self.ladder.begin("login")

    def offered_tls(self, wire: Wire) -> bool:
        wire.sendall(_SSL_REQUEST)
        return wire.read(1) == b"S"

    def log_in(self) -> Any:
        return self._connect(self.config.database)

    def explain(self, error: BaseException) -> Fault:
        text, state = str(error), getattr(error, "pgcode", None) or ""
        facts = self._facts()
        found = state or catalogue.state_of(text)
        if found == "3D000":
            self.add_nearest(facts, self._databases())
        fault = catalogue.explain(text, state, facts, self.password)
        if fault.code in ("host-not-allowed", "host-rejected") and self._admitted_over_tls():
            fault = Fault(
                "tls-required",
                f'The server admits user "{self.config.username}" only over TLS, and the mode is {self.wish.mode}',
                "Choose the TLS mode require, verify-ca or verify-full.",
                Who.YOU,
            )
        return fault

    def describe_database(self, connection: "Connection") -> str:
        name, encoding = one(
            connection,
            "SELECT datname, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()",
        )
        return f'Database "{name}" is open, encoding {encoding}'

    def describe_privileges(self, connection: "Connection") -> tuple[str, bool, str]:
        connection.exec_driver_sql("BEGIN READ ONLY")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, int(self.deadline.left() * 1000))}")
        superuser, standby, read_only, creates, tables, readable, writable, closed = one(connection, _DESCRIBE)
        connection.exec_driver_sql("ROLLBACK")
        parts = [
            f"reads {readable} of {tables} tables" if tables else "no tables yet",
            f"writes {writable}" if writable else "writes none",
            f"may create tables: {'yes' if creates and not standby else 'no'}",
        ]
        if standby:
            parts.append("hot standby, so everything is read only")
        elif read_only:
            parts.append("sessions are read only by default")
        if superuser:
            parts.append("superuser")
        user, fix = names.double_quoted(self.config.username), ""
        if superuser:
            fix = "Use a role of its own, with no more than the setup guide grants."
        elif tables and not readable:
            fix = " ".join(
                f"GRANT USAGE ON SCHEMA {schema} TO {user}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {user};"
                for schema in map(names.double_quoted, closed or ())
            )
        evidence = ", ".join(parts)
        return evidence[0].upper() + evidence[1:], bool(fix) or standby, fix

    def _connect(self, database: str) -> Any:
        from etl_engine.connectors import libpq

        with tempfile.TemporaryDirectory(prefix="etl-engine-") as folder:  # libpq reads certificates from files only
            return libpq.connect(
                {
                    "host": self.wish.name,
                    "hostaddr": str(self.address),
                    "port": str(self.config.port),
                    "dbname": database,
                    "user": self.config.username,
                    "password": self.password,
                    **self._tls_options(Path(folder)),
                },
                self.deadline,
            )

    def _tls_options(self, folder: Path) -> dict[str, str]:
        if not self.encrypted:
            return {"sslmode": "disable"}
        options = {"sslmode": "require"}
        if self.wish.verifies:
            options["sslmode"] = "verify-full" if self.wish.verifies_name else "verify-ca"
            options["sslrootcert"] = tls.write_trusted(self.wish, folder)
        if self.wish.cert:
            cert, key = tls.write_client_pair(self.wish, folder)
            options |= {"sslcert": str(cert), "sslkey": str(key)}
        return options

    def _facts(self) -> dict[str, str]:
        user, database = self.config.username, self.config.database
        return {
            "user": user,
            "database": database,
            "where": self.where,
            "sql_user": names.double_quoted(user),
            "sql_database": names.double_quoted(database),
            "text_user": names.text_literal(user),
            "encryption": "encrypted" if self.encrypted else "not encrypted",
            "hba_type": "hostssl" if self.encrypted else "host",
            "nearest": "",
            "missing_fix": f"CREATE DATABASE {names.double_quoted(database)} OWNER {names.double_quoted(user)};",
        }

    def _databases(self) -> list[str]:
        """The databases this user may open, if another one lets us ask."""
        import psycopg2

        query = "SELECT datname FROM pg_database WHERE datallowconn AND has_database_privilege(oid, 'CONNECT')"
        for database in ("postgres", "template1"):
            with contextlib.suppress(psycopg2.Error, OutOfTime), contextlib.closing(self._connect(database)) as session:
                cursor = session.cursor()
                cursor.execute(query)
                return [str(name) for (name,) in cursor.fetchall() if name != "template1"]
        return []

    def _admitted_over_tls(self) -> bool:
        """Whether the same login would be let in to prove itself if it came over TLS; no secret is sent."""
        if self.encrypted or not self.offers_tls:
            return False
        with contextlib.suppress(OSError, Closed, OutOfTime):
            wire = self.open_wire()
            if self.offered_tls(wire):
                wire.start_tls(tls.unverified_context(), self.wish.name)
                words = ("user", self.config.username, "database", self.config.database)
                body = struct.pack("!i", _PROTOCOL_3) + b"".join(word.encode() + b"\0" for word in words) + b"\0"
                wire.sendall(struct.pack("!i", len(body) + 4) + body)
                return wire.read(1) == b"R"
        return False

    def _early_error(self, wire: Wire) -> Fault:
        """The server gave up before the protocol began, in the old style: text to the end of the stream."""
        text = b"E"
        with contextlib.suppress(Closed, OSError, Silent):
            text += wire.read_some(400, 0.5)
        message = catalogue.early_message(text)
        return catalogue.explain(message, "", self._facts(), self.password) if message else self.not_this_service(text)


class PostgresqlConnector(ServerConnector, PostgresqlData):
    """A connection to PostgreSQL."""

    check_type = PostgresqlCheck


KIND = Kind(
    name="postgresql",
    title="PostgreSQL",
    summary="PostgreSQL 12 and later, also as a managed service.",
    config=PostgresqlConfig,
    make=PostgresqlConnector,
    driver="psycopg2",
    extra="postgresql",
    aliases=("postgres", "pg", "pgsql", "psql"),
    setup=_SETUP,
    rungs=RUNGS,
)
