"""The connection form in a real browser, with a production build and real databases."""

import contextlib
import json
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe
import psycopg2
import pytest
from conftest import Watch
from form_page import Api, FormPage
from playwright.sync_api import BrowserContext, Page, WebSocket, expect
from running import CHECKOUT, SECOND_BUILD, SHARED_BUILD, Server, running
from scripted import Scripted, silent
from servers import MariadbServer, PostgresServer

from etl_engine.ui.connection_form.containers import in_container

PHONE = {"viewport": {"width": 390, "height": 844}, "reduced_motion": "reduce"}
LOOKS = [
    {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    for scheme in ("light", "dark")
    for width in (1440, 390)
]
CANARY = "pl4nted-c4nary/?#@:%'\""


@pytest.fixture(scope="module")
def postgres(postgres_server: PostgresServer) -> dict[str, Any]:
    postgres_server.sql("DROP ROLE IF EXISTS form_reader", f"CREATE ROLE form_reader LOGIN PASSWORD {quoted(CANARY)}")
    with contextlib.suppress(psycopg2.errors.DuplicateDatabase):
        postgres_server.sql("CREATE DATABASE form_shop")
    return login(postgres_server.port)


@pytest.fixture(scope="module")
def mariadb(mariadb_server: MariadbServer) -> dict[str, Any]:
    mariadb_server.sql(
        "CREATE DATABASE IF NOT EXISTS form_shop",
        f"CREATE OR REPLACE USER form_reader@'127.0.0.1' IDENTIFIED BY {quoted(CANARY)}",
        "GRANT SELECT ON form_shop.* TO form_reader@'127.0.0.1'",
    )
    return login(mariadb_server.port)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def login(port: int) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "database": "form_shop", "username": "form_reader", "password": CANARY}


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    api = Api(server)
    yield api
    api.clear()


@pytest.fixture
def form(page: Page, server: Server, api: Api) -> FormPage:
    return FormPage(page, server)


@pytest.fixture
def stored(api: Api, postgres: dict[str, Any]) -> str:
    return api.create(name="Orders", db_type="postgresql", **postgres)


@pytest.fixture
def mute() -> Iterator[Scripted]:
    """A server that accepts and says nothing, for as long as somebody waits."""
    with Scripted(silent) as server:
        yield server


def test_a_postgresql_connection_is_made_tested_and_saved(
    form: FormPage, page: Page, server: Server, api: Api, postgres: dict[str, Any]
) -> None:
    page.goto(server.url)
    page.get_by_role("button", name="New Connection").first.click()
    form.ready()
    assert "new=" in page.url
    expect(form.dialog.get_by_role("heading", level=2, name="New connection")).to_be_visible()
    form.field("db_type").select_option("postgresql")
    expect(form.field("port")).to_have_value("5432")
    form.fill(name="Orders", **postgres)
    form.passes()
    expect(form.outcome).to_contain_text("Connected to PostgreSQL 15")
    expect(form.outcome).to_contain_text(re.compile("PostgreSQL 15.* on "))
    expect(form.dialog.locator(".rung.pass, .rung.warn")).to_have_count(7)
    form.save_button.click()
    form.closed()
    expect(page.get_by_text("Saved Orders")).to_be_visible()
    assert "new=" not in page.url
    (saved,) = api.all()
    assert (saved["name"], saved["last_test_status"], saved["password"]) == ("Orders", "success", "********")


def test_a_mariadb_connection_is_made_tested_and_saved(form: FormPage, api: Api, mariadb: dict[str, Any]) -> None:
    form.open("mysql")
    expect(form.field("port")).to_have_value("3306")
    form.fill(name="Shop", **mariadb)
    form.passes()
    expect(form.outcome).to_contain_text("Connected to MariaDB 1")
    form.save_button.click()
    form.closed()
    assert [one["db_type"] for one in api.all()] == ["mysql"]


