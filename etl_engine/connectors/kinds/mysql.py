"""MySQL and MariaDB."""

import contextlib
import functools
import re
import ssl
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from etl_engine.connectors import guess, tls
from etl_engine.connectors.catalogue import mysql as catalogue
from etl_engine.connectors.contract import Kind, Who
from etl_engine.connectors.fault import Fault, OutOfTime
from etl_engine.connectors.mysql.data import MysqlData
from etl_engine.connectors.server import RUNGS, ServerCheck, ServerConnector, closed_at_once
from etl_engine.connectors.sql import Dialect, Product, one
from etl_engine.connectors.wire import Closed, Wire
from etl_engine.model.connection import ServerConfig
from etl_engine.model.text import Port

if TYPE_CHECKING:
    import pymysql
    from sqlalchemy import Connection

Upgrade = Callable[[Wire], None]  # has the handshake done on a connection whose server waits for it
_CLIENT_SSL = 0x800
_CAPABILITIES = 0x00080000 | 0x00008000 | 0x00000200 | _CLIENT_SSL  # plugin auth, secure connection, protocol 4.1
_LONGEST_GREETING = 4096
_SETUP = """
Run as an administrator of the server. Reading needs no more than this:

```sql
CREATE USER '{username}'@'%' IDENTIFIED BY 'choose a long one';
GRANT SELECT, SHOW VIEW ON `{database}`.* TO '{username}'@'%';
```

To load into it as well:

```sql
GRANT INSERT, UPDATE, DELETE, CREATE, CREATE TEMPORARY TABLES, DROP, ALTER, INDEX ON `{database}`.* TO '{username}'@'%';
```

Replace `%` by the address of this engine to let the account in from nowhere else, and let it in over TLS only with

```sql
ALTER USER '{username}'@'%' REQUIRE SSL;
```
""".strip()


class MysqlConfig(ServerConfig):
    """A MySQL server from 5.7, or a MariaDB server from 10.3."""

    db_type: Literal["mysql"]
    port: Annotated[Port, Field(title="Port")] = 3306


