"""What else might speak on a port that does not speak the expected protocol. Only a name from this list is ever told:
the bytes of an unknown service are nobody's business."""

import contextlib
import ssl
from collections.abc import Callable

from etl_engine.connectors.contract import Who
from etl_engine.connectors.fault import Fault
from etl_engine.connectors.tls import unverified_context
from etl_engine.connectors.wire import Closed, Silent, Wire

PATIENCE_SECONDS = 0.3
SOON_SECONDS = 1.5  # a database that has not said a word by then may be something else

_TLS = "TLS from the first byte (such as HTTPS)"
POSTGRESQL = "PostgreSQL"
MYSQL = "MySQL or MariaDB"
_SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"
_HTTP_REQUEST = b"GET / HTTP/1.0\r\n\r\n"


def name_of(first: bytes) -> str:
    """The protocol that starts an answer like this; "" for one we do not know."""
    starts = {
        b"SSH-": "SSH",
        b"HTTP/": "HTTP",
        b"-ERR": "Redis",
        b"-NOAUTH": "Redis",
        b"-DENIED": "Redis",
        b"\x15\x03": _TLS,
        b"RFB ": "VNC",
        b"220 ": "SMTP or FTP",
        b"220-": "SMTP or FTP",
        b"+OK": "POP3",
        b"* OK": "IMAP",
        b"AMQP": "AMQP",
        b"ERROR\r\n": "memcached",
        b"It looks like you are trying to access MongoDB": "MongoDB",
    }
    for start, name in starts.items():
        if first.startswith(start):
            return name
    if first[2:7] == b"\0\0\x0b\x08\x05":
        return "the X protocol of MySQL"
    return MYSQL if len(first) >= 5 and first[3] == 0 and first[4] in (9, 10, 255) else ""


def ask(open_wire: Callable[[], Wire]) -> str:
    """Connect anew and see: does it speak first, does it answer a web request, is it PostgreSQL?"""
    for question, answers in ((b"", None), (_HTTP_REQUEST, None), (_SSL_REQUEST, (b"S", b"N"))):
        with contextlib.suppress(Silent, Closed, OSError, ssl.SSLError), contextlib.closing(open_wire()) as wire:
            if question:
                wire.sendall(question)
            first = wire.read_some(64, PATIENCE_SECONDS)
            if answers and first in answers:
                return POSTGRESQL
            name = name_of(first)
            if name:
                return name
    return _TLS if _speaks_tls(open_wire) else ""


def _speaks_tls(open_wire: Callable[[], Wire]) -> bool:
    with contextlib.suppress(Silent, Closed, OSError), contextlib.closing(open_wire()) as wire:
        try:
            wire.start_tls(unverified_context(), None, PATIENCE_SECONDS)
        except ssl.SSLError as error:
            return "ALERT" in (error.reason or "")
        return True
    return False


def wrong_service(where: str, wanted: str, usual_port: int, speaks: str) -> Fault:
    cause = f"{where} speaks {speaks}, not {wanted}" if speaks else f"{where} answers, but does not speak {wanted}"
    return Fault("wrong-service", cause, f"Check the port: {wanted} usually listens on {usual_port}.", Who.YOU)


def silent(where: str, seconds: float) -> Fault:
    return Fault(
        "silent-server",
        f"{where} accepts the connection and then says nothing for {seconds:.1f} s",
        "Check what listens there: a hung server, or a proxy or load balancer that has lost its server.",
        Who.NETWORK,
    )
