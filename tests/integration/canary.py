"""A planted password, every spelling it could leak in, and the places where it must not be.

The spellings are made here once more and not taken from `etl_engine.masking`: a form that was forgotten there must be
found here.
"""

import base64
import contextlib
import html
import io
import json
import os
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import structlog

from etl_engine.errors import EtlError
from etl_engine.model.collections import ALL
from etl_engine.services.context import Context
from etl_engine.wiring import Engine

# A head and a tail that are found even where the middle was cut out, cut off or written in another way.
HEAD, TAIL = "PL4NTED1", "PL4NTED2"
CANARY = HEAD + "/?#@:%é'\"\\`$&+={}<x> 漢" + TAIL


def _forms(secret: str) -> Iterator[bytes]:
    raw = secret.encode()
    yield raw
    for text in (
        quote(raw, safe=""),
        quote(raw),
        quote_plus(raw),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(secret))[3:-3],
        repr(secret)[1:-1],
        ascii(secret)[1:-1],
        repr(raw)[2:-1],
        html.escape(secret),
        secret.replace("'", "''"),
        raw.hex(),
        raw.hex().upper(),
    ):
        yield text.encode()
    yield secret.encode("utf-16-le")
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + raw).decode()
        core = encoded[(0, 2, 3)[offset] : (offset + len(raw)) * 8 // 6]
        yield core.encode()
        yield core.replace("+", "-").replace("/", "_").encode()


SPELLINGS = tuple(dict.fromkeys(form for secret in (CANARY, HEAD, TAIL) for form in _forms(secret)))


def leaks(data: bytes) -> list[bytes]:
    """The spellings of the planted password that are in there; letters count in either case."""
    lower = data.lower()
    return [form for form in SPELLINGS if form in data] + [
        text.lower().encode() for text in (HEAD, TAIL) if text.lower().encode() in lower and text.encode() not in data
    ]


@dataclass
class Surfaces:
    """Everything that somebody could read afterwards."""

    seen: list[tuple[str, bytes]] = field(default_factory=list)
    log: io.StringIO = field(default_factory=io.StringIO)

    def add(self, where: str, value: object) -> None:
        self.seen.append((where, value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")))

    def add_object(self, where: str, value: Any) -> None:
        """All the ways in which Python would print it."""
        self.add(f"str of {where}", str(value))
        self.add(f"repr of {where}", repr(value))
        for dump in ("model_dump", "model_dump_json"):
            if hasattr(value, dump):
                self.add(f"{dump} of {where}", getattr(value, dump)())

    def add_error(self, error: BaseException) -> None:
        """An error as a door would answer it, and as the log would print it, with all its causes."""
        if isinstance(error, EtlError):
            self.add_object("error", error)
            problems = [problem.as_dict() for problem in error.problems]
            self.add("its fields", [error.args, error.hint, error.context, problems])
            # Ours may be printed by anybody, so it must be clean all the way down, without any masking.
            self.add("its traceback", "".join(traceback.format_exception(error)))
        structlog.get_logger().error("it failed", exc_info=error, error=error)
        sys.excepthook(type(error), error, error.__traceback__)

    def add_folder(self, where: str, folder: Path) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.add(f"{where} {path.name}", path.read_bytes())

    def add_store(self, ctx: Context, folder: Path) -> None:
        """Documents, files, write-ahead log and a backup."""
        for collection in ALL:
            self.add(f"collection {collection.name}", ctx.store.find(collection.name))
        self.add_folder("store file", folder)
        backup = folder.parent / "backup.db"
        with (
            contextlib.closing(sqlite3.connect(folder / "etl_engine.db")) as source,
            contextlib.closing(sqlite3.connect(backup)) as target,
        ):
            source.backup(target)
        self.add("backup", backup.read_bytes())

    def add_process(self, pid: int | str = "self") -> None:
        for part in ("environ", "cmdline"):
            self.add(f"{part} of process {pid}", Path(f"/proc/{pid}/{part}").read_bytes())

    def assert_clean(self) -> None:
        self.add("log", self.log.getvalue())
        found = {where: forms for where, data in self.seen if (forms := leaks(data))}
        assert not found, f"the planted password is in: {found}"

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        with contextlib.redirect_stderr(self.log), contextlib.redirect_stdout(self.log):
            yield


@dataclass
class Scene:
    """One installation, one database server that knows the planted password, and what was seen of it."""

    kind: str
    engine: Engine
    folder: Path
    server: Any
    user: str
    surfaces: Surfaces = field(default_factory=Surfaces)

    @property
    def ctx(self) -> Context:
        return self.engine.context()

    def values(self, **changes: Any) -> dict[str, Any]:
        """A connection that works, with the planted password; `...` leaves a field out."""
        values = {
            "name": "planted",
            "db_type": self.kind,
            "host": "127.0.0.1",
            "port": self.server.port,
            "database": "canary",
            "username": self.user,
            "password": CANARY,
        }
        return {name: value for name, value in (values | changes).items() if value is not ...}

    def fails(self, error: type[BaseException], call: Callable[..., Any], *args: Any, **more: Any) -> BaseException:
        """The call must raise this; whatever it raises is looked at."""
        try:
            answer = call(*args, **more)
        except BaseException as raised:
            self.surfaces.add_error(raised)
            assert isinstance(raised, error), f"{type(raised).__name__} instead of {error.__name__}: {raised}"
            return raised
        raise AssertionError(f"{error.__name__} was expected, and there came {answer}")

    def look(self, answer: Any) -> Any:
        self.surfaces.add_object("answer", answer)
        structlog.get_logger().debug("answered", answer=answer)
        return answer


def environment_is_clean() -> bool:
    return not leaks(json.dumps(dict(os.environ)).encode())