class MysqlCheck(ServerCheck):
    """One connection for everything: a server counts broken handshakes and blocks hosts that leave too many."""

    dialect = Dialect(
        kind="mysql",
        url="mysql+pymysql",
        driver="pymysql",
        extra="mysql",
        version_query="SELECT VERSION()",
        products=(
            Product("MariaDB", re.compile(r"^(?:5\.5\.5-)?(\d+)\.(\d+).*MariaDB", re.IGNORECASE), (10, 3)),
            Product("MySQL", re.compile(r"^(\d+)\.(\d+)"), (5, 7)),
        ),
    )
    product = "MySQL or MariaDB"
    usual_port = 3306
    speaks = guess.MYSQL
    wire: Wire
    offers_tls = False

    def secure(self, wire: Wire) -> None:
        self.wire = wire
        greeting = self._greeting(wire)
        wire.push_back(greeting)
        self.offers_tls = _offers_tls(greeting)
        # With TLS the driver asks for it in the middle of its login: `_Upgrade` climbs the rung then.
        if not self.offers_tls or self.wish.mode == "disable":
            self.stay_plain(offered=self.offers_tls)
            self.ladder.begin("login")

    def offered_tls(self, wire: Wire) -> bool:
        if not _offers_tls(self._greeting(wire)):
            return False
        request = struct.pack("<iIB23s", _CAPABILITIES, 2**24 - 1, 45, b"")
        wire.sendall(struct.pack("<i", len(request) | 1 << 24) + request)
        return True

    def log_in(self) -> Any:
        encrypts = self.offers_tls and self.wish.mode != "disable"
        return self._connect(self.wire, self.config.database, self._climb_tls if encrypts else None)

    def explain(self, error: BaseException) -> Fault:
        reason = error.__cause__ or error.__context__
        # With TLS 1.3 a server judges our certificate after the handshake.
        if isinstance(reason, ssl.SSLError) and not isinstance(reason, ssl.SSLEOFError):
            return tls.explain(reason, self.wish, None) or self.not_this_service()
        number, text = (*error.args, "", "")[:2]
        if not isinstance(number, int):
            number, text = 0, str(number)
        facts = self._facts()
        if number == 1049:
            self.add_nearest(facts, self._databases())
        if number == 1045 and self.wish.mode == "disable" and self._welcome_over_tls():
            number = 3159
        return catalogue.explain(number, str(text), facts, self.password)

    def describe_database(self, connection: "Connection") -> str:
        name, encoding = one(connection, "SELECT DATABASE(), @@character_set_database")
        return f'Database "{name}" is open, encoding {encoding}'

    def describe_privileges(self, connection: "Connection") -> tuple[str, bool, str]:
        (tables,) = one(connection, "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE()")
        (read_only,) = one(connection, "SELECT @@global.read_only")
        grants = catalogue.Grants(self._grants(connection), self.config.database)
        account = _account(str(one(connection, "SELECT CURRENT_USER()")[0]))
        reads_all = grants.has("SELECT")
        reads = (
            f"reads {tables if reads_all else grants.readable_tables} of {tables} tables" if tables else "no tables yet"
        )
        parts = [
            reads[0].upper() + reads[1:],
            f"may change rows: {'yes' if grants.has('INSERT') and grants.has('UPDATE') else 'no'}",
            f"may create tables: {'yes' if grants.has('CREATE') else 'no'}",
        ]
        fix = ""
        if grants.superuser:
            parts.append("administrator")
            fix = "Use an account of its own, with no more than the setup guide grants."
        elif tables and not reads_all and not grants.readable_tables:
            fix = f"GRANT SELECT ON {catalogue.database_pattern(self.config.database)}.* TO {account};"
        if read_only:
            parts.append("the server is read only (a replica?)")
        return ", ".join(parts), bool(fix) or bool(read_only), fix

    def _grants(self, connection: "Connection") -> list[str]:
        """The lines of SHOW GRANTS, with what the active roles of MySQL 8 add; MariaDB adds its own by itself."""
        from sqlalchemy.exc import DBAPIError

        query = "SHOW GRANTS"
        with contextlib.suppress(DBAPIError):
            (roles,) = one(connection, "SELECT CURRENT_ROLE()")
            if roles and "`@`" in roles:
                query = f"SHOW GRANTS FOR CURRENT_USER() USING {roles}"
        return [str(line) for (line,) in connection.exec_driver_sql(query.replace("%", "%%"))]

    def _greeting(self, wire: Wire) -> bytes:
        """The server's first packet, as it came."""
        head = self.hear(lambda patience: wire.read(5, patience))
        (length,) = struct.unpack("<i", head[:3] + b"\0")
        if guess.name_of(head) != guess.MYSQL or not 1 <= length <= _LONGEST_GREETING:
            raise self.not_this_service(head)
        try:
            body = head[4:] + wire.read(length - 1)
        except (Closed, OSError) as error:
            raise closed_at_once(self.where, "in the middle of its greeting") from error
        if body[0] == 255:
            raise self._refusal(body)
        if body[0] != 10:
            raise Fault(
                "version-too-old",
                "The server speaks the protocol of MySQL 3, which nothing of today speaks",
                "Upgrade the server to MySQL 8 or MariaDB 10.6 or later.",
                Who.DBA,
                step="version",
            )
        return head[:4] + body

    def _refusal(self, body: bytes) -> Fault:
        (number,) = struct.unpack("<H", body[1:3])
        text = body[3:].decode("utf-8", "replace")
        fault = catalogue.explain(number, text[6:] if text.startswith("#") else text, self._facts(), self.password)
        fault.step = "login"
        return fault

    def _connect(self, wire: Wire, database: str | None, upgrade: "Upgrade | None") -> "pymysql.Connection[Any]":
        import pymysql

        try:
            connection: pymysql.Connection[Any] = pymysql.Connection(
                host=self.wish.name,
                port=self.config.port,
                user=self.config.username,
                password=self.password.encode(),  # a str would be cut down to latin1
                database=database,
                charset="utf8mb4",
                autocommit=None,
                local_infile=False,
                defer_connect=True,
                ssl=_Asks.for_tls(upgrade) if upgrade else None,
                ssl_disabled=upgrade is None,
                auth_plugin_map={} if upgrade else {"mysql_clear_password": _ClearText, "dialog": _ClearText},
                program_name="etl-engine",
            )
            connection.connect(wire)  # type: ignore[arg-type]  # all that PyMySQL does with a socket
        except RuntimeError as error:  # what PyMySQL raises where a login method needs a package that is missing
            raise self.explain(pymysql.err.OperationalError(2059, str(error))) from error
        except (IndexError, struct.error, ValueError, TypeError, AssertionError) as error:
            raise Fault(
                "protocol-error",
                f"{self.where} greets like MySQL and then breaks the rules of its protocol",
                "Check what listens there: a MySQL or MariaDB server, or a proxy made for them, is needed.",
                Who.DBA,
            ) from error
        return connection

    def _climb_tls(self, wire: Wire) -> None:
        self.encrypt(wire)
        self.ladder.begin("login")

    def _again(self, *, encrypted: bool) -> "pymysql.Connection[Any]":
        """A second login, to ask what the first could not tell; it names no database."""
        wire = self.open_wire()
        wire.push_back(self._greeting(wire))
        context = tls.context(self.wish)
        upgrade = functools.partial(Wire.start_tls, context=context, server_name=self.wish.name)
        return self._connect(wire, None, upgrade if encrypted else None)

    def _facts(self) -> dict[str, str]:
        database = self.config.database
        return {
            "user": self.config.username,
            "database": database,
            "where": self.where,
            "mode": self.wish.mode,
            "sql_database": catalogue.back_quoted(database),
            "sql_database_pattern": catalogue.database_pattern(database),
            "nearest": "",
            "missing_fix": f"CREATE DATABASE {catalogue.back_quoted(database)};",
        }

    def _databases(self) -> list[str]:
        """The databases this account can see."""
        import pymysql

        with (
            contextlib.suppress(pymysql.Error, Fault, OutOfTime),
            contextlib.closing(self._again(encrypted=self.encrypted)) as session,
            session.cursor() as cursor,
        ):
            cursor.execute("SHOW DATABASES")
            return [str(name) for (name,) in cursor.fetchall() if not str(name).endswith("_schema")]
        return []

    def _welcome_over_tls(self) -> bool:
        """Whether the refusal was for want of TLS only: the server does not say so itself."""
        import pymysql

        with contextlib.suppress(pymysql.Error, Fault, OutOfTime), contextlib.closing(self._again(encrypted=True)):
            return self.offers_tls
        return False


