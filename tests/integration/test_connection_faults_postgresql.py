"""What can be wrong with a PostgreSQL connection: each fault made for real where a real server can be brought to it,
played by a script where it cannot, and named exactly."""

import struct
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from ladders import PASSWORD, Climb, climb, fault
from scripted import (
    Scripted,
    closes,
    pg_error,
    pg_message,
    pg_password,
    pg_refuses,
    pg_session,
    pg_start,
    pg_welcome,
    says,
    silent,
)
from servers import HBA, MissingBinary, PostgresServer, start_postgres, temporary

from etl_engine.connectors.contract import StepState, Who

LITERAL = "'" + PASSWORD.replace("'", "''") + "'"
# One more server, with the faults that would hurt the other tests.
NARROW_HBA = """
hostssl all  tls_only  127.0.0.1/32  scram-sha-256
host    all  postgres  127.0.0.1/32  scram-sha-256
host    all  etl       127.0.0.1/32  scram-sha-256
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of its own, whose databases are named: with a user "etl" who may read the database "shop"."""
    try:
        with temporary(start_postgres) as made:
            made.sql(
                f"CREATE ROLE etl LOGIN PASSWORD {LITERAL}",
                "CREATE DATABASE shop",
                "CREATE DATABASE warehouse",
            )
            made.sql(
                "CREATE TABLE orders (id int)",
                "CREATE TABLE customers (id int)",
                "GRANT SELECT ON orders, customers TO etl",
                "CREATE TABLE salaries (id int)",
                database="shop",
            )
            yield made
    except MissingBinary as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def narrow() -> Iterator[PostgresServer]:
    """A server with few connections, no TLS, and a pg_hba.conf that knows three users."""
    settings = {"max_connections": "6", "superuser_reserved_connections": "3", "max_wal_senders": "0"}
    with temporary(start_postgres, hba=NARROW_HBA, settings=settings) as made:
        made.sql(f"CREATE ROLE etl LOGIN PASSWORD {LITERAL}", f"CREATE ROLE tls_only LOGIN PASSWORD {LITERAL}")
        made.sql(f"CREATE ROLE stranger LOGIN PASSWORD {LITERAL}", "CREATE DATABASE shop")
        yield made


def on(server: PostgresServer, **values: Any) -> Climb:
    return climb("postgresql", port=server.port, **values)


def role(server: PostgresServer, name: str, *options: str) -> str:
    server.sql(f"CREATE ROLE {name} LOGIN PASSWORD {LITERAL} {' '.join(options)}")
    return name


def test_a_user_who_reads_is_well_and_the_evidence_counts_tables(server: PostgresServer) -> None:
    done = on(server)
    assert done.health.ok
    assert done.health.version.startswith("PostgreSQL 15.")
    assert done.step("privileges").state is StepState.PASS
    assert done.step("privileges").evidence == "Reads 2 of 3 tables, writes none, may create tables: no"
    assert done.step("login").evidence == 'User "etl" is logged in'
    assert "127.0.0.1" in done.step("dns").evidence
    assert "UTF8" in done.step("database").evidence


def test_a_superuser_is_warned_of(server: PostgresServer) -> None:
    done = on(server, username=server.user, password=server.password)
    assert done.health.ok
    assert done.step("privileges").state is StepState.WARN
    assert "superuser" in done.step("privileges").evidence


def test_who_reads_no_table_gets_the_grants_that_help(server: PostgresServer) -> None:
    name = role(server, '"blind man"')
    server.sql("CREATE SCHEMA hidden", "CREATE TABLE hidden.things (id int)", database="warehouse")
    done = on(server, username="blind man", database="warehouse")
    step = done.step("privileges")
    assert done.health.ok and step.state is StepState.WARN
    assert "Reads 0 of 1 tables" in step.evidence
    assert step.fix.startswith(f'GRANT USAGE ON SCHEMA "hidden" TO {name};')
    server.sql(*step.fix.split("; "), database="warehouse")
    assert on(server, username="blind man", database="warehouse").step("privileges").state is StepState.PASS


def test_wrong_password(server: PostgresServer) -> None:
    done = on(server, password="not-the-password-at-all")
    fault(done, "login", "wrong-password", Who.YOU, '"etl"', "pg_roles WHERE rolname = 'etl'")


