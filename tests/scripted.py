"""Servers that play a script: what a real one does only in rare moments, or what no database does at all."""

import contextlib
import datetime as dt
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from servers import wait_until

Script = Callable[[socket.socket], None]
SSL_REQUEST = 80877103
_mine = threading.local()  # what a script opened beside the connection it was given


class Scripted:
    """Plays its script to every client on a loopback port, each in a thread, and knows who is still connected."""

    def __init__(self, script: Script, host: str = "127.0.0.1", port: int = 0) -> None:
        self.script = script
        self.listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.host, self.port = host, self.listener.getsockname()[1]
        self.accepted = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Scripted":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self._lock:
            left = list(self._open)
        for client in left:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def wait_until_all_have_gone(self, seconds: float) -> None:
        """No client holds a connection any more. (A script ends when its client closes.)"""
        wait_until(lambda: not self._open, seconds, f"the end of {len(self._open)} connections")

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            with self._lock:
                self._open.add(client)
            threading.Thread(target=self._play, args=(client,), daemon=True).start()

    def _play(self, client: socket.socket) -> None:
        _mine.encrypted = []
        try:
            with contextlib.suppress(OSError, EOFError, struct.error):
                self.script(client)
        finally:
            for stream in _mine.encrypted:
                with contextlib.suppress(OSError):
                    stream.shutdown(socket.SHUT_RDWR)
                stream.close()
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()
            with self._lock:
                self._open.discard(client)


