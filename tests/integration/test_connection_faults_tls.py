"""What can be wrong with the encryption of a connection, for every kind of server that has it."""

import datetime as dt
import ssl
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from ladders import PASSWORD, Climb, climb, fault
from scripted import (
    Certificates,
    Script,
    Scripted,
    encrypted,
    my_greeting,
    my_read,
    my_refuses,
    pg_error,
    pg_refuses,
    self_signed,
    silent,
)
from servers import MariadbServer, PostgresServer

from etl_engine.connectors.contract import StepState, Who

KINDS = ("postgresql", "mysql")
NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
ENCRYPTING = ("prefer", "require", "verify-ca", "verify-full")


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


def behind(context: ssl.SSLContext, kind: str) -> Script:
    """A server of that kind with this certificate; it refuses every login, so that a test sees how far a check came."""
    if kind == "postgresql":
        return pg_refuses(pg_error("28P01", "password authentication failed"), tls=context)
    return my_refuses(1045, "Access denied for user 'etl'@'127.0.0.1' (using password: YES)", tls=context)


def meet(kind: str, context: ssl.SSLContext, **values: Any) -> Climb:
    with Scripted(behind(context, kind)) as server:
        return climb(kind, against=server, **values)


def came_to_the_login(done: Climb) -> bool:
    return done.health.failure is not None and done.health.failure.code == "wrong-password"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_an_expired_certificate(kind: str, certificates: Certificates) -> None:
    context = certificates.server(not_before=NOW - 30 * DAY, not_after=NOW - 5 * DAY)
    for mode in ("verify-ca", "verify-full"):
        done = meet(kind, context, tls_mode=mode, **certificates.fields)
        fault(done, "tls", "certificate-expired", Who.DBA, f"{NOW - 5 * DAY:%Y-%m-%d}")


def test_an_expired_certificate_is_warned_of_where_nobody_asked_to_check(kind: str, certificates: Certificates) -> None:
    context = certificates.server(not_before=NOW - 30 * DAY, not_after=NOW - 5 * DAY)
    for mode in ("prefer", "require"):
        done = meet(kind, context, tls_mode=mode)
        assert came_to_the_login(done)
        assert done.step("tls").state is StepState.WARN
        assert f"expired on {NOW - 5 * DAY:%Y-%m-%d}, identity not checked" in done.step("tls").evidence


def test_a_certificate_that_ends_soon_is_warned_of(kind: str, certificates: Certificates) -> None:
    done = meet(kind, certificates.server(not_after=NOW + 3 * DAY), tls_mode="verify-full", **certificates.fields)
    assert came_to_the_login(done)
    assert done.step("tls").state is StepState.WARN
    assert "valid 2 days" in done.step("tls").evidence


def test_a_certificate_of_the_future(kind: str, certificates: Certificates) -> None:
    start = NOW + 10 * DAY
    context = certificates.server(not_before=start, not_after=start + 10 * DAY)
    done = meet(kind, context, tls_mode="verify-ca", **certificates.fields)
    fault(done, "tls", "certificate-not-yet-valid", Who.DBA, f"{start:%Y-%m-%d}", "clock")


def test_a_certificate_of_an_unknown_authority(kind: str, certificates: Certificates) -> None:
    stranger = trustme.CA(organization_name="Strange Authority")
    context = certificates.server(authority=stranger)
    done = meet(kind, context, tls_mode="verify-ca", **certificates.fields)
    fault(done, "tls", "certificate-unknown-ca", Who.YOU, "Strange Authority", "the CA certificate given")
    done = meet(kind, context, tls_mode="verify-full")
    fault(done, "tls", "certificate-unknown-ca", Who.YOU, "Strange Authority", "any authority this machine knows")


def test_a_certificate_signed_by_itself(kind: str) -> None:
    done = meet(kind, self_signed("localhost"), tls_mode="verify-full", host="127.0.0.1")
    fault(done, "tls", "certificate-self-signed", Who.YOU, "signed by itself")


def test_a_certificate_for_another_name_says_for_which(kind: str, certificates: Certificates) -> None:
    context = certificates.server("db.example.com", "*.internal.example.com", "10.9.8.7")
    done = meet(kind, context, tls_mode="verify-full", **certificates.fields)
    names = ("127.0.0.1", "db.example.com", "*.internal.example.com", "10.9.8.7")
    fault(done, "tls", "certificate-wrong-name", Who.YOU, *names)