def test_what_is_saved_was_tested_to_the_letter(form: FormPage, postgres: dict[str, Any]) -> None:
    form.open()
    expect(form.save_button).to_be_disabled()
    form.fill(name="Orders", **postgres)
    expect(form.save_button).to_be_disabled()
    form.passes()
    for name in ("host", "port", "database", "username", "password"):
        form.field(name).press("End")
        form.field(name).press_sequentially("x")
        expect(form.save_button).to_be_disabled()
        expect(form.dialog.get_by_text("The form has changed since this test")).to_be_visible()
        form.field(name).press("Backspace")
        expect(form.save_button).to_be_disabled()
        form.passes()
    form.unfold("TLS and advanced")
    form.field("tls_mode").select_option("require")
    expect(form.save_button).to_be_disabled()
    form.passes()
    form.fill(name="Other")
    expect(form.save_button).to_be_enabled()


def test_a_double_click_saves_once(form: FormPage, page: Page, api: Api, postgres: dict[str, Any]) -> None:
    form.open()
    form.fill(name="Orders", **postgres)
    form.passes()
    form.save_button.dblclick()
    form.closed()
    expect(page.get_by_text("Saved Orders")).to_have_count(1)
    assert len(api.all()) == 1


def test_an_edit_keeps_the_secret_on_the_server_and_is_tested_again(form: FormPage, api: Api, stored: str) -> None:
    form.edit(stored)
    expect(form.field("host")).to_have_value("127.0.0.1")
    expect(form.field("database")).to_have_value("form_shop")
    expect(form.field("password")).to_have_value("")
    expect(form.field("password")).to_have_attribute("placeholder", re.compile("Unchanged"))
    expect(form.save_button).to_be_disabled()
    form.fill(database="postgres")
    expect(form.save_button).to_be_disabled()
    form.passes()
    form.save_button.click()
    form.closed()
    (saved,) = api.all()
    assert (saved["database"], saved["last_test_status"]) == ("postgres", "success")
    assert api.call("POST", f"{stored}/test")["success"]


def test_another_test_stands_beside_the_one_before(form: FormPage, page: Page, api: Api, stored: str) -> None:
    assert api.call("POST", f"{stored}/test")["success"]
    form.edit(stored)
    login = form.rung("Login")
    expect(login).to_contain_text("was OK just now")  # as it is stored
    form.fill(password="not the password")
    form.test()
    expect(login).to_have_class("rung fail")
    expect(login).to_contain_text("was OK just now")
    form.fill(password=CANARY)
    form.passes()
    expect(login).to_contain_text("had failed just now")
    expect(form.rung("Port")).not_to_contain_text("was OK")  # good then and now is no news


def test_a_host_that_is_this_container_says_so(form: FormPage) -> None:
    form.open()
    advice = form.dialog.locator("#form-host-hint.advice")
    form.fill(host="localhost")
    form.field("port").focus()
    expect(form.field("host")).not_to_have_attribute("aria-invalid", "true")
    expect(advice).to_have_count(1 if in_container() else 0)
    if in_container():
        expect(form.field("host")).to_have_accessible_description(re.compile("runs in a container"))
        assert axe.findings(form.page) == []
    form.fill(host="db.example.com")
    form.field("port").focus()
    expect(advice).to_have_count(0)


def test_a_rename_alone_needs_no_test(form: FormPage, api: Api, stored: str) -> None:
    form.edit(stored)
    form.fill(name="Renamed")
    expect(form.save_button).to_be_enabled()
    form.save_button.click()
    form.closed()
    assert [one["name"] for one in api.all()] == ["Renamed"]


def test_a_stored_client_key_can_be_taken_away(form: FormPage, api: Api, postgres: dict[str, Any]) -> None:
    connection = api.create(name="Keyed", db_type="postgresql", **postgres, tls_cert="CERT", tls_key="KEY")
    form.edit(connection)
    expect(form.field("tls_cert")).to_be_visible()  # what is set by hand is not folded away
    form.fill(tls_cert="")
    form.dialog.get_by_label("Remove what is stored").check()
    form.passes()
    form.save_button.click()
    form.closed()
    (saved,) = api.all()
    assert (saved["tls_cert"], saved["tls_key"]) == (None, None)


