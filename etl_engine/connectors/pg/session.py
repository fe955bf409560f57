"""Sessions for moving rows: to a checked address, nothing from the environment, pinned so that values read alike."""

import contextlib
import functools
import os
import re
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import extensions

from etl_engine.connectors import libpq, tls
from etl_engine.connectors.addresses import allow, resolve
from etl_engine.connectors.contract import Deadline, Surroundings
from etl_engine.connectors.fault import Fault, OutOfTime
from etl_engine.connectors.pg.refusals import translated
from etl_engine.connectors.wire import Closed, Silent, Wire, connect
from etl_engine.errors import EtlError, NotCapable, Refused, Unreachable
from etl_engine.model.connection import ServerConfig

OPEN_SECONDS = 15.0
STOP_SECONDS = 5.0  # what the other side has to end by itself, when asked to; then the line is cut
# What libpq says of the line itself, and servers of themselves while they start, stop or are full: all of it passes.
_LINE_BROKE = re.compile(
    "server closed the connection|could not (receive|send) data|timeout expired|connection reset|broken pipe|"
    "expected authentication request|the database system is|too many clients|remaining connection slots|"
    "received invalid response|lost synchronization|failed: (No route|Network is|Connection refused)",
    re.IGNORECASE,
)
_SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"
_KIND = "postgresql"
# A server that is gone without a word is noticed within two minutes, in the middle of a read as of a write.
_KEEPALIVE = {
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "6",
    "tcp_user_timeout": "90000",
}
# What a value looks like as text must not depend on the server, the database or the role.
_PINS = (
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO, YMD'",
    "SET IntervalStyle = 'postgres'",
    "SET extra_float_digits = 3",
    "SET bytea_output = 'hex'",
    "SET xmloption = 'content'",
    "SET lc_monetary = 'C'",
    "SET standard_conforming_strings = on",
    "SET synchronize_seqscans = off",
    "SET statement_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "SET default_transaction_read_only = off",
    # A row that a policy hides would be lost without a word: this makes it an error.
    "SET row_security = off",
)
# A backend in the middle of a long statement then notices that its client is gone, and gives its locks back.
_PINS_SINCE = {140000: "SET client_connection_check_interval = '2s'"}
OLDEST = 120000


class Session:
    """One login. Used by one thread; `stop` comes from others."""

    def __init__(self, connection: Any, *, where: str, user: str, again: Callable[[Deadline], Any]) -> None:
        self.connection = connection
        self._again = again  # another login to the same database
        self._backend = 0
        self.where = where
        self.user = user
        self._stopped = False
        self._lock = threading.Lock()
        self._closed = threading.Event()

    @property
    def version(self) -> int:
        return int(self.connection.server_version)

    @contextlib.contextmanager
    def cursor(self, doing: str = "") -> Iterator[Any]:
        """A cursor whose errors come out as the product's, named after what was being done."""
        try:
            with self.connection.cursor() as cursor:
                yield cursor
        except psycopg2.Error as error:
            raise translated(error, self, doing) from error

    def rows(self, query: str, values: Sequence[Any] | dict[str, Any] | None = None, *, doing: str = "") -> list[Any]:
        with self.cursor(doing) as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall())

    def one(self, query: str, values: Sequence[Any] | dict[str, Any] | None = None, *, doing: str = "") -> Any:
        return self.rows(query, values, doing=doing)[0]

    def run(self, *statements: str, doing: str = "") -> None:
        with self.cursor(doing) as cursor:
            for statement in statements:
                cursor.execute(statement)

    @contextlib.contextmanager
    def one_snapshot(self) -> Iterator[None]:
        """Several looks at the catalogue see one state of it; inside an open transaction, what that one sees."""
        if self.connection.info.transaction_status != extensions.TRANSACTION_STATUS_IDLE:
            yield
            return
        self.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            self.rollback()

    def rollback(self) -> None:
        """End whatever transaction is open. In autocommit, as sessions are, the driver's own rollback does nothing."""
        if self.connection.closed or self.connection.info.transaction_status == extensions.TRANSACTION_STATUS_IDLE:
            return
        with contextlib.suppress(psycopg2.Error), self.connection.cursor() as cursor:
            cursor.execute("ROLLBACK")

    @property
    def identity(self) -> str:
        """Of the database itself: the same by whatever name and route it was reached."""
        system = self.system
        database = self.one("SELECT oid::text FROM pg_database WHERE datname = current_database()")[0]
        return f"postgresql:{system}:{database}"

    @property
    def system(self) -> str:
        try:
            return str(self.one("SELECT system_identifier::text FROM pg_control_system()")[0])
        except Refused:  # managed services that hide it: the address then has to do
            self.rollback()
            return self.where

    def stop(self) -> None:
        """Cancel what runs; where the server does not listen any more, cut the line."""
        with self._lock:
            if self._stopped or self.connection.closed:
                return
            self._stopped = True
        threading.Thread(target=self._cancel, daemon=True, name="cancel").start()

    def _cancel(self) -> None:
        self.cancel()
        if not self._closed.wait(STOP_SECONDS):
            self.cut()

    def cancel(self) -> None:
        """End the statement that runs. By a login of its own: the driver's way stops all threads while it waits."""
        try:
            with contextlib.closing(self._again(Deadline(STOP_SECONDS))) as other, other.cursor() as cursor:
                cursor.execute("SELECT pg_cancel_backend(%s)", (self._backend,))
        except (psycopg2.Error, OSError, EtlError, Fault, Closed, Silent, OutOfTime):
            self.cut()

    def know_itself(self) -> None:
        """Asked of the server: a pooler in between tells clients another number."""
        self._backend = int(self.one("SELECT pg_backend_pid()")[0])

    def cut(self) -> None:
        with self._lock, contextlib.suppress(psycopg2.Error, OSError):
            line = socket.socket(fileno=os.dup(self.connection.fileno()))
            with contextlib.closing(line), contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed.set()
        with self._lock, contextlib.suppress(psycopg2.Error):
            self.connection.close()