def test_the_name_in_the_certificate_can_be_given(kind: str, certificates: Certificates) -> None:
    context = certificates.server("db.example.com")
    values = {"tls_mode": "verify-full", **certificates.fields}
    assert came_to_the_login(meet(kind, context, tls_server_name="db.example.com", **values))
    done = meet(kind, context, tls_server_name="other.example.com", **values)
    fault(done, "tls", "certificate-wrong-name", Who.YOU, "other.example.com", "db.example.com")


def test_verify_ca_does_not_look_at_the_name(kind: str, certificates: Certificates) -> None:
    done = meet(kind, certificates.server("db.example.com"), tls_mode="verify-ca", **certificates.fields)
    assert came_to_the_login(done)
    assert done.step("tls").state is StepState.PASS
    assert "name not checked" in done.step("tls").evidence


@pytest.mark.parametrize("mode", ["prefer", "require"])
def test_an_authority_that_was_given_is_always_checked(kind: str, mode: str, certificates: Certificates) -> None:
    context = certificates.server(authority=trustme.CA())
    done = meet(kind, context, tls_mode=mode, **certificates.fields)
    fault(done, "tls", "certificate-unknown-ca", Who.YOU)
    assert came_to_the_login(meet(kind, certificates.server(), tls_mode=mode, **certificates.fields))


def test_a_server_that_speaks_only_old_tls(kind: str, certificates: Certificates) -> None:
    context = certificates.server()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    fault(meet(kind, context, tls_mode="require"), "tls", "tls-version", Who.DBA, "1.2")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_asks_for_a_client_certificate(
    kind: str, version: ssl.TLSVersion, certificates: Certificates
) -> None:
    context = certificates.server()
    certificates.authority.configure_trust(context)
    context.verify_mode, context.maximum_version = ssl.CERT_REQUIRED, version
    done = meet(kind, context, tls_mode="verify-full", **certificates.fields)
    failure = done.health.failure
    assert failure
    if version is ssl.TLSVersion.TLSv1_3:
        fault(done, "login", "client-certificate-required", Who.DBA)
    else:  # this version has no word for it
        fault(done, "tls", "tls-refused", Who.DBA, "client certificate")
    mine = certificates.client("etl")
    assert came_to_the_login(meet(kind, context, tls_mode="verify-full", **certificates.fields, **mine))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_that_the_server_does_not_trust(
    kind: str, version: ssl.TLSVersion, certificates: Certificates
) -> None:
    context = certificates.server()
    certificates.authority.configure_trust(context)
    context.verify_mode, context.maximum_version = ssl.CERT_REQUIRED, version
    mine = certificates.client("etl", authority=trustme.CA())
    done = meet(kind, context, tls_mode="verify-full", **certificates.fields, **mine)
    step = "login" if version is ssl.TLSVersion.TLSv1_3 else "tls"
    fault(done, step, "client-certificate-refused", Who.DBA, "authority that the server trusts")


