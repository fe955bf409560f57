"""Sessions with MariaDB: encryption, files that are not given away, limits of the server, tables of every kind."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mysql_copying import Database, Road
from servers import MariadbServer, start_mariadb, temporary

from etl_engine.connectors.rows import ARROW, Selection
from etl_engine.errors import Refused, Rejected, Unreachable


def opened(database: Database, **config: Any) -> Any:
    return Database(database.server, database.name, config=config).connector().open_source()


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-ca", "verify-full"])
def test_rows_go_over_tls_as_the_connection_wants_it(road: Road, mode: str) -> None:
    road.source.sql("CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)")
    trusted = {"tls_ca": road.source.server.ca} if mode.startswith("verify") else {}
    source = opened(road.source, tls_mode=mode, **trusted)
    encrypted = isinstance(source._session.connection._sock, ssl.SSLSocket)
    assert encrypted == (mode != "disable")
    cipher = source._session.one("SHOW STATUS LIKE 'Ssl_cipher'")[1]
    assert bool(cipher) == encrypted
    source.close()


def test_a_certificate_of_nobody_is_refused(road: Road) -> None:
    with pytest.raises((Refused, Unreachable)):
        opened(road.source, tls_mode="verify-full", tls_ca="")


def test_a_server_without_tls_gets_no_password_where_tls_is_wished(tmp_path: Path) -> None:
    with temporary(start_mariadb, settings={"skip-ssl": "1", "local-infile": "0"}) as server:
        server.sql("CREATE DATABASE a CHARACTER SET utf8mb4", "CREATE DATABASE b CHARACTER SET utf8mb4")
        here = Database(server, "a")
        with pytest.raises(Refused, match="offers no TLS"):
            opened(here, tls_mode="require")
        opened(here, tls_mode="prefer").close()
        _without_local_infile(server)


def _without_local_infile(server: MariadbServer) -> None:
    """The same server takes no files: rows come as statements, and what does not fit is an error all the same."""
    road = Road(Database(server, "a"), Database(server, "b"))
    road.source.sql(
        "CREATE TABLE t (id int PRIMARY KEY, v varchar(20))", "INSERT INTO t VALUES (1, 'x'), (2, NULL), (3, '''')"
    )
    assert road.copy("t", mode="replace").rows == 3
    road.same("t")
    with pytest.raises(Rejected, match="Duplicate entry"):
        road.copy("t", mode="append")
    road.same("t")
    road.target.sql("CREATE TABLE n (id int PRIMARY KEY, v varchar(20) CHARACTER SET latin1)")
    road.source.sql("INSERT INTO t VALUES (4, '日本')")
    with pytest.raises(Rejected, match="Incorrect string value"):
        road.copy("t", "n", mode="append")
    assert road.target.sql("SELECT COUNT(*) FROM n") == "0"


@pytest.mark.parametrize("mode", ["append", "replace", "merge"])
def test_a_server_that_folds_the_names_of_tables(road: Road, folding: Road, mode: str) -> None:
    road.source.sql("CREATE TABLE Orders (Id int PRIMARY KEY, v varchar(9))", "INSERT INTO Orders VALUES (1, 'x')")
    for _ in range(2):
        receipt = Road(road.source, folding.target).copy("Orders", "Orders", mode=mode, restart=True, verify=True)
        assert receipt.verification is not None and receipt.verification.equal
        if mode == "append":
            folding.target.sql("DELETE FROM orders")
    assert folding.target.sql("SHOW TABLES LIKE 'orders'") == "orders"
    if mode != "append":
        assert Road(folding.target, road.target).copy("ORDERS", "back").rows == 1
    folding.target.sql("DROP TABLE orders")


@pytest.fixture(scope="module")
def folding() -> Iterator[Road]:
    with temporary(start_mariadb, settings={"lower-case-table-names": "1"}) as server:
        server.sql("CREATE DATABASE a", "CREATE DATABASE b")
        yield Road(Database(server, "a"), Database(server, "b"))


def test_names_that_differ_by_case_only_are_two_tables(road: Road) -> None:
    road.source.sql("CREATE TABLE orders (id int PRIMARY KEY)", "INSERT INTO orders VALUES (1)")
    road.target.sql("CREATE TABLE Orders (id int PRIMARY KEY)", "INSERT INTO Orders VALUES (7)")
    road.copy("orders", mode="replace")
    assert road.target.sql("SELECT * FROM Orders") == "7"
    road.same("orders")


def test_a_port_where_nobody_or_somebody_else_listens_is_told(road: Road) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable, match="Nothing listens"):
        Database(road.source.server, "x", port=port).connector().open_source()
    with pytest.raises(Refused, match="refused user"):
        Database(road.source.server, road.source.name, password="wrong").connector().open_source()
    with pytest.raises(Refused, match="refused user"):
        Database(road.source.server, "nowhere").connector().open_source()


def test_a_cell_that_is_larger_than_the_servers_packets_is_told(road: Road) -> None:
    """The server would answer NULL for it, and warn."""
    server = road.source.server
    server.sql("SET GLOBAL max_allowed_packet = 67108864")
    road.source.sql("CREATE TABLE t (id int PRIMARY KEY, v longtext)", "INSERT INTO t VALUES (1, REPEAT('x', 3000000))")
    server.sql("SET GLOBAL max_allowed_packet = 1048576")
    try:
        with pytest.raises(Rejected, match="max_allowed_packet"):
            road.copy(query="SELECT id, CONCAT(v, 'y') AS v FROM t", target="u")
        assert road.target.sql("SHOW TABLES LIKE 'u'") == ""
        assert road.copy("t").rows == 1
        assert road.target.sql("SELECT LENGTH(v) FROM t") == "3000000"
    finally:
        server.sql("SET GLOBAL max_allowed_packet = 16777216")


@pytest.mark.parametrize(
    "shape",
    [
        "CREATE TABLE t (id int PRIMARY KEY, v int) ENGINE=MyISAM",
        "CREATE TABLE t (id int PRIMARY KEY, v int) ENGINE=Aria",
        "CREATE TABLE t (id int PRIMARY KEY, v int) PARTITION BY HASH (id) PARTITIONS 4",
        "CREATE TABLE t (id int PRIMARY KEY, v int INVISIBLE DEFAULT 3)",
        "CREATE TABLE t (id int PRIMARY KEY, v int) WITH SYSTEM VERSIONING",
        "CREATE TABLE t0 (id int PRIMARY KEY, v int); CREATE VIEW t AS SELECT * FROM t0",
    ],
)
def test_a_source_of_every_kind(road: Road, shape: str) -> None:
    road.source.sql(*shape.split("; "), "INSERT INTO t (id, v) SELECT seq, seq * 2 FROM seq_1_to_50")
    assert road.copy("t", mode="replace").rows == 50
    query = "SELECT id, v FROM t ORDER BY id"
    assert road.target.sql(query) == road.source.sql(query)


def test_generated_columns_are_read_and_not_written(road: Road) -> None:
    shape = "CREATE TABLE t (id int PRIMARY KEY, twice int AS (id * 2) VIRTUAL, thrice int AS (id * 3) PERSISTENT)"
    road.source.sql(shape, "INSERT INTO t (id) VALUES (1), (2)")
    road.copy("t")
    road.same("t")
    road.target.sql("DROP TABLE t", shape)
    receipt = road.copy("t", mode="replace")
    assert any("twice" in note for note in receipt.notes)
    road.same("t")


def test_a_query_has_the_types_that_its_result_has(road: Road) -> None:
    source = opened(road.source)
    query = (
        "SELECT 1 AS one, CAST(1 AS UNSIGNED) AS u, 1.50 AS d, 1e0 AS f, 'x' AS t, x'ff' AS b, NULL AS n, "
        "CURRENT_TIMESTAMP(3) AS at, CURDATE() AS day, SEC_TO_TIME(1) AS span, SUM(2.5) AS total, COUNT(*) AS c"
    )
    table = source.describe(Selection(query=query))
    families = {column.name: column.type.family.value for column in table.columns}
    assert families == {
        "one": "integer", "u": "integer", "d": "decimal", "f": "float", "t": "text", "b": "bytes", "n": "bytes",
        "at": "timestamp", "day": "date", "span": "interval", "total": "decimal", "c": "integer",
    }  # fmt: skip
    selection = Selection(query=query)
    source.begin(selection)
    batches = list(source.read(selection, table, ARROW).batches())
    assert [str(value) for value in (batches[0].column(2)[0], batches[0].column(10)[0])] == ["1.50", "2.5"]
    source.close()


def test_nothing_is_read_ahead_of_who_reads(road: Road) -> None:
    """The server waits: what is held is a block, whatever the table is."""
    source = opened(road.source)
    query = "SELECT seq, REPEAT('x', 1000) AS v FROM seq_1_to_300000"
    selection = Selection(query=query)
    table = source.describe(selection)
    source.begin(selection)
    rows = source.read(selection, table, ARROW)
    batches = rows.batches()
    assert next(batches).num_rows < 20_000
    busy = "SELECT id FROM information_schema.processlist WHERE info LIKE '%seq_1_to_300000%' AND id <> CONNECTION_ID()"
    assert road.source.server.sql(busy), "the query has ended: something holds all of its rows"
    assert sum(batch.num_rows for batch in batches) > 250_000
    source.close()