def test_a_taken_name_is_said_at_its_field(form: FormPage, api: Api, stored: str, postgres: dict[str, Any]) -> None:
    form.open()
    form.fill(name=" oRDERS ", **postgres)
    expect(form.problem("name")).to_contain_text("is taken by the PostgreSQL connection 'Orders'")
    form.fill(name="Fresh")
    form.field("host").focus()
    expect(form.problem("name")).to_have_count(0)
    form.passes()
    other = api.create(name="Fresh", db_type="postgresql", **postgres)
    form.save_button.click()
    expect(form.problem("name")).to_contain_text(f"is taken by the connection 'Fresh' ({other})")
    expect(form.field("name")).to_be_focused()
    expect(form.field("name")).to_have_attribute("aria-invalid", "true")
    form.fill(name="Fresher")
    form.save_button.click()
    form.closed()
    assert sorted(one["name"] for one in api.all()) == ["Fresh", "Fresher", "Orders"]


def test_a_field_is_checked_when_it_is_left_and_not_before(form: FormPage) -> None:
    form.open()
    form.field("host").press_sequentially("https://x")
    expect(form.problem("host")).to_have_count(0)
    form.field("port").focus()
    expect(form.problem("host")).to_have_text("Host must be a host name alone, without a scheme or a path.")
    expect(form.field("host")).to_have_attribute("aria-describedby", "form-host-problem")
    form.fill(port="3306abc")
    form.field("password").focus()
    expect(form.problem("port")).to_have_text("Port must be a whole number.")
    form.field("username").focus()
    expect(form.problem("password")).to_have_text("Password is required.")
    form.fill(password="x")
    expect(form.problem("password")).to_have_count(0)
    form.field("host").fill("db.example.com")
    form.field("port").focus()
    expect(form.problem("host")).to_have_count(0)


def test_the_first_wrong_field_takes_the_focus(form: FormPage) -> None:
    form.open()
    form.fill(name="Orders", host="127.0.0.1", database="x", username="y", password="z")
    form.unfold("TLS and advanced")
    form.fill(tls_server_name="a,b")
    form.unfold("TLS and advanced")
    expect(form.problem("tls_server_name")).to_be_visible()  # a problem is never folded away
    form.test_button.click()
    expect(form.field("tls_server_name")).to_be_focused()
    expect(form.problem("tls_server_name")).to_contain_text("must be one host")
    form.fill(host="")
    form.test_button.click()
    expect(form.field("host")).to_be_focused()
    expect(form.outcome).to_have_count(0)


def test_the_kind_brings_its_fields_and_keeps_what_was_typed(form: FormPage) -> None:
    form.open("mysql")
    form.fill(name="Orders", host="db.example.com", database="shop", username="me", password="secret")
    form.field("db_type").select_option("postgresql")
    expect(form.field("port")).to_have_value("5432")
    assert "new=postgresql" in form.page.url
    form.fill(port="6000")
    form.field("db_type").select_option("mysql")
    expect(form.field("port")).to_have_value("6000")
    for name, value in {"host": "db.example.com", "username": "me", "password": "secret"}.items():
        expect(form.field(name)).to_have_value(value)
    form.field("db_type").select_option("sqlite")
    expect(form.field("host")).to_have_count(0)
    expect(form.field("name")).to_have_value("Orders")
    expect(form.dialog.get_by_label("Database file")).to_be_visible()


def test_it_all_goes_by_keyboard(form: FormPage, page: Page, api: Api, postgres: dict[str, Any]) -> None:
    form.open("mysql")
    keys = page.keyboard
    keys.type("Orders")
    keys.press("Tab")
    expect(form.field("db_type")).to_be_focused()
    form.field("db_type").press("P")  # the browser's own way to choose
    expect(form.field("db_type")).to_have_value("postgresql")
    for name in ("host", "port", "database", "username", "password"):
        keys.press("Tab")
        expect(form.field(name)).to_be_focused()
        keys.press("Control+A")
        keys.type(str(postgres[name]))
    keys.press("Tab")
    expect(form.dialog.get_by_role("button", name="Show password")).to_be_focused()
    keys.press("Enter")
    expect(form.field("password")).to_have_attribute("type", "text")
    keys.press("Control+Enter")
    expect(form.outcome).to_have_class("outcome good")
    keys.press("Control+Enter")
    form.closed()
    assert [one["name"] for one in api.all()] == ["Orders"]


def test_the_focus_stays_inside_and_goes_back_to_where_it_came_from(form: FormPage, page: Page, server: Server) -> None:
    page.goto(server.url)
    opener = page.get_by_role("button", name="New Connection").first
    opener.click()
    form.ready()
    for _ in range(24):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('[role=dialog]') !== null")
    page.keyboard.press("Escape")
    form.closed()
    expect(opener).to_be_focused()


