"""The sample shop: always the same rows, complete or absent, and a tested connection to it."""

import datetime as dt
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from scripted_kind import at_once, opened_context

from etl_engine.connectors import sample_file, sample_shop
from etl_engine.connectors.registry import Saved
from etl_engine.connectors.sample_shop import TABLES
from etl_engine.errors import Conflict, Denied, NotCapable, Rejected
from etl_engine.model.collections import CONNECTIONS
from etl_engine.model.connection import TestStatus
from etl_engine.services import connections
from etl_engine.services.connection_documents import as_config
from etl_engine.services.context import Actor, Context
from etl_engine.services.sample_data import NAME, create_sample

SECONDS = 5.0
# Of every row of every table; another digest means that documents and pictures that speak of the shop are wrong.
DIGEST = "1fce3fe769830655851a9cca838f126cb5894215fd634ed34bf2aeff9d28f5f6"
ROWS = {"categories": 10, "products": 240, "customers": 6000, "orders": 92_943, "order_items": 219_543}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    file = tmp_path_factory.mktemp("shop") / "shop.db"
    sample_shop.build(file)
    with closing(sqlite3.connect(file)) as database:
        yield database


@pytest.fixture
def built(shop: sqlite3.Connection) -> Path:
    """The file of the shop, to copy from."""
    return Path(one(shop, "SELECT file FROM pragma_database_list WHERE name = 'main'"))


