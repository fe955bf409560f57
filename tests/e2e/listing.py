"""The connections list as tests use it."""

import re
import sqlite3
from pathlib import Path

from playwright.sync_api import Locator, Page, expect
from running import Server

from etl_engine.services import connections
from etl_engine.services.connection_documents import as_config
from etl_engine.services.context import Context

SHOWN = "[data-view]:not([hidden]) "  # the list is in the page twice: as cards and as a table


def open_list(page: Page, server: Server, address: str = "/") -> None:
    page.goto(server.url + address)
    expect(page.locator(".sidebar .engine")).to_have_attribute("data-mood", "ready", timeout=15_000)


def cards(page: Page) -> Locator:
    return page.locator(SHOWN + "[data-card]")


def titles(page: Page) -> Locator:
    return page.locator(SHOWN + "[data-name]")


def card(page: Page, name: str) -> Locator:
    return cards(page).filter(has=page.get_by_role("heading", name=name, exact=True))


def expect_names(page: Page, *wanted: str) -> None:
    """In this order, and no others."""
    expect(titles(page)).to_have_text(list(wanted))


def expect_address(page: Page, query: str) -> None:
    expect(page).to_have_url(re.compile(re.escape(query) + "$"))


def sqlite_connection(ctx: Context, server: Server, name: str, file: str = "there.db", there: bool = True) -> str:
    """A stored connection to a SQLite file that is there, or is not; answers its id."""
    root = server.folder / "data" / "files"
    if there and not (root / file).exists():
        root.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(root / file) as database:
            database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        database.close()
    return connections.create(ctx, as_config({"name": name, "db_type": "sqlite", "database": file})).id


def server_connection(ctx: Context, name: str, db_type: str, port: int, **values: str) -> str:
    """A stored connection to a server on this machine; answers its id."""
    fields = {"host": "127.0.0.1", "database": "shop", "username": "reader", "password": "pw"} | values
    return connections.create(ctx, as_config({"name": name, "db_type": db_type, "port": port, **fields})).id


def folder_of_files(server: Server) -> Path:
    return server.folder / "data" / "files"
