"""`etl-engine check`: the doctor. Looks at everything the product stands on and says how to repair what is wrong."""

import os
import platform
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from etl_engine import __version__
from etl_engine.cli import output, ports
from etl_engine.cli.output import Json
from etl_engine.errors import BadSetting, Problem

if TYPE_CHECKING:
    from etl_engine.wiring import Engine

OLDEST_PYTHON = (3, 11)
SCARCE_BYTES, TOO_FEW_BYTES = 1_000_000_000, 100_000_000
PORTS = {3000: "web app", 8000: "API in development"}
_LOOK = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "bold red")}


@dataclass(frozen=True)
class Finding:
    """What one look found."""

    name: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    fix: str = ""


def check(as_json: Json = False) -> None:
    """Look at versions, settings, data folder, store, key, file modes, drivers and ports; exit code 1 if one fails.

    It repairs nothing, and makes neither a store nor a key.
    """
    findings = []
    for finding in _everything():
        findings.append(finding)
        if not as_json:
            _print(finding)
    failed = sum(finding.status == "fail" for finding in findings)
    if as_json:
        output.document({"ok": not failed, "checks": [asdict(finding) for finding in findings]})
    if failed:
        raise typer.Exit(1)


def _everything() -> Iterator[Finding]:
    from etl_engine import logs, wiring

    logs.configure("error")  # what is wrong is said by the findings
    yield from _versions()
    try:
        engine = wiring.engine()
    except BadSetting as error:
        # The settings name every wrong one; the store refuses its address as a whole.
        for problem in error.problems or (Problem("", error.code, error.message, error.hint),):
            fix = problem.fix or "Correct it in the environment or in .env."
            yield Finding("settings", "fail", problem.message, fix)
        yield from _drivers()
        return
    yield _settings()
    yield _reach(engine)
    yield from _data_folder(engine.config.data_dir.absolute())
    yield from _store_and_key(engine)
    yield from _file_modes(engine)
    yield from _drivers()
    for port, use in PORTS.items():
        yield _port(engine.config.host, port, use)


def _versions() -> Iterator[Finding]:
    from importlib import metadata

    yield Finding("etl-engine", "ok", __version__)
    python = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        yield Finding("python", "fail", f"{python} is too old", "Install Python 3.11 or later.")
    else:
        yield Finding("python", "ok", python)
    try:
        yield Finding("reflex", "ok", metadata.version("reflex"))
    except metadata.PackageNotFoundError:
        yield Finding("reflex", "fail", "is not installed", "Install it: pip install -r requirements.txt")


def _settings() -> Finding:
    source = (
        "from the environment and .env" if Path(".env").is_file() else "from the environment; there is no .env here"
    )
    return Finding("settings", "ok", source)


def _reach(engine: "Engine") -> Finding:
    from ipaddress import ip_address

    host = engine.config.host
    if ip_address(host).is_loopback:
        return Finding("address", "ok", f"{host}: only this machine reaches it")
    fix = "Put a proxy with authentication in front, or set HOST=127.0.0.1."
    return Finding("address", "warn", f"{host}: anyone who reaches it can use it, there are no users yet", fix)


def _data_folder(folder: Path) -> Iterator[Finding]:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        yield Finding("data folder", "fail", f"{folder} cannot be written", f"Let this user write in {there}.")
    else:
        yield Finding("data folder", "ok", str(folder) if there == folder else f"{folder}, made by the first start")
    free = shutil.disk_usage(there).free
    status: Literal["ok", "warn", "fail"] = (
        "ok" if free >= SCARCE_BYTES else "warn" if free >= TOO_FEW_BYTES else "fail"
    )
    fix = "" if status == "ok" else "Free some space, or move DATA_DIR to another disk."
    yield Finding("disk space", status, f"{free / 1e9:.1f} GB free", fix)


def _store_and_key(engine: "Engine") -> Iterator[Finding]:
    from etl_engine.services import health

    config = engine.config
    if config.embedded and not engine.store_exists:
        yield Finding("store", "ok", f"{config.store_name}, made by the first start")
        key = "ENCRYPTION_KEY" if config.keys else f"{engine.key_file}, made by the first start"
        yield Finding("key", "ok", key)
        return
    found = health.check(engine.context)
    for name, part, what in (("store", found.store, config.store_name), ("key", found.key, "")):
        detail = f"{what}: {part.detail}" if what and part.status == "ok" else part.detail
        shown = f"{detail}, {part.ms} ms" if part.ms is not None else detail
        yield Finding(name, "ok" if part.status == "ok" else "fail", shown, part.hint)
    engine.close()


def _file_modes(engine: "Engine") -> Iterator[Finding]:
    """The key must be its owner's alone; the store had better be."""
    config = engine.config
    files: list[tuple[str, Path, Literal["warn", "fail"]]] = []
    if not config.keys:
        files.append(("key file mode", engine.key_file, "fail"))
    files += [("store file mode", file, "warn") for file in config.store_files]
    if Path(".env").is_file():
        files.append((".env mode", Path(".env").absolute(), "warn"))
    for name, path, verdict in files:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & 0o077:
            yield Finding(name, verdict, f"{path} has mode {mode:04o}: others can read it", f"chmod 600 {path}")
        else:
            yield Finding(name, "ok", f"{path}: {mode:04o}")


def _drivers() -> Iterator[Finding]:
    from etl_engine.services import drivers

    for driver in drivers.all_drivers():
        detail = driver.trouble or driver.version
        yield Finding(
            f"driver {driver.db_type}", "fail" if driver.trouble else "ok", f"{driver.module} {detail}", driver.fix
        )


def _port(host: str, port: int, use: str) -> Finding:
    name = f"port {port}"
    error = ports.refusal(host, port)
    if error is None:
        return Finding(name, "ok", f"free ({use})")
    holder = ports.who_has(port)
    if holder and Path(holder.folder) == Path.cwd():
        return Finding(name, "ok", f"{holder} from this folder ({use})")
    taken = f"taken by {holder}" if holder else (error.strerror or "cannot be used")
    return Finding(name, "warn", f"{taken} ({use})", "Stop that program, or choose another port.")


def _print(finding: Finding) -> None:
    from rich.text import Text

    icon, style = _LOOK[finding.status]
    line = Text(f"{icon} ", style=style) + Text(f"{finding.name:<18}", style="bold")
    line.append(output.plain(finding.detail), style="default")
    if finding.fix:
        line.append(f"\n  Fix: {output.plain(finding.fix)}", style="default")
    output.answers().print(line)