def test_a_user_who_does_not_exist_cannot_be_told_from_a_wrong_password(server: PostgresServer) -> None:
    fault(on(server, username="nobody's"), "login", "wrong-password", Who.YOU, "rolname = 'nobody''s'")


def test_an_expired_password(server: PostgresServer) -> None:
    name = role(server, "expired", "VALID UNTIL '2001-01-01'")
    fault(on(server, username=name), "login", "wrong-password", Who.YOU, "expired", "rolvaliduntil")


def test_a_user_that_trust_lets_in_and_nobody_made(server: PostgresServer) -> None:
    fault(on(server, username="trusted"), "login", "no-such-user", Who.DBA, '"trusted"', 'CREATE ROLE "trusted"')


def test_no_such_database_names_the_nearest(server: PostgresServer) -> None:
    done = on(server, database="shopp")
    fault(done, "database", "no-such-database", Who.YOU, '"shopp"', 'did you mean "shop"?', 'Use the database "shop"')
    assert done.step("login").state is StepState.PASS


def test_no_such_database_and_nothing_like_it(server: PostgresServer) -> None:
    done = on(server, database='qq"qq')
    failure = fault(done, "database", "no-such-database", Who.YOU, 'qq"qq', '"warehouse"')
    assert failure.fix == 'CREATE DATABASE "qq""qq" OWNER "etl";'


def refusals(server: PostgresServer) -> dict[str, tuple[dict[str, str], str, str, str]]:
    """What a superuser can forbid: values, rung, code, the fix in SQL."""
    return {
        "role may not log in": ({"username": "locked out"}, "login", "login-not-allowed", 'ALTER ROLE "locked out"'),
        "role has its limit": ({"username": "limited"}, "login", "user-connection-limit", 'ALTER ROLE "limited"'),
        "database not granted": ({"database": "private"}, "database", "database-not-allowed", "GRANT CONNECT"),
        "database is closed": ({"database": "closed"}, "database", "database-closed", 'ALTER DATABASE "closed"'),
        "database has its limit": ({"database": "full"}, "database", "database-connection-limit", 'ALTER DATABASE "fu'),
    }


@pytest.fixture(scope="module")
def forbidding(server: PostgresServer) -> PostgresServer:
    server.sql(
        f'CREATE ROLE "locked out" PASSWORD {LITERAL}',
        f"CREATE ROLE limited LOGIN PASSWORD {LITERAL} CONNECTION LIMIT 0",
        "CREATE DATABASE private",
        "REVOKE CONNECT ON DATABASE private FROM public",
        "CREATE DATABASE closed ALLOW_CONNECTIONS false",
        "CREATE DATABASE full CONNECTION LIMIT 0".replace("full", '"full"'),
    )
    return server


@pytest.mark.parametrize("case", refusals(None))  # type: ignore[arg-type]
def test_what_is_forbidden_is_named_and_the_given_fix_repairs_it(forbidding: PostgresServer, case: str) -> None:
    values, step, code, fix = refusals(forbidding)[case]
    failure = fault(on(forbidding, **values), step, code, Who.DBA, *(f'"{value}"' for value in values.values()), fix)
    forbidding.sql(failure.fix)
    assert on(forbidding, **values).health.ok


def test_an_address_that_pg_hba_rejects(server: PostgresServer) -> None:
    name = role(server, "rejected")
    done = on(server, username=name)
    fault(done, "login", "host-rejected", Who.DBA, "127.0.0.1", '"rejected"', '"shop"', "encrypted", "hostssl")


def test_an_address_without_an_entry_and_the_line_that_repairs_it(narrow: PostgresServer) -> None:
    done = on(narrow, username="stranger")
    failure = fault(done, "login", "host-not-allowed", Who.DBA, "127.0.0.1", '"stranger"', '"shop"', "pg_reload_conf")
    line = failure.fix.splitlines()[-1]
    assert line == 'hostssl "shop" "stranger" 127.0.0.1/32 scram-sha-256'
    hba = narrow.folder / "data" / "pg_hba.conf"
    hba.write_text(f"{NARROW_HBA}{line}\n")
    narrow.sql("SELECT pg_reload_conf()")
    # The postmaster reads the file a moment after the function has answered.
    assert any(on(narrow, username="stranger").health.ok for _ in range(50))