def test_changes_are_not_lost_by_accident(form: FormPage, page: Page) -> None:
    page.goto(form.server.url)
    page.get_by_role("button", name="New Connection").first.click()
    form.ready()
    question = form.dialog.get_by_text("Your changes will be lost")
    keep, discard = (form.dialog.get_by_role("button", name=name) for name in ("Keep editing", "Discard"))
    form.fill(host="db.example.com")
    page.keyboard.press("Escape")
    expect(question).to_be_visible()
    expect(keep).to_be_focused()
    keep.click()
    expect(question).to_have_count(0)
    expect(form.field("host")).to_be_focused()
    page.mouse.click(4, 4)
    expect(question).to_be_visible()
    page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    page.go_back()
    expect(question).to_be_visible()
    assert "new=" in page.url
    keep.click()
    expect(form.field("host")).to_have_value("db.example.com")
    form.dialog.get_by_role("button", name="Close").click()
    discard.click()
    form.closed()
    assert "new=" not in page.url


def test_a_reload_asks_first_and_begins_afresh(form: FormPage, page: Page, postgres: dict[str, Any]) -> None:
    form.open()
    form.fill(name="Orders", **postgres)
    form.passes()
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    form.ready()
    assert asked == ["beforeunload"]
    expect(form.field("host")).to_have_value("")
    expect(form.save_button).to_be_disabled()
    expect(form.outcome).to_have_count(0)
    page.reload()  # nothing was typed: nothing to lose
    form.ready()
    assert asked == ["beforeunload"]


def test_back_closes_and_forward_opens(form: FormPage, page: Page, server: Server) -> None:
    page.goto(server.url + "/?q=shop")
    page.get_by_role("button", name="New Connection").first.click()
    form.ready()
    assert "q=shop" in page.url and "new=" in page.url
    page.go_back()
    form.closed()
    assert page.url.endswith("/?q=shop")
    page.go_forward()
    form.ready()
    page.keyboard.press("Escape")
    form.closed()
    assert page.url.endswith("/?q=shop")


def test_a_link_to_nothing_says_so_and_leaves_a_clean_address(form: FormPage, page: Page, server: Server) -> None:
    for query, words in (("edit=" + "0" * 24, "There is no connection"), ("new=oracle", "There is no kind 'oracle'")):
        page.goto(f"{server.url}/?{query}")
        expect(page.get_by_text(words).first).to_be_visible()
        expect(page).to_have_url(server.url + "/")
        form.closed()


@pytest.mark.parametrize("context", [{"permissions": ["clipboard-read", "clipboard-write"]}], indirect=True, ids=[""])
def test_whatever_is_pasted_fills_the_form(form: FormPage, page: Page, api: Api, postgres: dict[str, Any]) -> None:
    received: list[str] = []
    page.on("websocket", lambda socket: listen(socket, received))
    form.open("mysql")
    secret = urllib.parse.quote(CANARY, safe="")
    url = "postgresql://{username}:{secret}@{host}:{port}/{database}".format(**postgres, secret=secret)
    page.evaluate("text => navigator.clipboard.writeText(text)", url)
    box = form.dialog.get_by_label("Paste anything")
    box.focus()
    page.keyboard.press("Control+V")
    expect(form.dialog.locator(".chips li")).to_have_text(["Type", "Host", "Port", "Database", "Username", "Password"])
    expect(box).to_have_value("")
    expect(form.field("db_type")).to_have_value("postgresql")
    for name, value in postgres.items():
        expect(form.field(name)).to_have_value(str(value))
    form.passes()
    form.save_button.click()
    form.closed()
    assert api.call("POST", f"{api.all()[0]['_id']}/test")["success"]
    (back,) = [text for text in received if CANARY.partition("/")[0] in text]
    assert '"_set_value"' in back  # into the field, once
    assert CANARY.partition("/")[0] not in json.dumps(json.loads(back[back.index("[") :])[1].get("delta"))


