"""From a database to a table that is filled every weekday morning: the whole way in one sitting, with two servers."""

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator

import pytest
from moving import Shop, clear, open_at
from playwright.sync_api import Locator, Page, expect
from running import Server
from servers import MariadbServer, PostgresServer
from test_mappings import Screen, line_of

from etl_engine.model.collections import EXECUTIONS
from etl_engine.services import schedule_fires
from etl_engine.services.context import Context

PEOPLE = 120
QUERY = "SELECT id, full_name, street, town, balance FROM people ORDER BY id"
SPRING, AUTUMN = dt.date(2027, 3, 28), dt.date(2027, 10, 31)  # when Berlin's 02:30 is left out, and comes twice


@pytest.fixture
def ends(
    page: Page, server: Server, ctx: Context, mariadb_server: MariadbServer, postgres_server: PostgresServer
) -> Iterator[Shop]:
    clear(ctx)
    mariadb_server.sql(
        "CREATE DATABASE IF NOT EXISTS story CHARACTER SET utf8mb4",
        "DROP TABLE IF EXISTS story.people",
        "CREATE TABLE story.people (id BIGINT PRIMARY KEY, full_name TEXT, street TEXT, town TEXT, balance TEXT)",
        "INSERT INTO story.people SELECT seq, CONCAT('First', seq, ' Läst', seq), CONCAT('Straße ', seq), 'Köln', "
        f"IF(seq = 7, 'n/a', CONCAT(seq, '.50')) FROM seq_1_to_{PEOPLE}",
    )
    postgres_server.sql("DROP DATABASE IF EXISTS story WITH (FORCE)")
    postgres_server.sql("CREATE DATABASE story")
    made = Shop(server)
    for name, kind, there in (("People", "mysql", mariadb_server), ("Warehouse", "postgresql", postgres_server)):
        draft = {"name": name, "db_type": kind, "host": "127.0.0.1", "port": there.port, "database": "story"}
        made.call("POST", "/connections/", draft | {"username": there.user, "password": there.password})
    yield made
    page.goto("about:blank")
    clear(ctx)
    postgres_server.sql("DROP DATABASE story WITH (FORCE)")
    mariadb_server.sql("DROP DATABASE story")


def tile(page: Page, title: str) -> Locator:
    return page.locator(".tile-number").filter(has_text=title).locator("b")


def test_from_a_query_to_a_table_that_is_filled_every_morning_once(
    page: Page, server: Server, ctx: Context, ends: Shop, postgres_server: PostgresServer
) -> None:
    screen = Screen(page, server).open()
    screen.name("People of the shop")
    page.get_by_label("Connection").select_option(label="People")
    screen.write(QUERY)
    expect(screen.rows).to_have_count(50)
    expect(screen.rows.nth(0)).to_contain_text("First1 Läst1")

    def fields(dialog: Locator) -> None:
        dialog.get_by_label("Name", exact=True).fill("Known people")
        for name, other in (("full_name", "first_name"), ("street", "last_name"), ("town", "address")):
            line_of(dialog, name).get_by_label("Name of the field").fill(other)
        line_of(dialog, "balance").get_by_label("Type").select_option("decimal")
        line_of(dialog, "balance").get_by_label("Digits in all").fill("12,2")
        line_of(dialog, "id").get_by_label("key").check()

    screen.make_schema(fields)
    screen.drag("full_name", "first_name")
    screen.panel.get_by_label("Kind").select_option("split")
    screen.panel.get_by_label("Fields: add or change").select_option("last_name")
    screen.panel.get_by_label("Split at").fill(" ")
    screen.drag("street", "address")
    screen.drag("town", "address")
    screen.panel.get_by_label("Text between them").fill(", ")
    expect(screen.rows.nth(0).locator("td.result")).to_have_text(["1", "First1", "Läst1", "Straße 1, Köln", "1.50"])
    expect(page.locator(".refusal-line")).to_contain_text("n/a")
    page.get_by_label("Destination").select_option(label="Warehouse")
    page.get_by_label("Table", exact=True).fill("people")
    page.get_by_label("What becomes of the rows there").select_option("merge")
    screen.save.click()
    page.wait_for_url(re.compile(r"/mappings/[0-9a-f]{24}/?$"))
    expect(screen.saved).to_be_visible()
    mapping = page.url.rstrip("/").rsplit("/", 1)[-1]

    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/*")
    expect(page.locator("h1 .status")).to_have_text("Partly done", timeout=30_000)
    expect(tile(page, "Loaded")).to_have_text(str(PEOPLE - 1))
    expect(page.locator(".sentence")).to_contain_text("1 row was set aside")
    aside = page.get_by_role("region", name="Set aside", exact=True)
    expect(aside).to_contain_text("balance")
    expect(aside).to_contain_text("n/a")
    expect(page.locator(".line").first).to_contain_text("Started by")
    rows = postgres_server.sql("SELECT *, pg_typeof(balance)::text FROM people ORDER BY id LIMIT 7", database="story")
    assert [str(value) for value in rows[0]] == ["1", "First1", "Läst1", "Straße 1, Köln", "1.50", "numeric"]
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5, 6, 8]

    open_at(page, server, f"/schedules?new={mapping}")
    form = page.get_by_role("dialog", name=re.compile("schedule"))
    expect(form.get_by_label("Mapping")).to_have_value(mapping)
    form.get_by_label("Name").fill("Berlin mornings")
    form.get_by_label("Usual times").select_option(label="Every weekday at 07:30")
    form.get_by_label("Time zone").fill("Europe/Berlin")
    expect(form.locator(".reading")).to_have_text("At 07:30 on weekdays (Monday to Friday)")
    form.get_by_role("button", name="Save").click()
    expect(form).to_have_count(0)
    night = ends.schedule(
        name="At night",
        mapping_id=mapping,
        cron_expression="30 2 * * *",
        timezone="Europe/Berlin",
        missed_policy="once",
        overlap_policy="allow",
    )
    [mornings] = [one for one in ends.call("GET", "/schedules/") if one["name"] == "Berlin mornings"]

    # A weekend passes, and both nights on which the clock changes.
    monday = dt.datetime.fromisoformat(mornings["next_run_at"].replace("Z", "+00:00"))
    for begin in (monday, dt.datetime(2027, 3, 28, tzinfo=dt.UTC), dt.datetime(2027, 10, 31, tzinfo=dt.UTC)):
        for minute in range(150):
            schedule_fires.tick(ctx, now=begin + dt.timedelta(minutes=minute))
    fired = Counter(
        (one["trigger"]["name"], one["trigger"]["fire_time"])
        for one in ctx.store.find(EXECUTIONS.name)
        if one["trigger"]["name"]
    )
    assert set(fired.values()) == {1}
    assert fired[("Berlin mornings", monday)] == 1
    for date in (SPRING, AUTUMN):
        assert sum(at.date() == date for name, at in fired if name == "At night") == 1, fired

    for run in ends.call("GET", f"/executions/?trigger_id={night}")["items"]:
        assert ends.wait(run["_id"])["status"] == "partial"
    open_at(page, server, "/schedules")
    card = page.locator("[data-card]").filter(has=page.get_by_role("heading", name="At night"))
    card.get_by_role("link", name="all its runs").click()
    expect(page.locator("[data-card]")).to_have_count(sum(name == "At night" for name, _ in fired))
    expect(page.locator("[data-card]").first).to_contain_text("People of the shop")
    assert postgres_server.sql("SELECT count(*), count(DISTINCT id) FROM people", database="story") == [
        (PEOPLE - 1,) * 2
    ]
