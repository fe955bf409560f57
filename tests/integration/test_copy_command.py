"""`etl-engine copy` as people run it: answers, exit codes, interruptions."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from copying import Pair, eventually

COMMAND = [sys.executable, "-m", "etl_engine.cli"]


class Installation:
    """A data folder with the two connections of a pair in it."""

    def __init__(self, folder: Path, pair: Pair) -> None:
        self.folder = folder
        self.pair = pair
        self.environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder / "data")}
        for name, database in (("shop", pair.source), ("warehouse", pair.target)):
            words = ["connections", "add", name, "--type", "postgresql", "--host", pair.server.host]
            words += ["--port", str(pair.server.port), "--database", database, "--username", pair.server.user]
            done = self.run(*words, "--password-stdin", "--untested", stdin=pair.server.password)
            assert done.returncode == 0, done.stderr

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*COMMAND, *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        process = self.start(*words)
        out, err = process.communicate(stdin, timeout=60)
        assert self.pair.server.password not in out + err
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def copy(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return self.run("copy", *words)


@pytest.fixture
def installed(tmp_path: Path, pair: Pair) -> Iterator[Installation]:
    pair.s(
        "CREATE TABLE orders (id int PRIMARY KEY, amount numeric(9,2), at timestamptz NOT NULL)",
        "INSERT INTO orders SELECT g, g / 7.0, now() FROM generate_series(1, 500) g",
        "ANALYZE orders",
    )
    return Installation(tmp_path, pair)


def test_a_copy_its_receipt_and_its_plan(installed: Installation) -> None:
    planned = installed.copy("shop", "orders", "warehouse", "public.orders", "--plan")
    assert planned.returncode == 0
    assert 'CREATE TABLE "public"."orders"' in planned.stdout
    assert "Nothing was written." in planned.stderr
    done = installed.copy("shop", "orders", "warehouse", "--mode", "merge", "--cursor", "at", "--verify")
    assert done.returncode == 0, done.stderr
    assert "Copied 500 rows" in done.stdout
    assert "Both sides are equal: 500 rows" in done.stdout
    again = installed.copy("shop", "orders", "warehouse", "--mode", "merge", "--cursor", "at", "--json")
    receipt = json.loads(again.stdout)
    assert again.stdout.count("\n") == 1
    assert (receipt["rows"], receipt["mode"], receipt["cursor_from"] == receipt["cursor_to"]) == (0, "merge", True)
    installed.pair.same("orders")
    audit = installed.run("connections", "list", "--json")
    assert audit.returncode == 0


def test_a_report_and_a_repair_of_what_differs(installed: Installation) -> None:
    words = ["shop", "orders", "warehouse", "--mode", "merge"]
    assert installed.copy(*words).returncode == 0
    equal = installed.copy(*words, "--reconcile", "report")
    assert (equal.returncode, equal.stdout.startswith("✓ Nothing differs")) == (0, True)
    installed.pair.t("DELETE FROM orders WHERE id = 7", "UPDATE orders SET id = 1000 WHERE id = 8")
    told = installed.copy(*words, "--reconcile", "report")
    assert told.returncode == 1
    said = " ".join(told.stdout.split())
    assert "2 rows missing at the target, 0 with other values, 1 only there" in said
    assert said.endswith("missing: 7 missing: 8 surplus: 1000")
    assert "Nothing was written." in told.stderr
    kept = installed.copy(*words, "--reconcile", "repair")
    assert kept.returncode == 0
    assert "2 inserted, 0 updated, 0 deleted; 1 that only the target has stay" in " ".join(kept.stdout.split())
    several = ["shop", "warehouse", "--table", "public.orders", "--mode", "merge", "--reconcile"]
    assert installed.copy(*several, "report").returncode == 1
    gone = installed.copy(*several, "repair", "--delete-surplus")
    assert (gone.returncode, "1 deleted" in " ".join(gone.stdout.split())) == (0, True)
    installed.pair.same("orders")
    wrong = installed.copy("shop", "orders", "warehouse", "--reconcile", "repair")
    assert wrong.returncode != 0 and "--mode merge" in wrong.stderr


def test_a_query_goes_into_a_table(installed: Installation) -> None:
    query = "SELECT id % 2 AS odd, sum(amount) AS total FROM orders GROUP BY 1"
    done = installed.copy("shop", "warehouse", "totals", "--query", query, "--mode", "replace", "--key", "odd")
    assert done.returncode == 0, done.stderr
    assert installed.pair.t("SELECT odd FROM totals ORDER BY 1") == "0\n1"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("shop", "ordres", "warehouse"), 1, "did you mean public.orders?"),
        (("shp", "orders", "warehouse"), 1, "Did you mean shop?"),
        (("shop", "orders"), 2, "needs SOURCE TABLE TARGET"),
        (("shop", "orders", "shop"), 1, "the same table"),
        (("shop", "orders", "warehouse", "--mode", "upsert"), 1, "mode"),
        (("shop", "orders", "warehouse", "--mode", "replace", "--cursor", "at"), 1, "cursor makes no sense"),
        (("shop", "orders", "warehouse", "--key", "no"), 1, "key column 'no'"),
        (("shop", "orders", "warehouse", "--column", "amuont"), 1, "Did you mean amount?"),
    ],
)
def test_a_wrong_order_is_told_in_a_sentence(
    installed: Installation, words: tuple[str, ...], code: int, said: str
) -> None:
    done = installed.copy(*words)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    as_json = installed.copy(*words, "--json")
    assert json.loads(as_json.stdout)["error"]["message"]


def test_a_difference_is_an_exit_code(installed: Installation) -> None:
    installed.copy("shop", "orders", "warehouse", "--mode", "merge")
    installed.pair.t("INSERT INTO orders VALUES (-1, 1, now())")
    done = installed.copy("shop", "orders", "warehouse", "--mode", "merge", "--verify")
    assert done.returncode == 1
    assert "The sides differ: 500 rows at the source, 501 at the target" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing_behind(installed: Installation, number: signal.Signals) -> None:
    pair = installed.pair
    slow = "SELECT id, pg_sleep(0.05) IS NULL AS s FROM orders"
    process = installed.start("copy", "shop", "warehouse", "slow", "--query", slow)
    copying = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{pair.target}' AND query LIKE 'COPY%'"
    eventually(lambda: pair.sql("postgres", copying) == "1", "the load")
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Interrupted." in err
    assert "Traceback" not in err
    sessions = f"SELECT count(*) FROM pg_stat_activity WHERE datname IN ('{pair.source}', '{pair.target}')"
    eventually(lambda: pair.sql("postgres", sessions) == "0", "the end of its sessions")
    assert pair.t("SELECT to_regclass('slow') IS NULL") == "t"
    pair.tidy()


def test_several_tables_go_in_one_run(installed: Installation) -> None:
    pair = installed.pair
    pair.s(
        "CREATE SCHEMA more",
        "CREATE TABLE more.events AS SELECT g AS id FROM generate_series(1, 70) g",
        'CREATE TABLE more."odd.name" AS SELECT g AS id FROM generate_series(1, 7) g',
    )
    pair.t("CREATE SCHEMA more", "CREATE SCHEMA copies")
    done = installed.copy("shop", "warehouse", "--tables", "more.*", "--table", "public.orders", "--json")
    assert done.returncode == 0, done.stderr
    found = {one["table"]: one["receipt"]["rows"] for one in json.loads(done.stdout)["copies"]}
    assert found == {"public.orders": 500, "more.events": 70, 'more."odd.name"': 7}
    pair.same("orders")
    pair.same("more.events")
    pair.same('more."odd.name"')
    done = installed.copy("shop", "warehouse", "--tables", "*", "--into", "copies", "--plan")
    assert 'CREATE TABLE "copies"."odd.name"' in done.stdout
    assert pair.t("SELECT count(*) FROM pg_class WHERE relnamespace = 'copies'::regnamespace") == "0"


def test_a_table_that_fails_does_not_stop_the_others(installed: Installation) -> None:
    pair = installed.pair
    pair.s("CREATE TABLE good AS SELECT 1 AS id")
    pair.t("CREATE TABLE orders (id int PRIMARY KEY, amount numeric(9,2), at timestamptz CHECK (at < '2000-01-01'))")
    done = installed.copy("shop", "warehouse", "--tables", "*", "--into", "public")
    assert done.returncode == 1
    assert "✓ public.good into public.good: 1 rows" in done.stdout
    assert "✗ public.orders into public.orders" in done.stdout
    assert "orders_at_check" in done.stdout
    assert (pair.t("SELECT count(*) FROM good"), pair.t("SELECT count(*) FROM orders")) == ("1", "0")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--tables", "nothing*"], "No table is named like 'nothing*'"),
        (["--tables", "ordres"], "Look at the names: orders"),
        (
            ["--table", "public.orders", "--table", "more.orders", "--into", "public"],
            "both be written into public.orders",
        ),
        (["orders", "--table", "orders"], "needs SOURCE TARGET with --table or --tables"),
        (["--table", "orders", "--on-reject", "quarantine", "--lane", "relay"], "it can keep none apart"),
    ],
)
def test_a_wrong_order_of_several_tables_is_told(installed: Installation, words: list[str], sentence: str) -> None:
    done = installed.copy("shop", "warehouse", *words)
    assert done.returncode in (1, 2)
    assert sentence in done.stderr.replace("\n", " ")


def test_rows_that_were_kept_apart_are_shown(installed: Installation) -> None:
    pair = installed.pair
    pair.t("CREATE TABLE orders (id int PRIMARY KEY, amount numeric(4,2), at timestamptz)")
    done = installed.copy("shop", "orders", "warehouse", "--plan", "--on-reject", "quarantine")
    assert "Lane: typed, arrow: same engine: typed batches; amount converted here" in done.stdout
    assert "a value that does not fit stops the copy" not in done.stdout
    assert "a value that does not fit is kept apart" in done.stdout
    pair.s(
        "UPDATE orders SET amount = CASE WHEN id > 488 THEN 1000 + id ELSE 1 END",
        "CREATE TABLE sorted AS TABLE orders ORDER BY id DESC",
        "DROP TABLE orders",
        "ALTER TABLE sorted RENAME TO orders",
    )
    done = installed.copy("shop", "orders", "warehouse", "--on-reject", "quarantine")
    assert done.returncode == 0, done.stderr
    assert "Copied 488 of 500 rows" in done.stdout
    assert "12 rows were kept apart in _etl_rejects" in done.stdout
    assert "row 1: amount: '1500.00' does not fit numeric(4,2)" in done.stdout
    assert "and 2 more" in done.stdout
    assert (
        installed.copy("shop", "orders", "warehouse", "--on-reject", "quarantine", "--reject-limit", "3").returncode
        == 1
    )