def open_session(config: ServerConfig, surroundings: Surroundings) -> Session:
    """Log in, over TLS as the connection wants it, to an address that may be reached."""
    deadline = Deadline(OPEN_SECONDS)
    where = f"{config.host}:{config.port}"
    try:
        connection = _login(config, surroundings, deadline)
    except Fault as fault:
        kind = Unreachable if fault.who.value == "network" or fault.code == "connection-refused" else Refused
        raise kind(fault.cause, kind=_KIND, native_code=fault.code, hint=fault.fix) from fault.__cause__
    except (Closed, Silent, OutOfTime, OSError) as error:
        raise Unreachable(
            f"{where} does not answer as PostgreSQL does", kind=_KIND, hint="Test the connection to see where it ends."
        ) from error
    again = functools.partial(_login, config, surroundings)
    session = Session(connection, where=where, user=config.username, again=again)
    try:
        connection.autocommit = True
        session.know_itself()
        session.run(*_PINS, *(pin for since, pin in _PINS_SINCE.items() if session.version >= since))
        _insist_on_version(session)
    except BaseException:
        session.close()
        raise
    return session


def _insist_on_version(session: Session) -> None:
    if session.version < OLDEST:
        raise NotCapable(
            f"{session.where} runs PostgreSQL {session.version // 10000}; rows are moved from version 12 on",
            hint="Upgrade the server.",
        )


def _login(config: ServerConfig, surroundings: Surroundings, deadline: Deadline) -> Any:
    addresses = resolve(config.host, deadline)
    allow(config.host, addresses, surroundings.deny)
    plain, address = connect(addresses, config.port, deadline)
    wire = Wire(plain, deadline)
    wish = tls.Wish.of(config)
    try:
        wire.sendall(_SSL_REQUEST)
        encrypted = wire.read(1) == b"S" and wish.mode != "disable"
    finally:
        wire.close()
    if wish.needs_tls and not encrypted:
        raise Refused(
            f"{config.host}:{config.port} offers no TLS, and the mode is {wish.mode}",
            kind=_KIND,
            native_code="tls-not-offered",
            hint="Switch TLS on at the server, or choose the mode prefer if the network is trusted.",
        )
    with tempfile.TemporaryDirectory(prefix="etl-engine-") as folder:  # libpq reads certificates from files only
        options = {
            "host": wish.name,
            "hostaddr": str(address),
            "port": str(config.port),
            "dbname": config.database,
            "user": config.username,
            "password": config.password.get_secret_value(),
            **libpq.settled(),
            **_KEEPALIVE,
            "connect_timeout": str(max(2, int(deadline.left()))),
            **_tls_options(wish, Path(folder), encrypted=encrypted),
        }
        try:
            return psycopg2.connect(extensions.make_dsn(**options))
        except psycopg2.Error as error:
            raise _login_refused(error, config) from error


def _tls_options(wish: tls.Wish, folder: Path, *, encrypted: bool) -> dict[str, str]:
    if not encrypted:
        return {"sslmode": "disable"}
    options = {"sslmode": "require"}
    if wish.verifies:
        options["sslmode"] = "verify-full" if wish.verifies_name else "verify-ca"
        options["sslrootcert"] = tls.write_trusted(wish, folder)
    if wish.cert:
        cert, key = tls.write_client_pair(wish, folder)
        options |= {"sslcert": str(cert), "sslkey": str(key)}
    return options


def _login_refused(error: psycopg2.Error, config: ServerConfig) -> Refused | Unreachable:
    from etl_engine.connectors.fault import said

    told = said(str(error).rpartition("FATAL:")[2] or str(error), config.password.get_secret_value())
    if _LINE_BROKE.search(str(error)):
        return Unreachable(
            f"The connection to {config.host}:{config.port} broke while logging in: {told}",
            kind=_KIND,
            hint="Run it again.",
        )
    return Refused(
        f'{config.host}:{config.port} refused user "{config.username}" on database "{config.database}": {told}',
        kind=_KIND,
        hint="Test the connection: the test says what is wrong and how to repair it.",
    )