def test_a_server_that_wants_tls_of_this_user(narrow: PostgresServer) -> None:
    done = on(narrow, username="tls_only", tls_mode="disable")
    fault(done, "login", "tls-required", Who.YOU, "only over TLS", "disable")
    assert on(narrow, username="tls_only").health.ok


def test_a_server_that_wants_a_client_certificate(server: PostgresServer) -> None:
    role(server, "with_cert")
    fault(on(server, username="with_cert"), "login", "client-certificate-required", Who.DBA, '"with_cert"')


def test_all_connections_are_in_use(narrow: PostgresServer) -> None:
    sessions = []
    try:
        with pytest.raises(psycopg2.OperationalError):
            for _ in range(7):
                values = {"host": "127.0.0.1", "port": narrow.port, "user": "etl", "dbname": "shop"}
                sessions.append(psycopg2.connect(password=PASSWORD, **values))
        fault(on(narrow), "login", "too-many-connections", Who.DBA, "max_connections", "pg_stat_activity")
    finally:
        for session in sessions:
            session.close()


def test_a_hot_standby_is_warned_of() -> None:
    with temporary(start_postgres, standby=True, settings={"max_connections": "100"}) as standby:
        done = climb(
            "postgresql", port=standby.port, username=standby.user, password=standby.password, database="postgres"
        )
        assert done.health.ok
        assert done.step("privileges").state is StepState.WARN
        assert "hot standby" in done.step("privileges").evidence


def test_a_server_without_tls_when_tls_is_asked_for() -> None:
    with temporary(start_postgres, settings={"ssl": "off"}, hba=HBA) as plain:
        values = {"port": plain.port, "username": plain.user, "password": plain.password, "database": "postgres"}
        for mode in ("require", "verify-ca", "verify-full"):
            fault(climb("postgresql", tls_mode=mode, **values), "tls", "tls-not-offered", Who.DBA, mode)
        done = climb("postgresql", tls_mode="prefer", **values)
        assert done.health.ok
        assert done.step("tls").evidence == "Not encrypted: the server offers no TLS"


SCRIPTED: dict[str, tuple[bytes, str, str, str]] = {
    "starting up": (pg_error("57P03", "the database system is starting up"), "login", "server-starting", "starting"),
    "shutting down": (pg_error("57P03", "the database system is shutting down"), "login", "server-stopping", "down"),
    "in recovery": (
        pg_error("57P03", "the database system is not accepting connections"),
        "login",
        "server-not-ready",
        "not accepting",
    ),
    "ended by an administrator": (
        pg_error("57P01", "terminating connection due to administrator command"),
        "login",
        "session-ended",
        "administrator",
    ),
    "crashed": (pg_error("57P02", "terminating connection because of crash"), "login", "server-crashed", "crashed"),
    "too many, said in German": (
        pg_error("53300", "tut mir leid, schon zu viele Verbindungen", "FATAL"),
        "login",
        "too-many-connections",
        "max_connections",
    ),
    "no entry, said in Japanese": (
        pg_error(
            "28000", 'ホスト"10.1.2.3"、ユーザー"etl"のエントリがありません', "致命的エラー", "ClientAuthentication"
        ),
        "login",
        "host-not-allowed",
        "10.1.2.3/32",
    ),
    "no entry, seen from IPv6": (
        pg_error("28000", "aucune entrée pour l'hôte « 2001:db8::7 », utilisateur « etl »", "FATAL"),
        "login",
        "host-not-allowed",
        "2001:db8::7/128",
    ),
    "wrong password, said in French": (
        pg_error("28P01", "authentification par mot de passe échouée", "FATAL", "auth_failed"),
        "login",
        "wrong-password",
        '"etl"',
    ),
    "a pooler that knows no such database": (
        pg_error("08P01", "no such database: shop"),
        "login",
        "login-refused",
        "no such database: shop (08P01)",
    ),
}


