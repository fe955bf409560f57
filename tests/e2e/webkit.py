"""WebKit, the engine of Safari: WebKitGTK in a window on a display of its own, driven over W3C WebDriver."""

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engines import Hands
from running import eventually, free_port

WINDOW = Path(__file__).parent / "webkit_window.py"
SYSTEM_PYTHON = Path("/usr/bin/python3")  # the one that Debian's bindings are for
START_SECONDS = 30.0
ANSWER_SECONDS = 30.0


class WebKit(Hands):
    name = "webkit"

    def __init__(self, port: int, folder: Path) -> None:
        self._driver = f"http://127.0.0.1:{port}"
        self._log = folder / "log"
        self._read = 0
        options = {"binary": str(SYSTEM_PYTHON), "args": [str(WINDOW), str(folder / "profile")]}
        capabilities = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        self._session = ""
        self._session = f"/session/{self._ask('POST', '/session', {'capabilities': capabilities})['sessionId']}"

    def open(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    def call(self, function: str, argument: str) -> str | None:
        script = f"return ({function})(arguments[0])"
        answer: str | None = self._ask("POST", "/execute/sync", {"script": script, "args": [argument]})
        return answer

    def resize(self, width: int, height: int) -> None:
        self._ask("POST", "/window/rect", {"x": 0, "y": 0, "width": width, "height": height})
        size = lambda: self.call("() => `${innerWidth} ${innerHeight}`", "")  # noqa: E731 - asked twice
        eventually(lambda: size() == f"{width} {height}", lambda: f"{width} {height}, is {size()}", ANSWER_SECONDS)

    def perform(self, sources: list[dict[str, Any]]) -> None:
        self._ask("POST", "/actions", {"actions": sources})

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def problems(self, own: str) -> list[str]:
        lines = self._log.read_text(errors="replace")[self._read :]
        self._read += len(lines)
        return [said for line in lines.splitlines() if (said := _problem(line, own))]

    def close(self) -> None:
        self._ask("DELETE", "")

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            self._driver + self._session + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                return json.loads(answer.read())["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read().decode()}") from None


def _problem(line: str, own: str) -> str:
    if line.startswith("LOADS "):
        address = urlsplit(line.removeprefix("LOADS "))
        inside = address.scheme in ("data", "blob", "about") or address.netloc == urlsplit(own).netloc
        return "" if inside else f"asked another host: {address.geturl()}"
    if line.endswith("WebSocket is closed due to suspension."):  # a page that is left, put by in case one comes back
        return ""
    return f"console: {line}" if re.search(r"\bCONSOLE .*\b(ERROR|WARN)\b", line) else ""


def missing() -> str:
    """The Debian packages that are not there, or nothing."""
    there = {
        "webkit2gtk-driver": shutil.which("WebKitWebDriver"),
        "xvfb": shutil.which("Xvfb"),
        "python3-gi": Path("/usr/lib/python3/dist-packages/gi").is_dir(),
        "gir1.2-webkit2-4.1": list(Path("/usr/lib").glob("*/girepository-1.0/WebKit2-4.1.typelib")),
    }
    return " ".join(package for package, found in there.items() if not found)


@contextlib.contextmanager
def webkit(folder: Path) -> Iterator[WebKit]:
    """A profile and a display of its own; nothing of them runs on afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    with contextlib.ExitStack() as running:
        display = running.enter_context(_display(folder / "display"))
        environment = os.environ | {
            "DISPLAY": display,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "GTK_A11Y": "none",
            "NO_AT_BRIDGE": "1",
            "LIBGL_ALWAYS_SOFTWARE": "1",
        }
        running.enter_context(
            _program(["WebKitWebDriver", f"--port={port}"], folder / "log", env=environment),
        )
        eventually(lambda: _listens(port), lambda: "WebKitWebDriver listens", START_SECONDS)
        window = WebKit(port, folder)
        yield window
        window.close()


@contextlib.contextmanager
def _display(told: Path) -> Iterator[str]:
    """A screen that nobody looks at; it takes a free number and tells it."""
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
    with _program(command, told, stderr=subprocess.DEVNULL):
        eventually(lambda: told.read_text().endswith("\n"), lambda: "Xvfb has a display", START_SECONDS)
        yield f":{told.read_text().strip()}"


@contextlib.contextmanager
def _program(command: list[str], output: Path, **options: Any) -> Iterator[None]:
    """In a session of its own, which ends with it."""
    with output.open("wb") as log:
        options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log} | options
        process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(START_SECONDS)


def _listens(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