@pytest.fixture
def quick(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what happens around the building: the file is copied from the one that was built."""

    def copied(file: Path, on_progress: sample_shop.OnProgress) -> None:
        shutil.copyfile(built, file)
        on_progress(1.0, "done")

    monkeypatch.setattr(sample_shop, "build", copied)


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def file(ctx: Context) -> Path:
    return ctx.surroundings.file_roots[0] / "sample" / "shop.db"


def one(shop: sqlite3.Connection, query: str) -> Any:
    (value,) = shop.execute(query).fetchone()
    return value


def files_beside(file: Path) -> set[str]:
    return {other.name for other in file.parent.iterdir()}


# The rows


def test_the_rows_are_always_exactly_these(shop: sqlite3.Connection) -> None:
    digest = hashlib.sha256()
    for table in TABLES:
        for row in shop.execute(f"SELECT * FROM {table} ORDER BY id"):
            digest.update(repr(row).encode())
    assert {table: one(shop, f"SELECT count(*) FROM {table}") for table in TABLES} == ROWS
    assert digest.hexdigest() == DIGEST


def test_two_builds_are_the_same_bytes(built: Path, tmp_path: Path) -> None:
    sample_shop.build(tmp_path / "again.db")
    assert (tmp_path / "again.db").read_bytes() == built.read_bytes()


def test_every_reference_holds_and_every_total_is_exact(shop: sqlite3.Connection) -> None:
    assert shop.execute("PRAGMA foreign_key_check").fetchall() == []
    assert shop.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    wrong = """
        SELECT count(*) FROM orders WHERE total_cents <> shipping_cents - discount_cents +
        (SELECT sum(quantity * unit_price_cents) FROM order_items WHERE order_id = orders.id)
    """
    assert one(shop, wrong) == 0
    assert one(shop, "SELECT count(*) FROM orders WHERE total_cents <= 0") == 0
    keys = [shop.execute(f"PRAGMA foreign_key_list({table})").fetchall() for table in TABLES]
    assert [len(each) for each in keys] == [0, 1, 1, 1, 2]
    indexed = {
        column
        for (index,) in shop.execute("SELECT name FROM sqlite_master WHERE type = 'index'").fetchall()
        for _, _, column in shop.execute(f"PRAGMA index_info({index})")
    }
    assert indexed >= {"category_id", "customer_id", "order_id", "product_id", "ordered_at", "updated_at", "email"}


def test_only_what_may_be_missing_is_missing(shop: sqlite3.Connection) -> None:
    optional = {
        ("products", "weight_grams"),
        ("products", "discontinued_on"),
        ("customers", "birth_date"),
        ("customers", "referred_by"),
        ("orders", "discount_code"),
        ("orders", "note"),
        ("orders", "shipped_at"),
    }
    missing = {
        (table, column)
        for table in TABLES
        for _, column, *_ in shop.execute(f"PRAGMA table_info({table})").fetchall()
        if one(shop, f"SELECT count(*) FROM {table} WHERE {column} IS NULL")
    }
    assert missing == optional
    assert (
        one(shop, "SELECT count(*) FROM orders WHERE (status IN ('shipped', 'delivered')) AND shipped_at IS NULL") == 0
    )


def test_money_is_whole_cents_and_times_are_times(shop: sqlite3.Connection) -> None:
    for table, column in [("products", "price_cents"), ("orders", "total_cents"), ("order_items", "unit_price_cents")]:
        assert shop.execute(f"SELECT DISTINCT typeof({column}) FROM {table}").fetchall() == [("integer",)]
    times = shop.execute("SELECT min(ordered_at), max(ordered_at), max(updated_at) FROM orders").fetchone()
    first, last, updated = (dt.datetime.fromisoformat(time) for time in times)
    assert (first.date(), last.date(), updated.date()) == (dt.date(2024, 1, 1), dt.date(2025, 12, 31), last.date())
    assert one(shop, "SELECT count(*) FROM orders WHERE updated_at < coalesce(shipped_at, ordered_at)") == 0
    assert one(shop, "SELECT count(*) FROM orders WHERE shipped_at < ordered_at") == 0
    early = "SELECT count(*) FROM orders JOIN customers c ON c.id = customer_id WHERE ordered_at < registered_at"
    assert one(shop, early) == 0
    assert one(shop, "SELECT count(*) FROM customers WHERE referred_by >= id") == 0


def test_orders_follow_the_week_and_the_year_and_grow(shop: sqlite3.Connection) -> None:
    by_weekday = dict(shop.execute("SELECT strftime('%w', ordered_at), count(*) FROM orders GROUP BY 1"))
    assert by_weekday["6"] > 1.2 * by_weekday["2"], "Saturdays sell more than Tuesdays"
    by_month = dict(shop.execute("SELECT strftime('%Y-%m', ordered_at), count(*) FROM orders GROUP BY 1"))
    assert len(by_month) == 24
    assert by_month["2024-12"] > 1.8 * by_month["2024-07"]
    assert by_month["2025-05"] > 1.3 * by_month["2024-05"]
    lanterns = "SELECT count(*) FROM order_items JOIN products p ON p.id = product_id JOIN orders o ON o.id = order_id "
    lanterns += (
        "WHERE category_id = (SELECT id FROM categories WHERE name = 'Garden') AND strftime('%m', ordered_at) = "
    )
    assert one(shop, lanterns + "'05'") > 1.5 * one(shop, lanterns + "'10'"), "gardens are planted in spring"


def test_statuses_fit_the_age_of_an_order(shop: sqlite3.Connection) -> None:
    found = dict(shop.execute("SELECT status, count(*) FROM orders GROUP BY 1"))
    assert set(found) == {"new", "paid", "shipped", "delivered", "returned", "cancelled"}
    assert found["delivered"] > 0.85 * ROWS["orders"]
    assert one(shop, "SELECT min(ordered_at) FROM orders WHERE status IN ('new', 'paid')") > "2025-12-25"


def test_people_are_of_many_countries_and_their_mail_goes_nowhere(shop: sqlite3.Connection) -> None:
    assert one(shop, "SELECT count(DISTINCT country) FROM customers") == 12
    assert one(shop, "SELECT count(*) FROM customers WHERE email NOT GLOB '?*.?*[0-9]@example.com'") == 0
    emails = "".join(email for (email,) in shop.execute("SELECT email FROM customers"))
    assert emails.isascii() and emails.islower()
    names = {name for (name,) in shop.execute("SELECT last_name FROM customers")}
    assert {"Müller", "O'Brien", "佐藤", "Шевченко", "Παπαδόπουλος", "Yılmaz"} <= names


def test_the_last_day_can_be_another(tmp_path: Path) -> None:
    progress: list[tuple[float, str]] = []
    sample_shop.build(
        tmp_path / "x.db", lambda done, what: progress.append((done, what)), last_day=dt.date(2026, 2, 28)
    )
    with closing(sqlite3.connect(tmp_path / "x.db")) as database:
        assert one(database, "SELECT max(date(ordered_at)) FROM orders") == "2026-02-28"
        assert one(database, "SELECT min(date(ordered_at)) FROM orders") == "2024-02-29"
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)
    assert (progress[0][0], progress[-1]) == (0.0, (1.0, "done"))
    assert {what for _, what in progress} == {"products", "customers", "orders", "indexes", "done"}
    assert len(progress) > 20


# The connection


def test_one_call_makes_the_shop_and_a_tested_connection(ctx: Context, file: Path) -> None:
    progress: list[float] = []
    started = time.thread_time()
    made = create_sample(ctx, lambda done, what: progress.append(done))
    assert time.thread_time() - started < SECONDS / 2, "half of the time is for slower machines"
    assert (made.name, made.db_type, made.model_dump()["database"]) == (NAME, "sqlite", "sample/shop.db")
    assert made.last_test_status is TestStatus.SUCCESS
    assert connections.get(ctx, made.id) == made
    assert progress[-1] == 1.0
    assert file.stat().st_mode & 0o777 == 0o600
    assert files_beside(file) == {"shop.db"}


@pytest.mark.usefixtures("quick")
def test_a_second_call_answers_with_the_same_connection_and_leaves_the_file_alone(ctx: Context, file: Path) -> None:
    made = create_sample(ctx)
    with closing(sqlite3.connect(file)) as database:
        database.execute("DELETE FROM order_items WHERE id < 100")
        database.commit()
    before = file.stat()
    assert create_sample(ctx) == made
    after = file.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)


@pytest.mark.usefixtures("quick")
def test_a_renamed_connection_is_still_the_one(ctx: Context) -> None:
    made = connections.update(ctx, create_sample(ctx).id, {"name": "My playground"})
    assert create_sample(ctx) == made


@pytest.mark.usefixtures("quick")
def test_a_deleted_connection_is_made_again_on_the_same_file(ctx: Context, file: Path) -> None:
    made = create_sample(ctx)
    before = file.stat()
    connections.delete(ctx, made.id)
    again = create_sample(ctx)
    assert again.id != made.id and again.last_test_status is TestStatus.SUCCESS
    assert file.stat() == before


@pytest.mark.usefixtures("quick")
def test_a_deleted_file_is_made_again_for_the_same_connection(ctx: Context, file: Path) -> None:
    made = create_sample(ctx)
    file.unlink()
    assert create_sample(ctx) == made
    assert sample_file.is_intact(file)


def damaged(file: Path) -> None:
    sample_file.make(file, lambda done, what: None)
    with file.open("r+b") as opened:
        opened.seek(4096 * 40)
        opened.write(b"\xff" * 4096 * 20)


def truncated(file: Path) -> None:
    sample_file.make(file, lambda done, what: None)
    os.truncate(file, file.stat().st_size // 2)


def another_database(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE orders (id)")
        database.commit()


@pytest.mark.parametrize(
    "put",
    [damaged, truncated, another_database, Path.mkdir, lambda file: file.write_text("hello"), Path.touch],
    ids=["damaged", "truncated", "another database", "a folder", "a text", "empty"],
)
@pytest.mark.usefixtures("quick")
def test_a_file_that_is_not_the_shop_is_named_and_left_alone(ctx: Context, file: Path, put: Any) -> None:
    file.parent.mkdir(parents=True)
    put(file)
    before = file.stat()
    with pytest.raises(Conflict, match=str(file)) as refused:
        create_sample(ctx)
    assert "delete it" in refused.value.hint
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert not ctx.store.count(CONNECTIONS.name)


@pytest.mark.usefixtures("quick")
def test_a_shop_that_somebody_is_writing_to_is_intact(ctx: Context, file: Path) -> None:
    made = create_sample(ctx)
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        assert create_sample(ctx) == made


def test_a_name_that_is_taken_is_found_out_before_anything_is_made(ctx: Context, file: Path) -> None:
    holder = connections.create(ctx, as_config({"name": "SAMPLE SHOP", "db_type": "sqlite", "database": "other.db"}))
    with pytest.raises(Conflict, match=holder.id):
        create_sample(ctx)
    assert not file.exists()


def test_two_calls_at_once_make_one_shop_and_one_connection(ctx: Context, file: Path) -> None:
    answers = at_once(3, lambda _: create_sample(ctx))
    assert all(isinstance(answer, Saved) for answer in answers), answers
    assert len({answer.id for answer in answers}) == 1
    assert ctx.store.count(CONNECTIONS.name) == 1
    assert files_beside(file) == {"shop.db"} and sample_file.is_intact(file)


@pytest.mark.usefixtures("quick")
def test_it_needs_the_rights_to_create_and_to_test(ctx: Context, file: Path) -> None:
    for rights in (frozenset({"connection:test"}), frozenset({"connection:create"})):
        with pytest.raises(Denied):
            create_sample(ctx.for_request("", Actor("bob", rights)))
    assert not ctx.store.count(CONNECTIONS.name)


def test_without_a_folder_for_files_there_is_no_shop(ctx: Context) -> None:
    with pytest.raises(NotCapable, match="folder"):
        create_sample(Context(ctx.store, ctx.keyring))


def test_a_link_that_leads_out_of_the_folder_is_refused(ctx: Context, file: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    file.parent.parent.mkdir(parents=True, exist_ok=True)
    file.parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Conflict, match="link"):
        create_sample(ctx)
    assert list((tmp_path / "elsewhere").iterdir()) == []


# The disk


@pytest.mark.usefixtures("quick")
def test_a_folder_that_cannot_be_made_is_named_with_what_to_do(ctx: Context, file: Path) -> None:
    file.parent.parent.mkdir(parents=True, exist_ok=True)
    file.parent.write_text("a file where the folder should be")
    with pytest.raises(Rejected, match=str(file.parent)) as refused:
        create_sample(ctx)
    assert "FILE_ROOTS" in refused.value.hint
    assert not ctx.store.count(CONNECTIONS.name)


MAKE = """
import sys
from pathlib import Path
from etl_engine import faultpoints
from etl_engine.connectors import sample_file
from etl_engine.errors import EtlError
faultpoints.arm(sys.argv[2])
print("ready", flush=True)
try:
    sample_file.make(Path(sys.argv[1]), lambda done, what: print(done, flush=True))
except EtlError as error:
    sys.exit(f"{error.code}: {error.message} | {error.hint}")
"""


def making(file: Path, faultpoint: str = "", *before: str) -> "subprocess.Popen[str]":
    """Another process that makes the shop."""
    command = [*before, sys.executable, "-c", MAKE, str(file), faultpoint]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=file.parent)


def test_a_full_disk_is_said_in_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=3m tmpfs {disk} && cd {disk} && "
    tried = subprocess.run(["unshare", "--mount", "sh", "-c", mount + "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("needs the right to mount a small disk (unshare --mount)")
    code = MAKE + f"\nfinally:\n    print(*Path('{disk}').iterdir(), sep='\\n')\n"
    made = subprocess.run(
        [
            "unshare",
            "--mount",
            "sh",
            "-c",
            mount + 'exec "$@"',
            "sh",
            sys.executable,
            "-c",
            code,
            f"{disk}/shop.db",
            "",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert made.stderr.startswith("rejected: There is no room for the sample shop"), made
    assert "Free some space" in made.stderr and "Traceback" not in made.stderr
    assert str(disk) not in made.stdout


def test_a_file_size_limit_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    limit = "ulimit -f 2000; trap '' XFSZ; exec \"$@\""
    with making(tmp_path / "shop.db", "", "bash", "-c", limit, "bash") as process:
        _, errors = process.communicate(timeout=60)
    assert errors.startswith("rejected: "), errors
    assert "Traceback" not in errors and list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("quick")
def test_a_build_killed_before_the_end_leaves_no_file_of_that_name(ctx: Context, file: Path) -> None:
    file.parent.mkdir(parents=True)
    with making(file, "sample.before_place=kill") as process:
        assert process.wait(60) == -signal.SIGKILL
    (leftover,) = file.parent.iterdir()
    assert leftover != file
    old = time.time() - 3600
    os.utime(leftover, (old, old))
    assert create_sample(ctx).last_test_status is TestStatus.SUCCESS
    assert files_beside(file) == {"shop.db"}


@pytest.mark.parametrize("steps", [1, 8, 26])
def test_a_build_killed_anywhere_leaves_no_file_of_that_name(file: Path, steps: int) -> None:
    file.parent.mkdir(parents=True)
    with making(file) as process:
        assert process.stdout is not None
        for _ in range(steps):
            process.stdout.readline()
        process.kill()
        process.wait(60)
    assert not file.exists()


def test_two_processes_at_once_leave_one_whole_file(file: Path) -> None:
    file.parent.mkdir(parents=True)
    both = [making(file) for _ in range(2)]
    for process in both:
        with process:
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
    assert files_beside(file) == {"shop.db"} and sample_file.is_intact(file)


@pytest.mark.usefixtures("quick")
def test_an_unfinished_file_of_a_running_build_is_left_alone(file: Path) -> None:
    file.parent.mkdir(parents=True)
    running = file.parent / ".building-of-another"
    running.touch()
    sample_file.make(file, lambda done, what: None)
    assert files_beside(file) == {"shop.db", running.name}


@pytest.mark.usefixtures("quick")
def test_a_file_that_appeared_meanwhile_is_not_replaced(file: Path) -> None:
    file.parent.mkdir(parents=True)
    sample_file.make(file, lambda done, what: file.write_text("mine") if done == 1.0 else None)
    assert file.read_text() == "mine"
    assert files_beside(file) == {"shop.db"}


@pytest.mark.usefixtures("quick")
def test_a_file_system_without_links_will_do(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*args: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    sample_file.make(file, lambda done, what: None)
    assert sample_file.is_intact(file) and files_beside(file) == {"shop.db"}