@contextlib.contextmanager
def black_hole(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port that drops every SYN: its queue is full and nobody empties it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener, contextlib.ExitStack() as callers:
        listener.bind((host, port))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            caller = callers.enter_context(socket.socket(family))
            caller.setblocking(False)
            caller.connect_ex((host, port))
        yield port


def silent(client: socket.socket) -> None:
    """Reads, and never says a word."""
    while client.recv(4096):
        pass


def closes(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_RDWR)


def says(words: bytes) -> Script:
    """Speaks first, then is silent."""

    def script(client: socket.socket) -> None:
        client.sendall(words)
        silent(client)

    return script


def answers(words: bytes) -> Script:
    """Waits for a whole line, then answers: what a web server or Redis does."""

    def script(client: socket.socket) -> None:
        heard = b""
        while b"\n" not in heard:
            part = client.recv(4096)
            if not part:
                return
            heard += part
        client.sendall(words)
        silent(client)

    return script


def drips(words: bytes, seconds: float = 1.0) -> Script:
    """One byte a second."""

    def script(client: socket.socket) -> None:
        client.settimeout(seconds)
        for byte in words:
            client.sendall(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                if not client.recv(4096):
                    return

    return script


def exactly(client: socket.socket, count: int) -> bytes:
    heard = b""
    while len(heard) < count:
        part = client.recv(count - len(heard))
        if not part:
            raise EOFError
        heard += part
    return heard


# Certificates


class Certificates:
    """An authority of the tests, and server contexts with certificates of every kind of wrongness."""

    def __init__(self) -> None:
        self.authority = trustme.CA(organization_name="Test Authority")
        self.pem = self.authority.cert_pem.bytes().decode()

    def server(
        self,
        *names: str,
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
        authority: trustme.CA | None = None,
    ) -> ssl.SSLContext:
        issued = (authority or self.authority).issue_cert(
            *(names or ("localhost", "127.0.0.1")), not_before=not_before, not_after=not_after
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(context)
        return context

    @property
    def fields(self) -> dict[str, str]:
        """What a connection needs to trust this authority."""
        return {"tls_ca": self.pem}

    def client(self, name: str, authority: trustme.CA | None = None) -> dict[str, str]:
        """The fields of a connection with a client certificate."""
        issued = (authority or self.authority).issue_cert(common_name=name)
        return {
            "tls_cert": issued.cert_chain_pems[0].bytes().decode(),
            "tls_key": issued.private_key_pem.bytes().decode(),
        }


def self_signed(name: str) -> ssl.SSLContext:
    """A server with a certificate that nobody but itself vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        certificate, secret = Path(folder) / "crt", Path(folder) / "key"
        certificate.write_bytes(made.public_bytes(pem))
        secret.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
        context.load_cert_chain(certificate, secret)
    return context


def encrypted(client: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    stream = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
    _mine.encrypted.append(stream)
    try:
        stream.do_handshake()
    except ssl.SSLError:
        # Closing over words that were not read would take the alert back (RST): let the client read it first.
        with socket.socket(fileno=stream.detach()) as plain:
            plain.shutdown(socket.SHUT_WR)
            silent(plain)
        raise
    return stream


# PostgreSQL


def pg_message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def pg_error(state: str, text: str, severity: str = "FATAL", routine: str = "script") -> bytes:
    fields = {"S": severity, "V": "FATAL", "C": state, "M": text, "F": "script.c", "L": "1", "R": routine}
    return pg_message(b"E", b"".join(f"{key}{value}\0".encode() for key, value in fields.items()) + b"\0")


def pg_start(client: socket.socket, tls: ssl.SSLContext | None = None) -> tuple[socket.socket, dict[str, str]]:
    """Answer the question about TLS, and read the startup message."""
    (length, code) = struct.unpack("!ii", exactly(client, 8))
    if code == SSL_REQUEST:
        client.sendall(b"S" if tls else b"N")
        if tls:
            client = encrypted(client, tls)
        (length, code) = struct.unpack("!ii", exactly(client, 8))
    words = exactly(client, length - 8).decode().split("\0")
    return client, dict(zip(words[::2], words[1::2], strict=False))


def pg_refuses(error: bytes, tls: ssl.SSLContext | None = None) -> Script:
    """Answers the startup message with an error."""

    def script(client: socket.socket) -> None:
        client, _ = pg_start(client, tls)
        client.sendall(error)
        silent(client)

    return script


def pg_password(client: socket.socket) -> str:
    """Ask for the password in clear text."""
    client.sendall(pg_message(b"R", struct.pack("!i", 3)))
    head = exactly(client, 5)
    return exactly(client, struct.unpack("!i", head[1:])[0] - 4).rstrip(b"\0").decode()


def pg_welcome(client: socket.socket) -> None:
    settings = {
        "client_encoding": "UTF8",
        "server_version": "15.0",
        "standard_conforming_strings": "on",
        "integer_datetimes": "on",
        "DateStyle": "ISO, MDY",
    }
    told = b"".join(pg_message(b"S", f"{key}\0{value}\0".encode()) for key, value in settings.items())
    client.sendall(pg_message(b"R", struct.pack("!i", 0)) + told + pg_message(b"K", bytes(8)) + pg_message(b"Z", b"I"))


def pg_row(*values: str | bool | int) -> bytes:
    columns, cells = b"", b""
    for value in values:
        oid = {bool: 16, int: 20}.get(type(value), 25)
        text = str(value).lower()[0] if isinstance(value, bool) else str(value)
        columns += b"c\0" + struct.pack("!ihihih", 0, 0, oid, -1, -1, 0)
        cells += struct.pack("!i", len(text.encode())) + text.encode()
    count = struct.pack("!h", len(values))
    return (
        pg_message(b"T", count + columns)
        + pg_message(b"D", count + cells)
        + pg_message(b"C", b"SELECT 1\0")
        + pg_message(b"Z", b"I")
    )


def pg_session(version: str, silent_after: str = "") -> Script:
    """Lets everybody in and answers the questions of a login; `silent_after` names a query it never answers."""

    def script(client: socket.socket) -> None:
        client, _ = pg_start(client)
        pg_welcome(client)
        while True:
            head = exactly(client, 5)
            query = exactly(client, struct.unpack("!i", head[1:])[0] - 4).rstrip(b"\0").decode().lower()
            if head[:1] != b"Q" or (silent_after and silent_after in query):
                return silent(client)
            known = {"version()": version, "current_schema": "public", "isolation": "read committed"}
            answer = next((value for part, value in known.items() if part in query), "on")
            if "rolsuper" in query:
                client.sendall(pg_row(False, False, False, True, 2, 2, 1, ""))
            else:
                client.sendall(pg_row("shop", "UTF8") if "encoding" in query else pg_row(answer))

    return script


# MySQL

CLIENT_SSL = 0x800


def my_packet(number: int, body: bytes) -> bytes:
    return struct.pack("<i", len(body))[:3] + bytes([number]) + body


def my_greeting(version: str = "8.0.36", *, plugin: str = "mysql_native_password", tls: bool = False) -> bytes:
    flags = 0x00000200 | 0x00008000 | 0x00080000 | 0x8 | 0x2000 | (CLIENT_SSL if tls else 0)
    body = b"\x0a" + version.encode() + b"\0" + struct.pack("<I", 7) + b"saltsalt" + b"\0"
    body += struct.pack("<HBHH", flags & 0xFFFF, 45, 2, flags >> 16) + bytes([21]) + bytes(10)
    return my_packet(0, body + b"saltsaltsalt\0" + plugin.encode() + b"\0")


def my_error(sequence: int, number: int, text: str, state: str = "HY000") -> bytes:
    return my_packet(sequence, b"\xff" + struct.pack("<H", number) + b"#" + state.encode() + text.encode())


def my_read(client: socket.socket) -> tuple[int, bytes]:
    head = exactly(client, 4)
    return head[3], exactly(client, int.from_bytes(head[:3], "little"))


def my_start(
    client: socket.socket, greeting: bytes = b"", tls: ssl.SSLContext | None = None
) -> tuple[socket.socket, int]:
    """Greet, and read the login; answers the number of the next packet."""
    client.sendall(greeting or my_greeting(tls=tls is not None))
    number, body = my_read(client)
    if tls and len(body) == 32:
        client = encrypted(client, tls)
        number, body = my_read(client)
    return client, number + 1


def my_refuses(number: int, text: str, state: str = "HY000", tls: ssl.SSLContext | None = None) -> Script:
    """Answers the login with an error."""

    def script(client: socket.socket) -> None:
        client, sequence = my_start(client, tls=tls)
        client.sendall(my_error(sequence, number, text, state))
        silent(client)

    return script


def my_switches(plugin: str, tls: ssl.SSLContext | None = None) -> Script:
    """Answers the login with the wish for another method of login."""

    def script(client: socket.socket) -> None:
        client, sequence = my_start(client, tls=tls)
        client.sendall(my_packet(sequence, b"\xfe" + plugin.encode() + b"\0" + b"saltsaltsaltsaltsalt\0"))
        silent(client)

    return script


OK = b"\0\0\0\2\0\0\0"


def my_row(*values: str) -> bytes:
    packets = [bytes([len(values)])]
    for _ in values:
        lengths = b"\3def\0\0\0\1c\0"
        packets.append(lengths + b"\x0c" + struct.pack("<HIBHBH", 45, 1024, 0xFD, 0, 0, 0))
    packets += [b"\xfe\0\0\2\0", b"".join(bytes([len(v.encode())]) + v.encode() for v in values), b"\xfe\0\0\2\0"]
    return b"".join(my_packet(number, body) for number, body in enumerate(packets, 1))


def my_session(version: str, silent_after: str = "") -> Script:
    """Lets everybody in and answers the questions of a login; `silent_after` names a query it never answers."""

    def script(client: socket.socket) -> None:
        client, sequence = my_start(client, my_greeting(version))
        client.sendall(my_packet(sequence, OK))
        while True:
            _, body = my_read(client)
            query = body[1:].decode().lower()
            if body[:1] != b"\3" or (silent_after and silent_after in query):
                return silent(client)
            if query.startswith(("set", "rollback", "commit")):
                client.sendall(my_packet(1, OK))
            elif "character_set_database" in query:
                client.sendall(my_row("shop", "utf8mb4"))
            elif "lower_case_table_names" in query:
                client.sendall(my_row("0"))
            else:
                known = {"version()": version, "isolation": "REPEATABLE-READ", "sql_mode": "STRICT_TRANS_TABLES"}
                known |= {"current_user": "etl@%", "show grants": "GRANT SELECT ON *.* TO `etl`@`%`"}
                client.sendall(my_row(next((value for part, value in known.items() if part in query), "0")))

    return script
