"""What can be wrong with a MySQL or MariaDB connection. MariaDB is real; what only MySQL says is played by a script."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from ladders import PASSWORD, Climb, climb, fault
from scripted import (
    OK,
    Certificates,
    Scripted,
    closes,
    my_error,
    my_packet,
    my_read,
    my_refuses,
    my_session,
    my_start,
    my_switches,
    says,
    silent,
)
from servers import MariadbServer, MissingBinary, start_mariadb, temporary

from etl_engine.connectors.contract import StepState, Who

LITERAL = "'" + PASSWORD.replace("\\", "\\\\").replace("'", "''") + "'"
FROM = "'127.0.0.1'"


@pytest.fixture(scope="module")
def server() -> Iterator[MariadbServer]:
    """A server of its own, whose databases are named: with a user "etl" who may read the database "shop"."""
    try:
        with temporary(start_mariadb) as made:
            made.sql(
                "CREATE DATABASE shop",
                "CREATE DATABASE warehouse",
                "CREATE DATABASE `my_shop`",
                "CREATE TABLE shop.orders (id int)",
                "CREATE TABLE shop.customers (id int)",
                "CREATE TABLE warehouse.things (id int)",
                f"CREATE USER etl@{FROM} IDENTIFIED BY {LITERAL}",
                f"GRANT SELECT ON shop.* TO etl@{FROM}",
            )
            yield made
    except MissingBinary as missing:
        pytest.skip(str(missing))


def on(server: MariadbServer, **values: Any) -> Climb:
    return climb("mysql", port=server.port, **values)


def user(server: MariadbServer, name: str, *options: str) -> str:
    server.sql(
        f"CREATE USER `{name}`@{FROM} IDENTIFIED BY {LITERAL} {' '.join(options)}",
        f"GRANT SELECT ON shop.* TO `{name}`@{FROM}",
    )
    return name


def test_a_user_who_reads_is_well_and_the_evidence_counts_tables(server: MariadbServer) -> None:
    done = on(server)
    assert done.health.ok
    assert "MariaDB" in done.health.version
    assert done.step("privileges").state is StepState.PASS
    evidence = done.step("privileges").evidence
    assert evidence == "Reads 2 of 2 tables, may change rows: no, may create tables: no"
    assert "TLSv1.3" in done.step("tls").evidence


def test_an_administrator_is_warned_of(server: MariadbServer) -> None:
    done = on(server, username=server.user, password=server.password)
    assert done.health.ok
    assert done.step("privileges").state is StepState.WARN
    assert "administrator" in done.step("privileges").evidence


def test_who_reads_single_tables_sees_how_many(server: MariadbServer) -> None:
    server.sql(
        f"CREATE USER picky@{FROM} IDENTIFIED BY {LITERAL}",
        f"GRANT SELECT ON shop.orders TO picky@{FROM}",
        f"GRANT SELECT (id) ON shop.customers TO picky@{FROM}",
    )
    assert on(server, username="picky").step("privileges").evidence.startswith("Reads 2 of 2 tables")


def test_who_reads_no_table_gets_the_grant_that_helps(server: MariadbServer) -> None:
    server.sql(
        f"CREATE USER `blind man`@{FROM} IDENTIFIED BY {LITERAL}",
        f"GRANT INSERT ON warehouse.* TO `blind man`@{FROM}",
    )
    values = {"username": "blind man", "database": "warehouse"}
    step = on(server, **values).step("privileges")
    assert step.state is StepState.WARN
    assert step.fix == "GRANT SELECT ON `warehouse`.* TO 'blind man'@'127.0.0.1';"
    server.sql(step.fix)
    assert on(server, **values).step("privileges").state is StepState.PASS


def test_a_role_of_the_user_counts(server: MariadbServer) -> None:
    server.sql(
        "CREATE ROLE reader",
        "GRANT SELECT ON warehouse.* TO reader",
        f"CREATE USER member@{FROM} IDENTIFIED BY {LITERAL}",
        f"GRANT reader TO member@{FROM}",
        f"SET DEFAULT ROLE reader FOR member@{FROM}",
    )
    done = on(server, username="member", database="warehouse")
    assert done.step("privileges").evidence.startswith("Reads 1 of 1 tables")


@contextlib.contextmanager
def setting(server: MariadbServer, name: str, value: int) -> Iterator[None]:
    """A global variable of the shared server, changed and put back by a session that stays open meanwhile."""
    values = {"host": server.host, "port": server.port, "user": server.user, "password": server.password.encode()}
    session = pymysql.connect(ssl_disabled=True, **values)
    try:
        with session.cursor() as cursor:
            cursor.execute(f"SELECT @@global.{name}")
            before = cursor.fetchone()[0]
            cursor.execute(f"SET GLOBAL {name} = {value}")
            try:
                yield
            finally:
                cursor.execute(f"SET GLOBAL {name} = {before}")
    finally:
        session.close()


def test_a_read_only_server_is_warned_of(server: MariadbServer) -> None:
    with setting(server, "read_only", 1):
        done = on(server)
    assert done.health.ok
    assert "read only" in done.step("privileges").evidence
    assert done.step("privileges").state is StepState.WARN


def test_wrong_password(server: MariadbServer) -> None:
    done = on(server, password="not-the-password-at-all")
    fault(done, "login", "wrong-password", Who.YOU, '"etl"', "127.0.0.1", "SHOW CREATE USER 'etl'@'127.0.0.1'")


def test_a_user_who_does_not_exist_cannot_be_told_from_a_wrong_password(server: MariadbServer) -> None:
    fault(on(server, username="no'body"), "login", "wrong-password", Who.YOU, "'no''body'@'127.0.0.1'")


def test_no_such_database_names_the_nearest(server: MariadbServer) -> None:
    server.sql(f"CREATE USER owner@{FROM} IDENTIFIED BY {LITERAL}", f"GRANT ALL ON *.* TO owner@{FROM}")
    done = on(server, username="owner", database="warehuose")
    fault(done, "database", "no-such-database", Who.YOU, '"warehuose"', "did you mean", 'Use the database "warehouse"')
    assert done.step("login").state is StepState.PASS


def test_no_such_database_and_nothing_like_it(server: MariadbServer) -> None:
    done = on(server, username=server.user, password=server.password, database="qq`qq")
    failure = fault(done, "database", "no-such-database", Who.YOU, "qq`qq", '"shop"')
    assert failure.fix == "CREATE DATABASE `qq``qq`;"


def test_a_database_not_granted_and_the_grant_that_repairs_only_it(server: MariadbServer) -> None:
    done = on(server, database="my_shop")
    failure = fault(done, "database", "database-not-allowed", Who.DBA, '"my_shop"', "'etl'@'127.0.0.1'")
    assert failure.fix == r"GRANT SELECT ON `my\_shop`.* TO 'etl'@'127.0.0.1';"
    server.sql("CREATE DATABASE `myxshop`", failure.fix)
    assert on(server, database="my_shop").health.ok
    fault(on(server, database="myxshop"), "database", "database-not-allowed", Who.DBA)


def test_a_locked_account_and_the_command_that_unlocks_it(server: MariadbServer) -> None:
    server.sql(
        f"CREATE USER `locked out`@'%' IDENTIFIED BY {LITERAL} ACCOUNT LOCK",
        "GRANT SELECT ON shop.* TO `locked out`@'%'",
    )
    failure = fault(on(server, username="locked out"), "login", "account-locked", Who.DBA, "'locked out'@'%'")
    server.sql(failure.fix)
    assert on(server, username="locked out").health.ok


def test_an_expired_password(server: MariadbServer) -> None:
    name = user(server, "expired", "PASSWORD EXPIRE")
    fault(on(server, username=name), "login", "password-expired", Who.DBA, "expired", "ALTER USER")


def test_a_user_with_as_many_connections_as_allowed(server: MariadbServer) -> None:
    name = user(server, "limited", "WITH MAX_USER_CONNECTIONS 1")
    values = {"host": "127.0.0.1", "port": server.port, "user": name, "password": PASSWORD.encode()}
    session = pymysql.connect(ssl_disabled=True, **values)
    try:
        done = on(server, username=name)
        failure = fault(done, "login", "user-connection-limit", Who.DBA, '"limited"', "max_user_connections")
    finally:
        session.close()
    server.sql(failure.fix.replace("%", "127.0.0.1"))


def test_all_connections_are_in_use(server: MariadbServer) -> None:
    name = user(server, "crowd")
    values = {"host": "127.0.0.1", "port": server.port, "user": name, "password": PASSWORD.encode()}
    sessions = []
    with setting(server, "max_connections", 10):
        try:
            with pytest.raises(pymysql.err.OperationalError):
                for _ in range(12):
                    sessions.append(pymysql.connect(ssl_disabled=True, **values))
            fault(on(server), "login", "too-many-connections", Who.DBA, "max_connections", "processlist")
        finally:
            for session in sessions:
                session.close()


def test_a_user_who_must_come_over_tls(server: MariadbServer) -> None:
    name = user(server, "tls only", "REQUIRE SSL")
    fault(on(server, username=name, tls_mode="disable"), "login", "tls-required", Who.YOU, "only over TLS", "disable")
    assert on(server, username=name).health.ok


def test_a_wrong_password_without_tls_is_not_taken_for_a_want_of_tls(server: MariadbServer) -> None:
    done = on(server, tls_mode="disable", password="not-the-password-at-all")
    fault(done, "login", "wrong-password", Who.YOU)


def test_a_server_that_wants_tls_of_everybody(server: MariadbServer) -> None:
    with setting(server, "require_secure_transport", 1):
        done = on(server, tls_mode="disable")
        assert on(server).health.ok
    fault(done, "login", "tls-required", Who.YOU, "only over TLS")


def test_a_server_without_tls_when_tls_is_asked_for() -> None:
    with temporary(start_mariadb, settings={"skip-ssl": 1}) as plain:
        values = {"port": plain.port, "username": plain.user, "password": plain.password, "database": "mysql"}
        for mode in ("require", "verify-ca", "verify-full"):
            fault(climb("mysql", tls_mode=mode, **values), "tls", "tls-not-offered", Who.DBA, mode)
        done = climb("mysql", tls_mode="prefer", **values)
        assert done.health.ok
        assert done.step("tls").evidence == "Not encrypted: the server offers no TLS"


ACCESS = "Access denied for user 'etl'@'10.1.2.3'"
REFUSED: dict[str, tuple[int, str, str, str, Who, str]] = {
    "wrong password, said in German": (
        1045,
        "Benutzer 'etl'@'10.1.2.3' hat keine Zugriffsberechtigung (verwendetes Passwort: JA)",
        "login",
        "wrong-password",
        Who.YOU,
        "10.1.2.3",
    ),
    "no privilege on the database": (
        1044,
        f"{ACCESS} to database 'shop'",
        "database",
        "database-not-allowed",
        Who.DBA,
        "GRANT SELECT ON `shop`.* TO 'etl'@'10.1.2.3';",
    ),
    "only from the machine itself": (1698, ACCESS, "login", "login-refused", Who.DBA, "socket"),
    "MySQL: account locked": (
        3118,
        f"{ACCESS}. Account is locked.",
        "login",
        "account-locked",
        Who.DBA,
        "ALTER USER 'etl'@'10.1.2.3' ACCOUNT UNLOCK;",
    ),
    "MySQL: blocked after wrong passwords": (
        3955,
        f"{ACCESS}. Account is blocked for 1 day(s) due to 3 consecutive failed logins.",
        "login",
        "account-locked",
        Who.DBA,
        "too many wrong passwords",
    ),
    "MySQL: must change the password": (
        1820,
        "You must reset your password using ALTER USER statement before executing this statement.",
        "login",
        "password-expired",
        Who.DBA,
        "ALTER USER",
    ),
    "MySQL: password expired": (
        1862,
        "Your password has expired.",
        "login",
        "password-expired",
        Who.DBA,
        "expired",
    ),
    "MySQL: TLS required": (
        3159,
        "Connections using insecure transport are prohibited while --require_secure_transport=ON.",
        "login",
        "tls-required",
        Who.YOU,
        "prefer",
    ),
    "client does not support the method": (
        1251,
        "Client does not support authentication protocol requested by server; consider upgrading MySQL client",
        "login",
        "auth-method-unsupported",
        Who.DBA,
        "mysql_native_password",
    ),
    "method is not loaded at the server": (
        1524,
        "Plugin 'mysql_native_password' is not loaded",
        "login",
        "auth-method-unsupported",
        Who.DBA,
        "caching_sha2_password",
    ),
    "too many connections of the user": (
        1203,
        "User etl already has more than 'max_user_connections' active connections",
        "login",
        "user-connection-limit",
        Who.DBA,
        "max_user_connections",
    ),
    "shutting down": (1053, "Server shutdown in progress", "login", "server-stopping", Who.DBA, "shutting down"),
    "an error nobody has listed": (1999, "Something new", "login", "login-refused", Who.DBA, "Something new (1999)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_is_read_by_its_number_in_any_language(case: str) -> None:
    number, text, step, code, who, fact = REFUSED[case]
    with Scripted(my_refuses(number, text)) as server:
        done = climb("mysql", against=server)
    fault(done, step, code, who, fact)


INSTEAD_OF_A_GREETING: dict[str, tuple[int, str, str, str]] = {
    "host not allowed": (
        1130,
        "Host '10.1.2.3' is not allowed to connect to this MySQL server",
        "host-not-allowed",
        "CREATE USER 'etl'@'10.1.2.3'",
    ),
    "host blocked": (
        1129,
        "Host '10.1.2.3' is blocked because of many connection errors; unblock with 'mysqladmin flush-hosts'",
        "host-blocked",
        "FLUSH HOSTS",
    ),
    "too many connections": (1040, "Too many connections", "too-many-connections", "max_connections"),
    "shutting down": (1053, "Server shutdown in progress", "server-stopping", "shutting down"),
}


@pytest.mark.parametrize("case", INSTEAD_OF_A_GREETING)
def test_a_refusal_in_place_of_the_greeting(case: str) -> None:
    number, text, code, fact = INSTEAD_OF_A_GREETING[case]
    with Scripted(says(my_error(0, number, text))) as server:
        done = climb("mysql", against=server)
    fault(done, "login", code, Who.DBA, fact)


@pytest.mark.parametrize(
    "plugin", ["auth_gssapi_client", "authentication_ldap_sasl_client", "client_ed25519", "parsec"]
)
def test_a_login_method_that_we_do_not_speak(plugin: str) -> None:
    with Scripted(my_switches(plugin)) as server:
        done = climb("mysql", against=server)
    fault(done, "login", "auth-method-unsupported", Who.DBA, "ALTER USER 'etl'@'%'")


@pytest.mark.parametrize("plugin", ["mysql_clear_password", "dialog"])
def test_a_readable_password_is_not_sent_where_everybody_can_read_it(plugin: str) -> None:
    heard: list[bytes] = []

    def script(client: Any) -> None:
        client, sequence = my_start(client)
        client.sendall(my_packet(sequence, b"\xfe" + plugin.encode() + b"\0" + b"\x04Password: "))
        heard.append(client.recv(1000))

    with Scripted(script) as server:
        done = climb("mysql", against=server)
    fault(done, "login", "clear-text-password", Who.YOU, "not encrypted", "require")
    assert heard == [b""]


def test_a_readable_password_may_go_through_tls() -> None:
    heard: list[bytes] = []
    certificates = Certificates()
    context = certificates.server()

    def script(client: Any) -> None:
        client, sequence = my_start(client, tls=context)
        client.sendall(my_packet(sequence, b"\xfe" + b"mysql_clear_password\0"))
        heard.append(my_read(client)[1])
        client.sendall(my_error(sequence + 2, 1045, "Access denied for user 'etl'@'10.1.2.3' (using password: YES)"))
        silent(client)

    with Scripted(script) as server:
        done = climb("mysql", against=server, tls_mode="verify-ca", tls_ca=certificates.pem)
    fault(done, "login", "wrong-password", Who.YOU)
    assert heard == [PASSWORD.encode() + b"\0"]


def test_a_server_that_asks_for_a_file_gets_none(tmp_path: Any) -> None:
    """A hostile server answers a query with the wish for a local file."""
    secret = tmp_path / "secret.txt"
    secret.write_text("the content of a local file")
    heard: list[bytes] = []

    def script(client: Any) -> None:
        client, sequence = my_start(client)
        client.sendall(my_packet(sequence, OK))
        my_read(client)
        client.sendall(my_packet(1, OK))
        my_read(client)
        client.sendall(my_packet(1, b"\xfb" + str(secret).encode()))
        while part := client.recv(4096):
            heard.append(part)

    with Scripted(script) as server:
        done = climb("mysql", against=server)
        assert not done.health.ok
    assert b"content of a local file" not in b"".join(heard)


def test_a_server_that_is_lost_during_the_login() -> None:
    def script(client: Any) -> None:
        my_start(client)

    with Scripted(script) as server:
        done = climb("mysql", against=server)
    fault(done, "login", "connection-lost", Who.DBA, f"127.0.0.1:{server.port}")


@pytest.mark.parametrize(
    "junk",
    [b"", b"\x07", b"\xfe", b"\x00\xff\xff\xff\xff", b"\xff", b"\xfb", b"\x01\x02\x03"],
    ids=["nothing", "seven", "bare switch", "broken ok", "bare error", "a file?", "more data"],
)
def test_a_server_that_breaks_the_rules_of_the_protocol(junk: bytes) -> None:
    def script(client: Any) -> None:
        client, sequence = my_start(client)
        client.sendall(my_packet(sequence, junk))
        silent(client)

    with Scripted(script) as server:
        done = climb("mysql", against=server)
    failure = done.health.failure
    assert failure and failure.key == "login"
    assert failure.code in ("protocol-error", "login-refused", "connection-lost"), failure


def test_a_greeting_that_ends_too_early() -> None:
    with Scripted(says(my_packet(0, b"\x0a8.0.36\0\1"))) as server:
        done = climb("mysql", against=server)
    assert done.health.failure and done.health.failure.code == "protocol-error"


@pytest.mark.parametrize(
    ("version", "says_what"),
    [("5.6.51-log", "MySQL 5.6"), ("10.2.44-MariaDB", "MariaDB 10.2"), ("5.5.5-10.1.48-MariaDB", "MariaDB 10.1")],
)
def test_a_server_that_is_too_old(version: str, says_what: str) -> None:
    with Scripted(my_session(version)) as server:
        done = climb("mysql", against=server)
    fault(done, "version", "version-too-old", Who.DBA, says_what)


def test_a_server_of_the_last_century() -> None:
    with Scripted(says(my_packet(0, b"\x093.20.32\0" + bytes(30)))) as server:
        done = climb("mysql", against=server)
    assert done.health.failure and done.health.failure.code == "version-too-old"


def test_mysql_8_is_well() -> None:
    with Scripted(my_session("8.0.35")) as server:
        done = climb("mysql", against=server)
    assert done.health.ok, done.health.failure
    assert done.health.version == "8.0.35"


def test_the_x_protocol_port_of_mysql() -> None:
    with Scripted(says(b"\x05\0\0\0\x0b\x08\x05\x1a\x00")) as server:
        done = climb("mysql", against=server)
    fault(done, "tls", "wrong-service", Who.YOU, "X protocol", "3306")


def test_a_port_that_closes_at_once() -> None:
    with Scripted(closes) as server:
        done = climb("mysql", against=server)
    fault(done, "tls", "connection-closed", Who.NETWORK, f"127.0.0.1:{server.port}")


def test_a_server_that_repeats_the_password_it_was_told_is_not_quoted() -> None:
    with Scripted(my_refuses(1999, f"you said {PASSWORD}\x1b[31m" + "x" * 5000)) as server:
        done = climb("mysql", against=server)
    failure = fault(done, "login", "login-refused", Who.DBA, "you said ***")
    assert len(failure.cause) < 300


def test_one_check_is_one_connection(server: MariadbServer) -> None:
    """Broken handshakes are counted by MySQL, and too many of them block the host."""
    before = int(server.sql("SHOW GLOBAL STATUS LIKE 'Aborted_connects'")[0][1])
    for mode in ("prefer", "disable", "require"):
        assert on(server, tls_mode=mode).health.ok
    assert int(server.sql("SHOW GLOBAL STATUS LIKE 'Aborted_connects'")[0][1]) == before


def test_the_scripts_themselves_speak_the_protocol() -> None:
    """PyMySQL alone agrees with them, so that what they prove is about the product."""
    with Scripted(my_session("8.0.35")) as server:
        session = pymysql.connect(host="127.0.0.1", port=server.port, user="x", password="y", ssl_disabled=True)
        with session.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            assert cursor.fetchone() == ("8.0.35",)
        session.close()
