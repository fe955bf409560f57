"""`scripts/services`: a private PostgreSQL and MariaDB for trying things by hand, in `.services/`."""

import argparse
import dataclasses
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers import (
    HOST,
    MariadbServer,
    MissingBinary,
    PostgresServer,
    Server,
    free_port,
    start_mariadb,
    start_postgres,
    wait_until,
)

FOLDER = Path(__file__).parents[1] / ".services"
USER, PASSWORD, DATABASE = "etl", "etl-demo", "shop"
STOP_SECONDS = 20.0
ORDERS = (
    "CREATE TABLE orders (id int PRIMARY KEY, customer varchar(80) NOT NULL, amount decimal(12, 2) NOT NULL,"
    " ordered_at timestamp NOT NULL)",
    "INSERT INTO orders VALUES (1, 'Ada', 19.90, '2026-01-05 09:30:00'), (2, 'Grace', 250.00, '2026-01-06 14:05:00'),"
    " (3, 'Edsger', 7.25, '2026-01-07 08:00:00')",
)


@dataclass(frozen=True)
class Service:
    """One server for hand testing: where it lives, how it starts, what it holds the first time."""

    name: str
    title: str
    scheme: str
    port: int  # that it gets when nobody else has it
    start: Callable[..., Server]
    stop_signal: signal.Signals
    fill: Callable[[Any], None]

    root: Path = FOLDER

    @property
    def folder(self) -> Path:
        return self.root / self.name

    def state(self) -> dict[str, Any]:
        """Port and process of the running server; empty where there is none."""
        try:
            state: dict[str, Any] = json.loads((self.folder / "service.json").read_text())
            # A number can belong to another process by now: only one that works in this folder is ours.
            words = Path(f"/proc/{state['pid']}/cmdline").read_bytes() if Path("/proc").exists() else b""
            os.kill(state["pid"], 0)
        except (OSError, ValueError):
            return {}
        return state if not words or str(self.folder).encode() in words else {}


def fill_postgres(server: PostgresServer) -> None:
    if server.sql("SELECT 1 FROM pg_roles WHERE rolname = 'etl'"):
        return
    server.sql(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'", f"CREATE DATABASE {DATABASE}")
    grants = (f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {USER}", f"GRANT CREATE ON SCHEMA public TO {USER}")
    server.sql(*ORDERS, *grants, database=DATABASE)


def fill_mariadb(server: MariadbServer) -> None:
    if server.sql("SELECT 1 FROM mysql.user WHERE User = 'etl'"):
        return
    server.sql(
        f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'", f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4"
    )
    server.sql(*ORDERS, f"GRANT ALL ON {DATABASE}.* TO {USER}@'%'", database=DATABASE)


SERVICES = (
    Service("postgresql", "PostgreSQL", "postgresql", 15432, start_postgres, signal.SIGINT, fill_postgres),
    Service("mariadb", "MariaDB", "mysql", 13306, start_mariadb, signal.SIGTERM, fill_mariadb),
)


def up(service: Service) -> bool:
    if not service.state():
        try:
            server = service.start(service.folder, port=_port(service.port), dies_with_us=False)
        except (MissingBinary, RuntimeError, TimeoutError) as error:
            print(f"{service.title}: {error}", file=sys.stderr)
            return False
        service.fill(server)
        state = {"pid": server.pid, "port": server.port, "user": server.user, "password": server.password}
        (service.folder / "service.json").write_text(json.dumps(state))
    return status(service)


def down(service: Service) -> bool:
    state = service.state()
    if state:
        os.kill(state["pid"], service.stop_signal)
        wait_until(lambda: not service.state(), STOP_SECONDS, f"the end of {service.title}")
    (service.folder / "service.json").unlink(missing_ok=True)
    print(f"{service.title}: {'stopped' if state else 'not running'}")
    return True


def wipe(service: Service) -> bool:
    """Stop the server and delete what it holds."""
    down(service)
    shutil.rmtree(service.folder, ignore_errors=True)
    return True


def status(service: Service) -> bool:
    state = service.state()
    if not state:
        print(f"{service.title}: not running")
        return False
    print(
        f"{service.title}: {HOST}:{state['port']} (process {state['pid']})\n"
        f"  login     {service.scheme}://{USER}:{PASSWORD}@{HOST}:{state['port']}/{DATABASE}\n"
        f"  superuser {state['user']}, password {state['password']}\n"
        f"  CA        {service.folder / 'data' / 'ca.crt'}\n"
        f"  log       {service.folder / 'server.log'}"
    )
    return True


def _port(wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            return free_port()
    return wanted


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/services",
        description="A private PostgreSQL and MariaDB for trying things by hand, on loopback, in .services/.",
    )
    parser.add_argument(
        "action",
        choices=("up", "down", "status", "wipe"),
        help="up: start what is not running and print the logins; down: stop, keeping the data; "
        "status: print what runs; wipe: stop and delete the data",
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the servers live (default: .services)")
    arguments = parser.parse_args()
    action = {"up": up, "down": down, "status": status, "wipe": wipe}[arguments.action]
    done = [action(dataclasses.replace(service, root=arguments.folder.absolute())) for service in SERVICES]
    return 0 if all(done) else 1


if __name__ == "__main__":
    raise SystemExit(main())
