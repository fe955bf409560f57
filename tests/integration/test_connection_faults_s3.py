"""What can be wrong with a bucket, each with its rung, its cause, its repair and who must act."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from ladders import PASSWORD, Climb, climb, fault
from s3_servers import S3Server
from servers import free_port

from etl_engine.connectors.contract import StepState, Surroundings, Who

LISTED = b"<ListBucketResult><Name>bucket</Name><Contents><Key>a</Key></Contents></ListBucketResult>"
BEGUN = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"


class Service(BaseHTTPRequestHandler):
    """Answers by what is asked: list, upload, buckets."""

    protocol_version = "HTTP/1.1"
    listing: tuple[int, bytes] = (200, LISTED)
    upload: tuple[int, bytes] = (200, BEGUN)
    buckets: tuple[int, bytes] = (403, b"")
    server_version = "Scripted"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        if "list-type" in self.path:
            status, body = self.listing
        elif "upload" in self.path:
            status, body = self.upload
        else:
            status, body = self.buckets
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - names of http.server

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def service(context: ssl.SSLContext | None = None, **answers: Any) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Service,), answers))
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def look(port: int, surroundings: Surroundings | None = None, **values: Any) -> Climb:
    given = {
        "host": "127.0.0.1",
        "port": port,
        "bucket": "bucket",
        "access_key": "AKIATEST",
        "secret_key": PASSWORD,
        "tls_mode": "disable",
    }
    done = climb("s3", surroundings, **{**given, **values})
    assert PASSWORD not in repr(done.health)
    return done


def refusal(code: str, message: str = "", **more: str) -> bytes:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in more.items())
    return f"<Error><Code>{code}</Code><Message>{message}</Message>{inner}</Error>".encode()


def test_a_sound_bucket_is_well(s3_server: S3Server) -> None:
    name = s3_server.new_bucket()
    done = climb("s3", Surroundings(), **s3_server.values(name))
    assert done.health.ok
    assert done.step("tls").state is StepState.WARN
    assert done.step("privileges").evidence == "Lists; may write: yes"
    assert done.health.version.startswith("S3")
    assert not s3_server.client().list_multipart_uploads(Bucket=name).get("Uploads")
    assert s3_server.keys(name) == []  # a test changes nothing
    lake = climb("lake", Surroundings(), **s3_server.values(name))
    assert lake.health.ok, lake.health.failure


def test_a_bucket_that_is_not_there_is_answered_with_one_like_it(s3_server: S3Server) -> None:
    name = s3_server.new_bucket()
    done = climb("s3", Surroundings(), **s3_server.values(f"{name}x"))
    fault(done, "bucket", "no-such-bucket", Who.YOU, name, f"aws s3 mb s3://{name}x")
    done = climb("lake", Surroundings(), **s3_server.values(f"{name}x"))
    fault(done, "files", "no-such-bucket", Who.YOU, name)


@pytest.mark.parametrize(
    ("status", "code", "step", "name", "who"),
    [
        (403, "InvalidAccessKeyId", "login", "unknown-access-key", Who.YOU),
        (403, "SignatureDoesNotMatch", "login", "wrong-secret-key", Who.YOU),
        (400, "ExpiredToken", "login", "expired-key", Who.YOU),
        (403, "RequestTimeTooSkewed", "login", "clock-differs", Who.DBA),
        (404, "NoSuchBucket", "bucket", "no-such-bucket", Who.YOU),
        (301, "PermanentRedirect", "bucket", "wrong-region", Who.YOU),
        (400, "AuthorizationHeaderMalformed", "bucket", "wrong-region", Who.YOU),
        (403, "AllAccessDisabled", "bucket", "bucket-closed", Who.DBA),
        (403, "AccessDenied", "privileges", "no-privilege", Who.DBA),
        (503, "SlowDown", "bucket", "throttled", Who.DBA),
        (400, "SomethingElse", "login", "service-refused", Who.YOU),
    ],
)
def test_what_the_service_refuses_stands_on_its_rung(status: int, code: str, step: str, name: str, who: Who) -> None:
    with service(listing=(status, refusal(code, f"said with {PASSWORD}", Region="eu-west-9"))) as port:
        found = fault(look(port), step, name, who)
        if name == "wrong-region":
            assert "eu-west-9" in found.cause
        if name == "no-privilege":
            assert "s3:ListBucket" in found.fix


def test_a_key_that_may_only_read_is_told_so() -> None:
    with service(upload=(403, refusal("AccessDenied"))) as port:
        done = look(port)
        assert done.health.ok
        assert done.step("privileges").evidence == "Lists; may write: no"


def test_a_public_bucket_needs_no_key() -> None:
    with service() as port:
        done = look(port, access_key=None, secret_key=None)
        assert done.health.ok
        assert done.step("login").state is StepState.WARN


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"", b"{}", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>"])
def test_what_is_no_s3_service_is_said_to_be_none(body: bytes) -> None:
    with service(listing=(200, body)) as port:
        fault(look(port), "login", "not-s3", Who.YOU, "MinIO: 9000")


@pytest.mark.parametrize(
    "words", [b"", b"garbage\r\n\r\n", b"\x00" * 50, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"]
)
def test_no_words_of_a_service_make_a_check_raise_or_hang(words: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.recv(65536)
                client.sendall(words)

    threading.Thread(target=serve, daemon=True).start()
    done = look(listener.getsockname()[1], seconds=2.0)
    listener.close()
    assert done.health.failure and done.health.failure.code != "unexpected", done.health.failure


def test_a_service_that_never_answers_ends_in_time() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    fault(look(listener.getsockname()[1], seconds=0.5), "login", "service-timeout", Who.DBA)
    listener.close()


def test_nobody_listens() -> None:
    fault(look(free_port()), "tcp", "connection-refused", Who.YOU)


def test_no_such_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    done = look(443, host="no-such-host.invalid")
    fault(done, "dns", "host-not-found", Who.YOU, "no-such-host.invalid")
    done = look(443, host="storage.invalid", path_style=False)
    fault(done, "dns", "host-not-found", Who.YOU, "bucket.storage.invalid")


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "::ffff:127.0.0.1"])
def test_a_denied_address_is_refused_before_any_packet(host: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    denied = Surroundings(deny=(ipaddress.ip_network("127.0.0.0/8"),))
    fault(look(listener.getsockname()[1], denied, host=host), "tcp", "address-denied", Who.NETWORK)
    with pytest.raises(TimeoutError):
        listener.accept()
    listener.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def encrypted(authority: trustme.CA, *names: str, **options: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **options).configure_cert(context)
    return context


def test_tls_is_checked_against_the_authority_that_is_pasted(authority: trustme.CA) -> None:
    ca = authority.cert_pem.bytes().decode()
    with service(encrypted(authority, "127.0.0.1")) as port:
        done = look(port, tls_mode="verify-full", tls_ca=ca)
        assert done.health.ok, done.health.failure
        assert done.step("tls").state is StepState.PASS
        fault(look(port, tls_mode="verify-full"), "tls", "tls-untrusted", Who.YOU)
        assert look(port, tls_mode="require").health.ok


def test_a_certificate_of_another_name_is_refused(authority: trustme.CA) -> None:
    ca = authority.cert_pem.bytes().decode()
    with service(encrypted(authority, "other.test")) as port:
        fault(look(port, tls_mode="verify-full", tls_ca=ca), "tls", "tls-untrusted", Who.YOU)


def test_an_expired_certificate_is_refused(authority: trustme.CA) -> None:
    ca = authority.cert_pem.bytes().decode()
    then = dt.datetime(2001, 1, 1)
    with service(encrypted(authority, "127.0.0.1", not_before=dt.datetime(2000, 1, 1), not_after=then)) as port:
        fault(look(port, tls_mode="verify-full", tls_ca=ca), "tls", "tls-untrusted", Who.YOU, "expired")


def test_tls_on_a_port_without_it(s3_server: S3Server) -> None:
    with service() as port:
        done = look(port, tls_mode="verify-full")
        fault(done, "tls", "tls-not-offered", Who.YOU)


def test_the_lake_goes_through_our_way_to_an_encrypted_service(authority: trustme.CA, tmp_path: Path) -> None:
    """The library that writes the lake connects through a relay, to the addresses that were checked, and checks the
    certificate against the pasted authority itself."""
    from file_tables import End

    ca = authority.cert_pem.bytes().decode()
    log = b"<ListBucketResult><CommonPrefixes><Prefix>lake/t/_delta_log/</Prefix></CommonPrefixes></ListBucketResult>"
    with service(encrypted(authority, "127.0.0.1"), listing=(200, log)) as port:
        values = {
            "db_type": "lake", "host": "127.0.0.1", "port": port, "bucket": "bucket", "access_key": "AKIA",
            "secret_key": PASSWORD, "tls_mode": "verify-full", "tls_ca": ca,
        }  # fmt: skip
        from etl_engine.connectors.rows import Selection
        from etl_engine.errors import EtlError

        source = End(values).connector.open_source()
        with pytest.raises(EtlError) as raised:
            source.describe(Selection("t"))
        source.close()
        assert "ertificate" not in str(raised.value) and PASSWORD not in str(raised.value)