def test_what_the_box_does_not_understand_it_says(form: FormPage, page: Page) -> None:
    form.open()
    box = form.dialog.get_by_label("Paste anything")
    box.fill("just some words")
    box.press("Enter")
    told = form.dialog.locator(".paste-told")
    expect(told).to_contain_text("No database is described in this text")
    expect(told).to_contain_text("Paste a URL (postgres://…, mysql://…, jdbc:…)")
    expect(box).to_have_value("")
    box.fill("mysql://me@db.example.com/shop?colour=red")
    box.press("Enter")
    expect(told).to_contain_text("Not used: colour.")
    expect(form.field("host")).to_have_value("db.example.com")
    expect(form.field("name")).to_have_value("shop on db.example.com")


def test_the_ladder_climbs_before_our_eyes_and_can_be_stopped(form: FormPage, page: Page, mute: Scripted) -> None:
    form.open()
    form.fill(name="Silent", host="127.0.0.1", port=mute.port, database="x", username="y", password="z")
    form.test_button.click()
    expect(form.rung("Port")).to_have_class("rung pass")
    expect(form.rung("Encryption")).to_have_class("rung running")
    expect(form.cancel_button.locator(".spin")).to_be_visible()
    form.cancel_button.click()
    expect(form.rung("Encryption")).to_have_class("rung skipped", timeout=1_000)
    expect(form.rung("Encryption")).to_contain_text("Cancelled")
    mute.wait_until_all_have_gone(1.0)
    form.test_button.click()
    expect(form.rung("Encryption")).to_have_class("rung running")
    page.keyboard.press("Escape")
    expect(form.rung("Encryption")).to_have_class("rung skipped", timeout=1_000)
    expect(form.dialog).to_be_visible()
    mute.wait_until_all_have_gone(1.0)
    form.test_button.click()
    expect(form.rung("Encryption")).to_have_class("rung running")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    form.dialog.get_by_role("button", name="Discard").click()
    form.closed()
    mute.wait_until_all_have_gone(1.0)


def test_a_setup_guide_names_what_was_typed(form: FormPage) -> None:
    form.open()
    form.fill(username="reader", database="shop")
    form.field("password").focus()
    form.unfold("How to prepare the server")
    expect(form.dialog.locator(".commands").first).to_contain_text('CREATE ROLE "reader" LOGIN')
    expect(form.dialog.locator(".commands").first).to_contain_text('ON DATABASE "shop"')


