"""Nothing in a name, a password or the environment can lead a connection elsewhere or change what a driver does."""

import inspect
import random
import string
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ladders import climb, fault
from libpq_options import libpq_options
from pydantic import ValidationError
from servers import MariadbServer, PostgresServer, free_port

from etl_engine.connectors import registry
from etl_engine.connectors.contract import Who

NASTY = [
    *("a", " ", "  two spaces each side  ", "tab\tand\nnewline\r\n", "'", '"', "\\", "\\'", "\"'`", "%", "%s", "%(x)s"),
    *("%2F%40", "p@ss:w/rd?#&=%", "user:pass@host:1/db?sslmode=disable", "://", "'; DROP ROLE x; --", "$1 {0} {x}"),
    *(
        "host=evil",
        "x' host='evil",
        "pässwörd",
        "пароль",
        "密码密码",
        "🐘🔑",
        "a\u0301 á",
        "ﬁ ligature",
        "\u202ereversed",
    ),
    *("\xa0no-break", "\u200bzero width", "x" * 512, "ü" * 256, "\x01\x1f\x7f", "null\\0", "${HOME}", "$(id)", "`id`"),
]


def passwords(count: int) -> list[str]:
    """Two hundred passwords that break something in some driver, the same in every run."""
    dice = random.Random(20)
    signs = "/?#@:%'\"\\ &=+;,()[]{}<>|^~`!$*-_.äßéЖ漢字🐘\u00a0\u0301" + string.ascii_letters + string.digits
    made = ["".join(dice.choice(signs) for _ in range(dice.randint(1, 60))) for _ in range(count - len(NASTY))]
    return NASTY + made


def test_two_hundred_nasty_passwords_open_postgresql(postgres_server: PostgresServer) -> None:
    server, failed = postgres_server, []
    literals = ["'" + password.replace("'", "''") + "'" for password in passwords(200)]
    server.sql(*(f"CREATE ROLE nasty_{n} LOGIN PASSWORD {literal}" for n, literal in enumerate(literals)))
    for n, password in enumerate(passwords(200)):
        done = climb("postgresql", port=server.port, username=f"nasty_{n}", password=password, database="postgres")
        if not done.health.ok:
            failed.append((password, done.health.failure))
    assert not failed


def test_two_hundred_nasty_passwords_open_mariadb(mariadb_server: MariadbServer) -> None:
    server, failed = mariadb_server, []
    literals = ["'" + password.replace("\\", "\\\\").replace("'", "''") + "'" for password in passwords(200)]
    server.sql(
        "CREATE DATABASE nasty",
        *(f"CREATE USER nasty_{n}@'127.0.0.1' IDENTIFIED BY {literal}" for n, literal in enumerate(literals)),
        *(f"GRANT SELECT ON nasty.* TO nasty_{n}@'127.0.0.1'" for n, _ in enumerate(literals)),
    )
    for n, password in enumerate(passwords(200)):
        done = climb("mysql", port=server.port, username=f"nasty_{n}", password=password, database="nasty")
        if not done.health.ok:
            failed.append((password, done.health.failure))
    assert not failed


NAMES = [
    "host=evil.test",
    "shop host=evil.test sslmode=disable",
    "shop' host='evil.test",
    "postgresql://evil.test/shop",
    "shop?host=evil.test&service=x",
    "shop@evil.test:1",
    "../../etc/passwd",
    "/tmp/.s.PGSQL.5432",
    "a,b",
    "$user",
    "%s %(x)s {0}",
    "semi;colon -- comment",
    "quo\"te's `all` \\ of them",
    " spaces ",
    "ünïcödé 漢字",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name_in_postgresql(name: str, postgres_server: PostgresServer) -> None:
    server, quoted = postgres_server, '"' + name.replace('"', '""') + '"'
    values: dict[str, Any] = {"port": server.port, "password": "bystander"}
    server.sql(f"CREATE ROLE {quoted} LOGIN PASSWORD 'bystander'")
    done = climb("postgresql", **values, username=name, database=name)
    fault(done, "database", "no-such-database", Who.YOU, f'"{name}"')
    server.sql(f"CREATE DATABASE {quoted}")
    done = climb("postgresql", **values, username=name, database=name)
    assert done.health.ok, done.health.failure
    assert done.step("database").evidence.startswith(f'Database "{name}" is open')


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith((" ", "/passwd"))])
def test_a_name_is_a_name_in_mariadb(name: str, mariadb_server: MariadbServer) -> None:
    server, quoted = mariadb_server, "`" + name.replace("`", "``") + "`"
    values: dict[str, Any] = {"port": server.port, "password": "bystander"}
    server.sql(f"CREATE USER {quoted}@'127.0.0.1' IDENTIFIED BY 'bystander'")
    done = climb("mysql", **values, username=name, database=name)
    failure = fault(done, "database", "database-not-allowed", Who.DBA, f'"{name}"')
    server.sql(f"CREATE DATABASE {quoted}", failure.fix)
    done = climb("mysql", **values, username=name, database=name)
    assert done.health.ok, done.health.failure
    assert done.step("database").evidence.startswith(f'Database "{name}" is open')


