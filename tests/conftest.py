"""What every test stands on: a clean environment, and private real servers for those that ask for one."""

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest
from copying import Pair
from mysql_copying import Database, Road
from s3_servers import S3Server, s3_service
from servers import MariadbServer, MissingBinary, PostgresServer, start_mariadb, start_postgres, temporary

from etl_engine.settings import Settings

_AMBIENT = ("PG", "MYSQL", "MARIADB", "SQLITE", "SSL_CERT_", "AWS_")
_OURS = frozenset(name.upper() for name in Settings.model_fields)


def _misleading() -> list[str]:
    """Variables that drivers, or the product, would read and that no test has set itself."""
    return [name for name in os.environ if name.startswith(_AMBIENT) or name.upper() in _OURS]


def pytest_configure() -> None:
    for name in _misleading():
        del os.environ[name]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _misleading():
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of this test run's own; tests make their own databases and roles in it."""
    try:
        with temporary(start_postgres) as server:
            yield server
    except MissingBinary as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariadbServer]:
    """A MariaDB of this test run's own; tests make their own databases and users in it."""
    try:
        with temporary(start_mariadb) as server:
            yield server
    except MissingBinary as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 service of this test run's own; tests make their own buckets in it."""
    with s3_service() as server:
        yield server


@pytest.fixture
def pair(postgres_server: PostgresServer) -> Iterator[Pair]:
    """Two empty databases of that server, to copy between."""
    mark = uuid4().hex[:12]
    made = Pair(postgres_server, f"from_{mark}", f"into_{mark}")
    postgres_server.sql(f"CREATE DATABASE {made.source}", f"CREATE DATABASE {made.target}")
    yield made
    for database in (made.source, made.target):
        postgres_server.sql(f"DROP DATABASE {database} WITH (FORCE)")


@pytest.fixture
def road(mariadb_server: MariadbServer) -> Iterator[Road]:
    """Two empty databases of that server, to copy between."""
    mark = uuid4().hex[:12]
    made = Road(Database(mariadb_server, f"from_{mark}"), Database(mariadb_server, f"into_{mark}"))
    # Not the character set of the server, which is latin1.
    mariadb_server.sql(*(f"CREATE DATABASE {one.name} CHARACTER SET utf8mb4" for one in (made.source, made.target)))
    yield made
    mariadb_server.sql(*(f"DROP DATABASE {one.name}" for one in (made.source, made.target)))
