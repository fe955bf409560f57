"""What a person sees when a connection cannot be made: which step, why, what to do, who can do it."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import pytest
from form_page import FormPage
from playwright.sync_api import Page, expect
from running import Server, free_port
from scripted import Scripted, answers, black_hole, my_greeting, pg_error, pg_refuses, says
from servers import MariadbServer, PostgresServer

PASSWORD = "fault-r3ader"
YOU, DBA, NETWORK = "You can do this", "For the database administrator", "For the network administrator"
PG_WITHOUT_TLS = pg_refuses(pg_error("28P01", "no"))
HTTP = answers(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@dataclass
class Fault:
    """One thing that is wrong, and what the screen must say about it."""

    step: str
    cause: str
    fix: str
    who: str
    marked: str = ""  # the field that points at the result
    values: dict[str, Any] = field(default_factory=dict)
    port: Callable[[], "contextlib.AbstractContextManager[int]"] | None = None


@contextlib.contextmanager
def port_of(script: Any) -> Iterator[int]:
    with Scripted(script) as server:
        yield server.port


def closed() -> "contextlib.AbstractContextManager[int]":
    return contextlib.nullcontext(free_port())


SHARED = {
    "unknown host": Fault(
        "Host name", "There is no host named no-such-host.test", "Check the spelling", YOU, "host",
        {"host": "no-such-host.test"},
    ),
    "closed port": Fault("Port", "Nothing listens on 127.0.0.1", "Check the port", YOU, "port", port=closed),
    "black hole": Fault("Port", "No answer from 127.0.0.1", "Let the firewall pass", NETWORK, port=black_hole),
    "a web server": Fault("Encryption", "HTTP", "Check the port", YOU, "port", port=lambda: port_of(HTTP)),
    "an unknown authority": Fault(
        "Encryption", "authority", "CA certificate", YOU, values={"tls_mode": "verify-full"}
    ),
}  # fmt: skip
POSTGRESQL = SHARED | {
    "wrong password": Fault(
        "Login", 'refused user "fault_reader"', "Type the password again", YOU, "password", {"password": "an0ther"}
    ),
    "no such database": Fault(
        "Database", 'There is no database "fault_shopp"', "fault_shop", YOU, "database", {"database": "fault_shopp"}
    ),
    "no TLS": Fault(
        "Encryption", "offers no TLS", "Switch TLS on at the server", DBA, "tls_mode",
        {"tls_mode": "require"}, lambda: port_of(PG_WITHOUT_TLS),
    ),
    "too many connections": Fault(
        "Login", "All connections of the server are in use", "pg_stat_activity", DBA,
        port=lambda: port_of(pg_refuses(pg_error("53300", "sorry, too many clients already"))),
    ),
    "rejected by pg_hba.conf": Fault(
        "Login", 'pg_hba.conf rejects user "rejected"', "pg_hba.conf", DBA, values={"username": "rejected"}
    ),
}  # fmt: skip
MYSQL = SHARED | {
    "wrong password": Fault(
        "Login", 'refused user "fault_reader"', "Type the password again", YOU, "password", {"password": "an0ther"}
    ),
    "no privilege on the database": Fault(
        "Database", "has no privilege on database \"mysql\"", "GRANT SELECT ON `mysql`.* TO 'fault_reader'", DBA,
        values={"database": "mysql"},
    ),
    "no such database": Fault(
        "Database", 'There is no database "fault_none"', 'Use the database "fault_shop"', YOU, "database",
        {"username": "fault_admin", "database": "fault_none"},
    ),
    "no TLS": Fault(
        "Encryption", "offers no TLS", "Switch TLS on at the server", DBA, "tls_mode",
        {"tls_mode": "require"}, lambda: port_of(says(my_greeting())),
    ),
    "TLS required": Fault(
        "Login", "only over TLS", "Choose the TLS mode require", YOU, "tls_mode",
        {"username": "fault_tls", "tls_mode": "disable"},
    ),
}  # fmt: skip
CASES = [("postgresql", name) for name in POSTGRESQL] + [("mysql", name) for name in MYSQL]
FAULTS = {"postgresql": POSTGRESQL, "mysql": MYSQL}


@pytest.fixture(scope="module")
def logins(postgres_server: PostgresServer, mariadb_server: MariadbServer) -> dict[str, dict[str, Any]]:
    with contextlib.suppress(psycopg2.errors.DuplicateDatabase):
        postgres_server.sql("CREATE DATABASE fault_shop")
    for role in ("fault_reader", "rejected"):
        with contextlib.suppress(psycopg2.errors.DuplicateObject):
            postgres_server.sql(f"CREATE ROLE {role} LOGIN")
        postgres_server.sql(f"ALTER ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    mariadb_server.sql(
        "CREATE DATABASE IF NOT EXISTS fault_shop",
        f"CREATE OR REPLACE USER fault_reader@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
        "GRANT SELECT ON fault_shop.* TO fault_reader@'127.0.0.1'",
        f"CREATE OR REPLACE USER fault_admin@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
        "GRANT ALL ON *.* TO fault_admin@'127.0.0.1'",
        f"CREATE OR REPLACE USER fault_tls@'127.0.0.1' IDENTIFIED BY '{PASSWORD}' REQUIRE SSL",
    )
    login = {"host": "127.0.0.1", "database": "fault_shop", "username": "fault_reader", "password": PASSWORD}
    return {"postgresql": login | {"port": postgres_server.port}, "mysql": login | {"port": mariadb_server.port}}


@pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{kind}: {name}" for kind, name in CASES])
def test_a_fault_is_named_with_its_repair(
    page: Page, server: Server, logins: dict[str, dict[str, Any]], kind: str, name: str
) -> None:
    fault, form = FAULTS[kind][name], FormPage(page, server)
    with fault.port() if fault.port else contextlib.nullcontext(logins[kind]["port"]) as port:
        form.open(kind)
        values = {"name": "Faulty", **logins[kind], "port": port, **fault.values}
        mode = values.pop("tls_mode", None)
        form.fill(**values)
        if mode:
            form.unfold("TLS and advanced")
            form.field("tls_mode").select_option(mode)
        form.test()
    expect(form.outcome).to_have_class("outcome bad")
    expect(form.outcome.get_by_role("heading")).to_have_text(f"{fault.step} failed")
    expect(form.rung(fault.step)).to_have_class("rung fail")
    expect(form.outcome).to_contain_text(fault.cause)
    expect(form.outcome.locator(".fix")).to_contain_text(fault.fix)
    expect(form.outcome.locator(".who")).to_have_text(fault.who)
    expect(form.outcome.get_by_role("button", name="Copy what to do")).to_be_visible()
    expect(form.save_button).to_be_disabled()
    pointed = form.dialog.locator("[aria-invalid=true]")
    expect(pointed).to_have_count(1 if fault.marked else 0)
    if fault.marked:
        expect(pointed).to_have_attribute("name", fault.marked)


def test_a_black_hole_is_left_within_a_second(page: Page, server: Server) -> None:
    form = FormPage(page, server)
    with black_hole() as port:
        form.open()
        form.fill(name="Hole", host="127.0.0.1", port=port, database="x", username="y", password="z")
        form.test_button.click()
        expect(form.rung("Port")).to_have_class("rung running")
        form.cancel_button.click()
        expect(form.test_button).to_be_visible(timeout=1_000)
        expect(form.rung("Port")).to_have_class("rung skipped", timeout=1_000)