@pytest.mark.parametrize(
    "host",
    [
        "/var/run/postgresql",
        "@abstract",
        "a.test,b.test",
        "db.test:5432",
        "db.test/x",
        "http://db.test",
        "db.test?host=evil.test",
        "db test",
        "db.test host=evil.test",
        "user@db.test",
        "",
        " ",
        "-db.test",
        "db..test",
        "db.test\0",
        "x" * 254,
    ],
)
@pytest.mark.parametrize("field", ["host", "tls_server_name"])
def test_a_host_is_one_host(host: str, field: str) -> None:
    values = {
        "name": "x",
        "db_type": "postgresql",
        "host": "db.test",
        "database": "d",
        "username": "u",
        "password": "p",
    }
    with pytest.raises(ValidationError):
        registry.draft_adapter().validate_python({**values, field: host})


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_no_option_of_a_driver_is_a_field(kind: str) -> None:
    values = {"name": "x", "db_type": kind, "host": "db.test", "database": "d", "username": "u", "password": "p"}
    ours = set(registry.kind(kind).config.model_fields)
    options = {each.keyword for each in libpq_options()} | set(inspect.signature(pymysql.Connection).parameters)
    options |= {"connect_args", "query", "drivername", "creator", "plugin_dir", "service", "options", "unix_socket"}
    assert len(options) > 70
    for option in sorted(options - ours):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            registry.draft_adapter().validate_python({**values, option: "x"})


def test_the_environment_and_the_home_folder_change_nothing(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every variable libpq knows, and every file it looks for at home, set to something that would break the login."""
    server = postgres_server
    evil = str(free_port())
    (tmp_path / ".pgpass").write_text("*:*:*:*:wrong\n")
    (tmp_path / ".pgpass").chmod(0o600)
    (tmp_path / ".pg_service.conf").write_text(f"[x]\nhost=127.0.0.1\nport={evil}\nuser=evil\n")
    (tmp_path / ".postgresql").mkdir()
    for name in ("postgresql.crt", "postgresql.key", "root.crt", "root.crl"):
        (tmp_path / ".postgresql" / name).write_text("not a certificate")
    broken = {
        "HOME": str(tmp_path),
        "PGSERVICE": "x",
        "PGSERVICEFILE": str(tmp_path / ".pg_service.conf"),
        "PGSYSCONFDIR": str(tmp_path),
        "PGPASSFILE": str(tmp_path / ".pgpass"),
        "PGHOST": "evil.test",
        "PGHOSTADDR": "127.0.0.9",
        "PGPORT": evil,
        "PGOPTIONS": "-c nonsense=1",
        "PGSSLMODE": "disable",
        "PGREQUIREAUTH": "none",
        "PGREQUIREPEER": "nobody",
        "PGCHANNELBINDING": "require",
        "PGTARGETSESSIONATTRS": "standby",
        "PGGSSENCMODE": "require",
        "PGSSLMINPROTOCOLVERSION": "TLSv1.3",
        "PGSSLMAXPROTOCOLVERSION": "TLSv1.2",
        "PGSSLNEGOTIATION": "direct",
        "PGSSLCERTMODE": "require",
        "PGCLIENTENCODING": "nonsense",
        "PGTZ": "nonsense",
        "PGDATESTYLE": "nonsense",
        "PGGEQO": "nonsense",
        "PGCONNECT_TIMEOUT": "1",
        "PGLOADBALANCEHOSTS": "nonsense",
    }
    for option in libpq_options():
        if option.envvar and option.envvar not in broken:
            broken[option.envvar] = "nonsense"
    for name, value in broken.items():
        monkeypatch.setenv(name, value)
    values = {"username": server.user, "password": server.password, "database": "postgres"}
    for tls in ({}, {"tls_mode": "verify-full", "tls_ca": server.ca}, {"tls_mode": "disable"}):
        done = climb("postgresql", port=server.port, **values, **tls)
        assert done.health.ok, done.health.failure
    wrong = climb("postgresql", port=server.port, **{**values, "password": "wrong"})
    fault(wrong, "login", "wrong-password", Who.YOU)


def test_the_configuration_files_of_mysql_change_nothing(
    mariadb_server: MariadbServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".my.cnf").write_text("[client]\nuser=evil\npassword=evil\nhost=evil.test\nssl-ca=/nonexistent\n")
    for name, value in (("HOME", str(tmp_path)), ("MYSQL_HOME", str(tmp_path)), ("MYSQL_PWD", "evil")):
        monkeypatch.setenv(name, value)
    server = mariadb_server
    values = {"username": server.user, "password": server.password, "database": "mysql"}
    assert climb("mysql", port=server.port, **values).health.ok