class _Asks(ssl.SSLContext):
    """Stands where PyMySQL expects a context, and has the handshake done by ours, within the deadline."""

    upgrade: Upgrade

    @classmethod
    def for_tls(cls, upgrade: Upgrade) -> "_Asks":
        made = cls(ssl.PROTOCOL_TLS_CLIENT)
        made.upgrade = upgrade
        return made

    def wrap_socket(self, sock: Any, *_: Any, **__: Any) -> Any:
        self.upgrade(sock)
        return sock


class _ClearText:
    """Refuses to send a readable password over a connection that anybody on the way can read."""

    def __init__(self, _connection: object) -> None:
        pass

    def authenticate(self, _packet: object) -> None:
        raise Fault(
            "clear-text-password",
            "The server asks for the password as readable text, and the connection is not encrypted",
            "Choose the TLS mode require, verify-ca or verify-full.",
            Who.YOU,
        )


class MysqlConnector(MysqlData, ServerConnector):
    """A connection to MySQL or MariaDB."""

    check_type = MysqlCheck


def _account(current_user: str) -> str:
    user, _, host = current_user.rpartition("@")
    return catalogue.account(user, host)


def _offers_tls(greeting: bytes) -> bool:
    capabilities = greeting.index(b"\0", 5) + 1 + 4 + 8 + 1  # behind version, thread id, salt and a filler
    return bool(int.from_bytes(greeting[capabilities : capabilities + 2], "little") & _CLIENT_SSL)


KIND = Kind(
    name="mysql",
    title="MySQL / MariaDB",
    summary="MySQL 5.7 and later, MariaDB 10.3 and later.",
    config=MysqlConfig,
    make=MysqlConnector,
    driver="pymysql",
    extra="mysql",
    aliases=("mariadb", "maria"),
    setup=_SETUP,
    rungs=RUNGS,
)
