"""Sessions for moving rows: to a checked address, over TLS as wished, pinned so that values read alike."""

import contextlib
import functools
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pymysql
from pymysql.constants import CLIENT

from etl_engine.connectors import tls
from etl_engine.connectors.addresses import allow, resolve
from etl_engine.connectors.catalogue.mysql import account
from etl_engine.connectors.contract import Deadline, Surroundings, Who
from etl_engine.connectors.fault import Fault, OutOfTime, said
from etl_engine.connectors.mysql.refusals import KIND, translated
from etl_engine.connectors.mysql.types import Dialect
from etl_engine.connectors.wire import connect
from etl_engine.errors import NotCapable, Refused, Unreachable
from etl_engine.model.connection import ServerConfig

OPEN_SECONDS = 15.0
# A send that makes no way for so long looks after the session: a server that killed it lets us wait for 107 s.
SEND_SECONDS = 5.0
WRITE_SECONDS = 120.0  # for one statement
LOCK_SECONDS = 30
_CLEARING_SECONDS = 5
_SQL_MODE = (
    "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"
)
# What a value looks like as text, and what is done with one, must not depend on the server or the account.
_PINS = (
    f"SET SESSION sql_mode = '{_SQL_MODE}'",
    "SET SESSION time_zone = '+00:00'",
    "SET SESSION net_read_timeout = 3600, net_write_timeout = 3600, wait_timeout = 28800",
    f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}, innodb_lock_wait_timeout = {LOCK_SECONDS}",
    "SET SESSION sql_select_limit = DEFAULT, sql_big_selects = 1, sql_safe_updates = 0, sql_auto_is_null = 0",
    "SET SESSION foreign_key_checks = 1, unique_checks = 1, sql_warnings = 0, sql_notes = 1",
    "SET SESSION max_error_count = 64",
)
_MARIADB_PINS = ("SET SESSION max_statement_time = 0", "SET SESSION idle_transaction_timeout = 0")
_MYSQL_PINS = ("SET SESSION max_execution_time = 0",)
_SINCE_MYSQL_8 = ("SET SESSION information_schema_stats_expiry = 0",)  # sizes of tables as they are, not of yesterday
_VERSION = re.compile(r"^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)")
OLDEST_MARIADB, OLDEST_MYSQL = (10, 3, 0), (5, 7, 0)
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6, "TCP_USER_TIMEOUT": 90_000}


class Driver(pymysql.Connection):
    """PyMySQL, which asks for nothing in the clear that has to be encrypted, and hands out no file of ours."""

    wish: tls.Wish
    server_capabilities: int
    _ssl_required: bool
    _read_timeout: float | None
    _local_infile: bool

    def _request_authentication(self) -> None:
        offered = bool(self.server_capabilities & CLIENT.SSL)
        if self.wish.needs_tls and not offered:
            raise Fault(
                "tls-not-offered",
                f"The server offers no TLS, and the mode is {self.wish.mode}",
                "Switch TLS on at the server, or choose the mode prefer if the network is trusted.",
                Who.DBA,
            )
        if self.wish.mode == "disable" or not offered:
            self._auth_plugin_map = {"mysql_clear_password": _ClearText, "dialog": _ClearText}
        super()._request_authentication()  # type: ignore[misc]  # not in the stubs


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