def broken(certificates: Certificates) -> dict[str, tuple[dict[str, str], str]]:
    mine, other = certificates.client("etl"), certificates.client("etl")
    key = serialization.load_pem_private_key(mine["tls_key"].encode(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    ).decode()
    middle = len(mine["tls_cert"]) // 2
    return {
        "CA is not PEM": ({"tls_ca": "/etc/ssl/certs/ca.pem"}, "ca-unreadable"),
        "CA is cut off": ({"tls_ca": certificates.pem[:200]}, "ca-unreadable"),
        "CA is a key": ({"tls_ca": mine["tls_key"]}, "ca-unreadable"),
        "certificate is not PEM": ({**mine, "tls_cert": "client.crt"}, "client-certificate-unreadable"),
        "certificate is cut off": (
            {**mine, "tls_cert": mine["tls_cert"][:middle]},
            "client-certificate-unreadable",
        ),
        "key is not PEM": ({**mine, "tls_key": "client.key"}, "client-key-unreadable"),
        "key is of another certificate": ({**mine, "tls_key": other["tls_key"]}, "client-key-mismatch"),
        "key has a passphrase": ({**mine, "tls_key": locked}, "client-key-encrypted"),
    }


@pytest.mark.parametrize("case", broken(Certificates()))
def test_pem_text_that_is_none(kind: str, case: str, certificates: Certificates) -> None:
    values, code = broken(certificates)[case]
    done = meet(kind, certificates.server(), tls_mode="require", **values)
    failure = fault(done, "tls", code, Who.YOU)
    for text in values.values():
        assert text not in repr(failure)


def speaks_instead_of_tls(kind: str, words: bytes) -> Script:
    def script(client: Any) -> None:
        if kind == "postgresql":
            client.recv(8)
            client.sendall(b"S")
        else:
            client.sendall(my_greeting(tls=True))
            my_read(client)
        if words:
            client.recv(1)
            client.sendall(words)
            silent(client)

    return script


def test_a_server_that_offers_tls_and_speaks_something_else(kind: str) -> None:
    with Scripted(speaks_instead_of_tls(kind, b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        done = climb(kind, against=server)
    failure = done.health.failure
    assert failure and (failure.key, failure.code) == ("tls", "wrong-service"), failure


def test_a_server_that_closes_in_the_middle_of_the_handshake(kind: str) -> None:
    with Scripted(speaks_instead_of_tls(kind, b"")) as server:
        done = climb(kind, against=server)
    fault(done, "tls", "connection-closed", Who.NETWORK, "in the middle of the TLS handshake")


def test_answers_sent_before_the_handshake_are_not_believed(certificates: Certificates) -> None:
    """CVE-2021-23222: somebody on the way adds readable words behind the yes to TLS."""

    def script(client: Any) -> None:
        client.recv(8)
        client.sendall(b"S" + pg_error("28P01", "injected"))
        encrypted(client, context)

    context = certificates.server()
    with Scripted(script) as server:
        done = climb("postgresql", against=server, tls_mode="verify-full", **certificates.fields)
    assert done.health.failure and done.health.failure.key == "tls"
    assert "injected" not in repr(done.health)


@pytest.mark.parametrize("mode", ["disable", *ENCRYPTING])
def test_every_mode_works_with_postgresql(mode: str, postgres_server: PostgresServer) -> None:
    server = postgres_server
    values = {"username": server.user, "password": server.password, "database": "postgres", "tls_ca": server.ca}
    done = climb("postgresql", port=server.port, tls_mode=mode, **values)
    assert done.health.ok, done.health.failure
    assert ("TLSv1.3" in done.step("tls").evidence) is (mode != "disable")


@pytest.mark.parametrize("mode", ["disable", *ENCRYPTING])
def test_every_mode_works_with_mariadb(mode: str, mariadb_server: MariadbServer) -> None:
    server = mariadb_server
    values = {"username": server.user, "password": server.password, "database": "mysql", "tls_ca": server.ca}
    done = climb("mysql", port=server.port, tls_mode=mode, **values)
    assert done.health.ok, done.health.failure
    assert ("TLSv1.3" in done.step("tls").evidence) is (mode != "disable")


def client_fields(server: Any, name: str) -> dict[str, str]:
    issued = server.authority.issue_cert(common_name=name)
    return {
        "tls_cert": issued.cert_chain_pems[0].bytes().decode(),
        "tls_key": issued.private_key_pem.bytes().decode(),
    }


def test_a_client_certificate_opens_postgresql(postgres_server: PostgresServer, tmp_path: Any) -> None:
    literal = "'" + PASSWORD.replace("'", "''") + "'"
    postgres_server.sql("DROP ROLE IF EXISTS with_cert", f"CREATE ROLE with_cert LOGIN PASSWORD {literal}")
    values = {"username": "with_cert", "database": "postgres", "tls_ca": postgres_server.ca, "tls_mode": "verify-full"}
    mine = client_fields(postgres_server, "with_cert")
    done = climb("postgresql", port=postgres_server.port, **values, **mine)
    assert done.health.ok, done.health.failure


def test_a_client_certificate_opens_mariadb(mariadb_server: MariadbServer) -> None:
    literal = "'" + PASSWORD.replace("\\", "\\\\").replace("'", "''") + "'"
    mariadb_server.sql(
        "CREATE DATABASE IF NOT EXISTS shop",
        f"CREATE USER with_cert@'127.0.0.1' IDENTIFIED BY {literal} REQUIRE X509",
        "GRANT SELECT ON shop.* TO with_cert@'127.0.0.1'",
    )
    values = {"username": "with_cert", "database": "shop", "tls_ca": mariadb_server.ca, "tls_mode": "verify-full"}
    fault(climb("mysql", port=mariadb_server.port, **values), "login", "wrong-password", Who.YOU)
    done = climb("mysql", port=mariadb_server.port, **values, **client_fields(mariadb_server, "with_cert"))
    assert done.health.ok, done.health.failure