@pytest.mark.parametrize("context", [{"permissions": ["clipboard-read", "clipboard-write"]}], indirect=True, ids=[""])
def test_what_to_do_can_be_copied(form: FormPage, page: Page, postgres: dict[str, Any]) -> None:
    form.open()
    form.fill(name="Orders", **postgres | {"password": "wrong"})
    form.test()
    form.outcome.get_by_role("button", name="Copy report").click()
    expect(form.outcome.get_by_role("button", name="Copied")).to_be_visible()
    report = page.evaluate("navigator.clipboard.readText()")
    assert "| Login | Failed |" in report and "form_reader" in report
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')) }")
    form.outcome.get_by_role("button", name="Copy what to do").click()
    expect(form.outcome.locator(".copy.done")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith("Type the password again")


def test_somebody_elses_change_is_not_overwritten(form: FormPage, page: Page, api: Api, stored: str) -> None:
    form.edit(stored)
    form.fill(database="postgres")
    form.passes()
    api.call("PUT", stored, {"name": "Theirs", "tls_mode": "require"})
    form.save_button.click()
    expect(form.dialog.get_by_role("alert")).to_contain_text("changed by somebody else")
    form.dialog.get_by_role("button", name="Load the new values").click()
    expect(form.field("name")).to_have_value("Theirs")
    expect(form.field("tls_mode")).to_have_value("require")
    expect(form.field("database")).to_have_value("postgres")
    expect(form.save_button).to_be_disabled()
    form.passes()
    form.save_button.click()
    form.closed()
    (saved,) = api.all()
    assert (saved["name"], saved["database"], saved["tls_mode"]) == ("Theirs", "postgres", "require")


@pytest.mark.parametrize("context", [PHONE], indirect=True, ids=["phone"])
def test_it_all_goes_on_a_phone(form: FormPage, page: Page, api: Api, postgres: dict[str, Any]) -> None:
    form.open()
    box = form.dialog.bounding_box()
    assert box and (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 390, 844)
    assert page.evaluate("document.querySelector('.connection-form').scrollWidth") <= 390
    form.fill(name="Orders", **postgres | {"database": "nowhere"})
    form.test()
    expect(form.outcome).to_be_in_viewport()
    form.fill(database="form_shop")
    form.passes()
    expect(form.outcome).to_be_in_viewport()
    expect(form.save_button).to_be_in_viewport()
    form.save_button.click()
    form.closed()
    assert len(api.all()) == 1


@pytest.mark.parametrize(
    "context", LOOKS, indirect=True, ids=lambda look: f"{look['color_scheme']}-{look['viewport']['width']}"
)
def test_nothing_in_the_form_stands_in_the_way_of_a_screen_reader(
    form: FormPage, page: Page, stored: str, postgres: dict[str, Any]
) -> None:
    page.emulate_media(reduced_motion="reduce")  # colours are measured at rest
    form.open()
    assert axe.findings(page) == []
    form.unfold("TLS and advanced")
    form.unfold("How to prepare the server")
    assert axe.findings(page) == []
    form.test_button.click()
    expect(form.problem("host")).to_be_visible()
    assert axe.findings(page) == []
    form.fill(name="Other", **postgres | {"password": "wrong"})
    form.test()
    assert axe.findings(page) == []
    form.fill(password=CANARY)
    expect(form.dialog.locator(".outdated")).to_be_visible()
    assert axe.findings(page) == []
    form.passes()
    assert axe.findings(page) == []
    page.keyboard.press("Escape")
    expect(form.dialog.get_by_role("alertdialog")).to_be_visible()
    assert axe.findings(page) == []
    form.dialog.get_by_role("button", name="Discard").click()
    form.edit(stored)
    assert axe.findings(page) == []


def test_a_planted_password_stays_where_it_belongs(
    form: FormPage, page: Page, context: BrowserContext, server: Server, api: Api, postgres: dict[str, Any]
) -> None:
    received, addresses = [], []
    page.on("websocket", lambda socket: listen(socket, received))
    page.on("framenavigated", lambda frame: addresses.append(frame.url))
    form.open()
    form.fill(name="Orders", **postgres | {"password": CANARY + "-wrong"})
    form.test()
    form.fill(password=CANARY)
    form.fill(name="")
    form.test_button.click()
    expect(form.problem("name")).to_be_visible()
    form.fill(name="Orders")
    form.passes()
    form.save_button.click()
    form.closed()
    form.edit(api.all()[0]["_id"])
    form.fill(password=CANARY)
    form.passes()
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, history.state, document.cookie])")
    page.close()  # which makes the server write what it still holds of this page
    words = [CANARY, CANARY.partition("/")[0]]
    everything = [*received, *addresses, kept, server.log]
    assert len(received) > 20
    assert not [text for text in everything for word in words if word in text]
    folders = [
        server.folder,
        CHECKOUT / ".states",
        CHECKOUT / SHARED_BUILD / "build",
        CHECKOUT / SHARED_BUILD / "public",
    ]
    searched = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert any(path.is_relative_to(server.folder / "states") for path in searched)
    assert not [path for path in searched for word in words if word.encode() in path.read_bytes()]


def test_a_server_that_is_started_anew_finds_the_form_as_it_was(page: Page, watch: Watch, tmp_path: Path) -> None:
    own = Server(tmp_path / "own", build=SECOND_BUILD)
    watch.allow_origin(urllib.parse.urlsplit(own.url).netloc)
    watch.tolerate("WebSocket connection")
    form = FormPage(page, own)
    with running(own):
        form.open("mysql")
        form.fill(name="Orders", host="db.example.com", password=CANARY)
        form.dialog.locator("form").evaluate("form => { form.dataset.old = '' }")
        own.terminate()
    with running(own):
        expect(form.dialog.locator("form:not([data-old])")).to_be_visible(timeout=30_000)
        form.ready()
        for name, value in {"name": "Orders", "host": "db.example.com", "password": CANARY, "port": "3306"}.items():
            expect(form.field(name)).to_have_value(value)
        page.keyboard.press("Escape")
        expect(form.dialog.get_by_text("Your changes will be lost")).to_be_visible()


def listen(websocket: WebSocket, received: list[str]) -> None:
    websocket.on("framereceived", lambda frame: received.append(frame if isinstance(frame, str) else repr(frame)))