class Session:
    """One login. Used by one thread; `stop` comes from others."""

    def __init__(self, connection: Any, config: ServerConfig, surroundings: Surroundings) -> None:
        self.connection = connection
        self.where = f"{config.host}:{config.port}"
        self.user = config.username
        self.database = config.database
        self.stopped = False
        self._again = functools.partial(_login, config, surroundings)
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def cursor(self, doing: str = "") -> Iterator[Any]:
        """A cursor whose errors come out as the product's, named after what was being done."""
        with self.translating(doing), self.connection.cursor() as cursor:
            yield cursor

    @contextlib.contextmanager
    def translating(self, doing: str = "") -> Iterator[None]:
        try:
            yield
        except (pymysql.Error, OSError, AttributeError, RuntimeError) as error:
            # After another thread cut the line PyMySQL trips over the socket that it has no more.
            if isinstance(error, AttributeError | RuntimeError) and self.connection.open:
                raise
            raise translated(error, self, doing) from error

    def rows(self, query: str, values: Sequence[Any] = (), *, doing: str = "") -> list[Any]:
        with self.cursor(doing) as cursor:
            cursor.execute(query, tuple(values) or None)
            return list(cursor.fetchall())

    def one(self, query: str, values: Sequence[Any] = (), *, doing: str = "") -> Any:
        return self.rows(query, values, doing=doing)[0]

    def run(self, *statements: str, doing: str = "") -> int:
        """How many rows the last one changed."""
        changed = 0
        with self.cursor(doing) as cursor:
            for statement in statements:
                changed = cursor.execute(statement)
        return int(changed)

    def change(self, statement: str, values: Sequence[Any] = (), *, doing: str = "") -> int:
        with self.cursor(doing) as cursor:
            return int(cursor.execute(statement, tuple(values) or None))

    def rollback(self) -> None:
        """End whatever transaction is open."""
        if self.connection.open:
            with contextlib.suppress(pymysql.Error, OSError, AttributeError, RuntimeError):
                self.connection.query("ROLLBACK")

    @functools.cached_property
    def dialect(self) -> Dialect:
        text = str(self.one("SELECT VERSION()")[0])
        found = _VERSION.match(text)
        version = (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)
        mariadb = "mariadb" in text.lower()
        wanted = "utf8mb4_nopad_bin" if mariadb else "utf8mb4_0900_bin"
        has_it = self.rows("SELECT 1 FROM information_schema.collations WHERE collation_name = %s", (wanted,))
        return Dialect(mariadb, version, wanted if has_it else "utf8mb4_bin")

    @functools.cached_property
    def identity(self) -> str:
        """Of the server: the same by whatever name and route it was reached. Table names carry their database."""
        for variable in ("server_uuid", "server_uid"):
            found = self.variable(variable)
            if found:
                return f"mysql:{found}"
        port, datadir, host = (self.variable(name) for name in ("port", "datadir", "hostname"))
        return f"mysql:{host}:{port}:{datadir}"

    @functools.cached_property
    def account(self) -> str:
        """As it is written in a GRANT."""
        user, _, host = str(self.one("SELECT CURRENT_USER()")[0]).rpartition("@")
        return account(user, host)

    def variable(self, name: str) -> str:
        found = self.rows("SHOW VARIABLES WHERE Variable_name = %s", (name,))
        return str(found[0][1]) if found else ""

    def alive(self) -> bool:
        """Whether the server still has this session, asked over another one."""
        try:
            other = self._again()
        except (Fault, OutOfTime, pymysql.Error, OSError):
            return False
        with contextlib.closing(other), contextlib.suppress(pymysql.Error, OSError), other.cursor() as cursor:
            cursor.execute(
                "SELECT command FROM information_schema.processlist WHERE id = %s", (self.connection.thread_id(),)
            )
            found = cursor.fetchall()
            return bool(found) and found[0][0] != "Killed"
        return False

    def cancel(self) -> None:
        """End the statement that runs, over another login; the session goes on."""
        with (
            contextlib.suppress(Fault, OutOfTime, pymysql.Error, OSError),
            contextlib.closing(self._again()) as other,
            other.cursor() as cursor,
        ):
            cursor.execute(f"KILL QUERY {int(self.connection.thread_id())}")

    def elsewhere(self, *statements: str) -> None:
        """Over another login, after this session's line was cut; what does not work out is left to the next claim."""
        with (
            contextlib.suppress(Fault, OutOfTime, pymysql.Error, OSError),
            contextlib.closing(self._again()) as other,
            other.cursor() as cursor,
        ):
            cursor.execute(f"SET SESSION lock_wait_timeout = {_CLEARING_SECONDS}")
            with contextlib.suppress(pymysql.Error):  # it is gone already
                cursor.execute(f"KILL {int(self.connection.thread_id())}")
            for statement in statements:
                cursor.execute(statement)

    def stop(self) -> None:
        """Cancel what runs, and cut the line: in the middle of a load the server would wait for the rest of it."""
        with self._lock:
            if self.stopped or not self.connection.open:
                return
            self.stopped = True
        threading.Thread(target=self._stop, daemon=True, name="cancel").start()

    def _stop(self) -> None:
        self.cancel()
        self.cut()

    def cut(self) -> None:
        line = self.connection._sock
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(pymysql.Error, OSError, AttributeError):
            self.connection.close()


