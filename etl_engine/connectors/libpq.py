"""PostgreSQL through psycopg2, kept to a deadline: libpq's own waiting is replaced by ours.

Imported when a connection opens, never before: it loads the driver.
"""

import contextlib
import ctypes
import os
from collections.abc import Mapping
from typing import Any

import psycopg2
from psycopg2 import _psycopg, extensions

from etl_engine.connectors.contract import Deadline
from etl_engine.connectors.wire import wait

# libpq reads these from the environment and no option of a connection overrides them.
_AMBIENT = ("PGSERVICE", "PGTZ", "PGDATESTYLE", "PGGEQO")
_VERBOSE = 2  # PQERRORS_VERBOSE
NOWHERE = "/nonexistent"  # a file that is not there switches off libpq's look into ~/.postgresql

# Every other option that libpq would take from the environment or from files in the home folder of the service
# account, with a value of ours, and the libpq that first knew it.
_SETTLED: Mapping[str, tuple[str, int]] = {
    "passfile": (os.devnull, 0),
    "connect_timeout": ("0", 0),
    "client_encoding": ("UTF8", 0),
    "options": ("", 0),
    "application_name": ("etl-engine", 0),
    "requirepeer": ("", 0),
    "krbsrvname": ("postgres", 0),
    "gsslib": ("", 0),
    "target_session_attrs": ("any", 0),
    "sslcompression": ("0", 0),
    "sslcert": (NOWHERE, 0),
    "sslkey": (NOWHERE, 0),
    "sslrootcert": (NOWHERE, 0),
    "sslcrl": (NOWHERE, 0),
    "gssencmode": ("disable", 120000),
    "channel_binding": ("prefer", 130000),
    "ssl_min_protocol_version": ("TLSv1.2", 130000),
    "ssl_max_protocol_version": ("", 130000),
    "sslpassword": ("", 130000),
    "sslcrldir": ("", 140000),
    "sslsni": ("1", 140000),
    "sslcertmode": ("allow", 160000),
    "load_balance_hosts": ("disable", 160000),
    # A Kerberos exchange would ask name servers and key servers outside every deadline.
    "require_auth": ("!gss,!sspi", 160000),
    "sslnegotiation": ("postgres", 170000),
    "gssdelegation": ("0", 170000),
}


class Cursor(extensions.cursor):
    """A cursor whose statements are waited for with the deadline of their connection."""

    def execute(self, query: Any, values: Any = None) -> None:
        super().execute(query, values)
        self.connection.settle()  # type: ignore[attr-defined]


class Connection(extensions.connection):
    """An asynchronous connection that behaves like a synchronous one in autocommit mode, to the end of its deadline."""

    deadline: Deadline

    def settle(self) -> None:
        """Wait until libpq has done what it was asked to. Whatever interrupts the wait ends the connection."""
        try:
            while True:
                state = self.poll()
                if state == extensions.POLL_OK:
                    return
                ends = (self.fileno(),)
                writing = state == extensions.POLL_WRITE
                wait(self.deadline, read=() if writing else ends, write=ends if writing else ())
        except psycopg2.Error:
            raise
        except BaseException:
            self.close()
            raise

    def cursor(self, *args: Any, **options: Any) -> Any:
        options.setdefault("cursor_factory", Cursor)
        return super().cursor(*args, **options)

    def commit(self) -> None:
        self._end("COMMIT")

    def rollback(self) -> None:
        self._end("ROLLBACK")

    def _end(self, how: str) -> None:
        if not self.closed and self.info.transaction_status != extensions.TRANSACTION_STATUS_IDLE:
            self.cursor().execute(how)


def connect(options: Mapping[str, str], deadline: Deadline) -> Connection:
    """Log in to exactly one address. Raises psycopg2.Error with the SQLSTATE in its text."""
    connection = Connection(extensions.make_dsn(**{**settled(), **options}), async_=1)
    connection.deadline = deadline
    try:
        _tell_sqlstates(connection)
        connection.settle()
    except BaseException:
        connection.close()
        raise
    return connection


def settled() -> dict[str, str]:
    """Every option that would otherwise come from the machine, as this libpq knows them."""
    for name in _AMBIENT:
        os.environ.pop(name, None)
    known = extensions.libpq_version()
    return {name: value for name, (value, since) in _SETTLED.items() if known >= since}


def _tell_sqlstates(connection: Connection) -> None:
    """psycopg2 has no SQLSTATE for a refused login, only libpq's text: ask libpq to write it there."""
    with contextlib.suppress(AttributeError, OSError):  # a build that hides its libpq; texts then stay brief
        verbosity = ctypes.CDLL(_psycopg.__file__).PQsetErrorVerbosity
        verbosity.argtypes = (ctypes.c_void_p, ctypes.c_int)
        verbosity(connection.pgconn_ptr, _VERBOSE)
