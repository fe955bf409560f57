"""Servers that the store's tests need beyond `servers.py`: databases, and a MongoDB emulator that speaks over TCP."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymongo
from servers import free_port, wait_until

TEST_MONGO_URI = os.environ.get("TEST_MONGO_URI", "")
_made = 0


def new_database(server: Any) -> str:
    """The URL of a new database on a private PostgreSQL server."""
    global _made  # noqa: PLW0603 - a name per database
    _made += 1
    name = f"store_{os.getpid()}_{_made}"
    server.sql(f"CREATE DATABASE {name}")
    return f"postgresql://{server.user}:{server.password}@{server.host}:{server.port}/{name}"


@contextmanager
def nx_27017(folder: Path, port: int = 0) -> Iterator[str]:
    """A MongoDB wire server over SQLite; answers its URL."""
    port = port or free_port()
    program = str(Path(sys.executable).with_name("nx-27017"))
    own = ["--data-dir", str(folder / "nx"), "--pid-file", str(folder / "nx.pid"), "--log-file", str(folder / "nx.log")]
    command = [program, "--port", str(port), *own]
    with (folder / "nx.out").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: process.poll() is not None or _answers(port), 20, "the start of nx-27017")
        assert process.poll() is None, (folder / "nx.out").read_text()
        yield f"mongodb://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    with pymongo.MongoClient("127.0.0.1", port, serverSelectionTimeoutMS=500) as client:
        try:
            return bool(client.admin.command("ping")["ok"])
        except pymongo.errors.PyMongoError:
            return False