def open_session(config: ServerConfig, surroundings: Surroundings) -> Session:
    """Log in, over TLS as the connection wants it, to an address that may be reached."""
    where = f"{config.host}:{config.port}"
    try:
        connection = _login(config, surroundings)
    except Fault as fault:
        kind = Unreachable if fault.who.value == "network" or fault.code == "connection-refused" else Refused
        raise kind(fault.cause, kind=KIND, native_code=fault.code, hint=fault.fix) from fault.__cause__
    except (OutOfTime, OSError, ValueError, IndexError, AssertionError) as error:
        raise Unreachable(
            f"{where} does not answer as MySQL does", kind=KIND, hint="Test the connection to see where it ends."
        ) from error
    except (pymysql.Error, RuntimeError) as error:
        raise _login_refused(error, config) from error
    session = Session(connection, config, surroundings)
    try:
        session.run(*_PINS)
        session.run(*(_MARIADB_PINS if session.dialect.mariadb else _MYSQL_PINS))
        if not session.dialect.mariadb and session.dialect.version >= (8, 0, 0):
            session.run(*_SINCE_MYSQL_8)
        _insist_on_version(session)
    except BaseException:
        session.close()
        raise
    return session


def _insist_on_version(session: Session) -> None:
    dialect = session.dialect
    if dialect.version < (OLDEST_MARIADB if dialect.mariadb else OLDEST_MYSQL):
        raise NotCapable(
            f"{session.where} runs version {'.'.join(map(str, dialect.version))}; rows are moved from MySQL 5.7 and "
            "MariaDB 10.3 on",
            hint="Upgrade the server.",
        )


def _login(config: ServerConfig, surroundings: Surroundings) -> Any:
    deadline = Deadline(OPEN_SECONDS)
    addresses = resolve(config.host, deadline)
    allow(config.host, addresses, surroundings.deny)
    plain, _ = connect(addresses, config.port, deadline)
    _keep_alive(plain)
    wish = tls.Wish.of(config)
    made = Driver(
        host=wish.name,
        port=config.port,
        user=config.username,
        password=config.password.get_secret_value().encode(),  # a str would be cut down to latin1
        database=config.database,
        charset="utf8mb4",
        autocommit=True,
        local_infile=True,
        defer_connect=True,
        ssl=None if wish.mode == "disable" else tls.context(wish),
        ssl_disabled=wish.mode == "disable",
        program_name="etl-engine",
        read_timeout=max(1.0, deadline.left()),
        write_timeout=WRITE_SECONDS,
    )
    made.wish = wish
    if not wish.needs_tls:
        made._ssl_required = False
        made.client_flag &= ~CLIENT.SSL
    made.connect(plain)
    made._read_timeout = None
    # The capability stays, and files are sent by `load.py` only: a server may ask for any file, at any query.
    made._local_infile = False
    return made


def _keep_alive(line: socket.socket) -> None:
    """A server that is gone without a word is noticed within two minutes, in the middle of a read as of a write."""
    line.setblocking(True)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _login_refused(error: Exception, config: ServerConfig) -> Refused | Unreachable:
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    told = said(text, config.password.get_secret_value())
    where = f"{config.host}:{config.port}"
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if number in (1040, 1053, 1203, 2003, 2013):
        return Unreachable(f"{where} takes no login now: {told}", kind=KIND, native_code=str(number))
    return Refused(
        f'{where} refused user "{config.username}" on database "{config.database}": {told}',
        kind=KIND,
        native_code=str(number or ""),
        hint="Test the connection: the test says what is wrong and how to repair it.",
    )