@pytest.mark.parametrize("case", SCRIPTED)
def test_a_refusal_is_read_by_its_state_in_any_language(case: str) -> None:
    error, step, code, fact = SCRIPTED[case]
    with Scripted(pg_refuses(error)) as server:
        done = climb("postgresql", against=server)
    failure = done.health.failure
    assert failure
    fault(done, step, code, failure.who or Who.DBA, fact)


def asks_for(body: bytes) -> Any:
    def script(client: Any) -> None:
        client, _ = pg_start(client)
        client.sendall(pg_message(b"R", body))
        silent(client)

    return script


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(struct.pack("!i", 7), id="Kerberos"),
        pytest.param(struct.pack("!i", 9), id="SSPI"),
        pytest.param(struct.pack("!i", 2), id="Kerberos V5"),
        pytest.param(struct.pack("!i", 6), id="a method of the past"),
        pytest.param(struct.pack("!i", 10) + b"OAUTHBEARER\0\0", id="an unknown SASL mechanism"),
    ],
)
def test_a_login_method_that_we_do_not_speak(body: bytes) -> None:
    with Scripted(asks_for(body)) as server:
        done = climb("postgresql", against=server)
    fault(done, "login", "auth-method-unsupported", Who.DBA, '"etl"', "scram-sha-256")


def test_a_server_that_is_lost_during_the_login() -> None:
    def script(client: Any) -> None:
        pg_start(client)

    with Scripted(script) as server:
        done = climb("postgresql", against=server)
    fault(done, "login", "connection-lost", Who.DBA, f"127.0.0.1:{server.port}")


def test_a_server_that_is_lost_right_after_the_login() -> None:
    def script(client: Any) -> None:
        client, _ = pg_start(client)
        pg_welcome(client)
        client.recv(1000)

    with Scripted(script) as server:
        done = climb("postgresql", against=server)
    fault(done, "login", "connection-lost", Who.DBA, f"127.0.0.1:{server.port}")


def test_a_server_that_is_too_old() -> None:
    with Scripted(pg_session("PostgreSQL 9.6.24 on x86_64-pc-linux-gnu")) as server:
        done = climb("postgresql", against=server)
    fault(done, "version", "version-too-old", Who.DBA, "PostgreSQL 9.6", "12")


def test_a_product_that_only_speaks_the_protocol() -> None:
    with Scripted(pg_session("CockroachDB CCL v23.1.11")) as server:
        done = climb("postgresql", against=server)
    fault(done, "version", "version-unknown", Who.YOU, "PostgreSQL")


def test_a_server_that_cannot_fork() -> None:
    text = b"Ecould not fork new process for connection: Resource temporarily unavailable\n\0"

    def script(client: Any) -> None:
        client.recv(8)
        client.sendall(text)

    with Scripted(script) as server:
        done = climb("postgresql", against=server)
    fault(done, "login", "login-refused", Who.DBA, "could not fork new process")


def test_an_error_instead_of_an_answer_about_tls() -> None:
    def script(client: Any) -> None:
        client.recv(8)
        client.sendall(pg_error("53300", "sorry, too many clients already"))

    with Scripted(script) as server:
        done = climb("postgresql", against=server)
    fault(done, "login", "too-many-connections", Who.DBA)


def test_a_server_that_repeats_the_password_it_was_told_is_not_quoted() -> None:
    def script(client: Any) -> None:
        client, _ = pg_start(client)
        client.sendall(pg_error("XX000", f"what a password: {pg_password(client)}\x1b[31m\n{'x' * 5000}"))
        silent(client)

    with Scripted(script) as server:
        done = climb("postgresql", against=server)
    failure = fault(done, "login", "login-refused", Who.DBA, "what a password: ***")
    assert len(failure.cause) < 300
    assert "\x1b" not in failure.cause


def test_garbage_in_place_of_an_answer_is_never_echoed() -> None:
    with Scripted(says(b"\xff\xfe secret words of somebody else")) as server:
        done = climb("postgresql", against=server)
    failure = fault(done, "tls", "wrong-service", Who.YOU, "does not speak PostgreSQL", "5432")
    assert "somebody" not in repr(failure)


def test_a_port_that_closes_at_once() -> None:
    with Scripted(closes) as server:
        done = climb("postgresql", against=server)
    fault(done, "tls", "connection-closed", Who.NETWORK, f"127.0.0.1:{server.port}")
