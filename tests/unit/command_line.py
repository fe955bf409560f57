"""Runs `etl-engine` in this process or in one of its own, in an installation of the test's own."""

import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from log_state import everything_as_it_was

from etl_engine import cli, wiring
from etl_engine.services.context import Context

COMMAND = [sys.executable, "-m", "etl_engine.cli"]


@dataclass
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


class _Terminal(io.TextIOWrapper):
    """Standard input that a person types at."""

    def isatty(self) -> bool:
        return True


@dataclass
class CommandLine:
    """A folder with an installation in it."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, stdin: str | bytes = "", terminal: bool = False) -> Answer:
        """In this process: quick."""
        self.capsys.readouterr()
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        with everything_as_it_was(), self.monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", (_Terminal if terminal else io.TextIOWrapper)(io.BytesIO(raw)))
            patch.setattr(wiring, "_engine", None)
            code = cli.run(list(arguments))
            if wiring._engine is not None:
                wiring._engine.close()
        written = self.capsys.readouterr()
        return Answer(code, written.out, written.err)

    def process(self, *arguments: str, stdin: str = "", **variables: str) -> Answer:
        """In a process of its own: as people run it."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.variables(**variables),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def variables(self, **more: str) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "DATA_DIR": str(self.folder / "data"), **self.environment, **more}

    @contextmanager
    def context(self) -> Iterator[Context]:
        """The services, past the command line: for arranging and for looking."""
        with self.monkeypatch.context() as patch:
            patch.setattr(wiring, "_engine", None)
            engine = wiring.engine()
            try:
                yield engine.context()
            finally:
                engine.close()

    def database(self, name: str = "shop.db") -> Path:
        """A SQLite file where connections may reach it."""
        path = self.folder / "data" / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER)")
        connection.close()
        return path
