"""Firefox as it is, without a driver of its own: WebDriver BiDi over a socket (https://w3c.github.io/webdriver-bidi)."""

import base64
import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engines import Hands
from running import eventually
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Message, Ping, Request, TextMessage

START_SECONDS = 30.0
ANSWER_SECONDS = 30.0
# Nothing of its own leaves the machine: what is not for this machine goes to a port where nobody is.
PREFERENCES = {
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.trr.mode": 5,
    "network.dns.disablePrefetch": True,
    "app.update.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "layout.css.prefers-color-scheme.content-override": 1,  # light, whatever the machine wears
}


class Socket:
    """One WebSocket: texts in and out, read when somebody waits for them."""

    def __init__(self, port: int, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS)
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []
        self._send(Request(host=f"127.0.0.1:{port}", target=path))
        assert isinstance(self._next(), AcceptConnection)

    def write(self, text: str) -> None:
        self._send(Message(text))

    def read(self) -> str:
        text = ""
        while True:
            event = self._next()
            if isinstance(event, Ping):
                self._send(event.response())
            elif isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    return text
            else:
                assert not isinstance(event, CloseConnection), f"Firefox closed the connection: {event}"

    def close(self) -> None:
        self._socket.close()

    def _send(self, event: Event) -> None:
        self._socket.sendall(self._protocol.send(event))

    def _next(self) -> Event:
        while not self._events:
            self._protocol.receive_data(self._socket.recv(65_536) or None)
            self._events = list(self._protocol.events())
        return self._events.pop(0)


class Firefox(Hands):
    name = "firefox"

    def __init__(self, port: int) -> None:
        self._socket = Socket(port, "/session")
        self._numbers = itertools.count(1)
        self._events: list[dict[str, Any]] = []
        self._command("session.new", capabilities={})
        self._command("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        # The tab that Firefox starts with never has the focus when there is no screen; one that is opened has.
        self._page = self._command("browsingContext.create", type="tab")["context"]

    def open(self, url: str) -> None:
        self._command("browsingContext.navigate", context=self._page, url=url, wait="complete")

    def call(self, function: str, argument: str) -> str | None:
        answer = self._command(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[{"type": "string", "value": argument}],
            target={"context": self._page},
            awaitPromise=False,
        )
        assert answer["type"] == "success", answer
        value: str | None = answer["result"].get("value")
        return value

    def resize(self, width: int, height: int) -> None:
        self._command("browsingContext.setViewport", context=self._page, viewport={"width": width, "height": height})

    def perform(self, sources: list[dict[str, Any]]) -> None:
        self._command("input.performActions", context=self._page, actions=sources)

    def picture(self, path: Path) -> None:
        path.write_bytes(
            base64.b64decode(self._command("browsingContext.captureScreenshot", context=self._page)["data"])
        )

    def problems(self, own: str) -> list[str]:
        self._command("session.status")  # what happened before has been told when this is answered
        happened, self._events = self._events, []
        return [said for event in happened if (said := _problem(event, own))]

    def close(self) -> None:
        self._command("browser.close")
        self._socket.close()

    def _command(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.write(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            told: dict[str, Any] = json.loads(self._socket.read())
            if told.get("id") == number:
                assert told["type"] == "success", f"{method}: {told}"
                result: dict[str, Any] = told["result"]
                return result
            self._events.append(told)


def _problem(event: dict[str, Any], own: str) -> str:
    told = event["params"]
    if event["method"] == "log.entryAdded":
        return f"console: {told['text']}" if told["level"] in ("error", "warn") else ""
    address = urlsplit(told["request"]["url"])
    inside = address.scheme in ("data", "blob", "about") or address.netloc == urlsplit(own).netloc
    return "" if inside else f"asked another host: {told['request']['url']}"


def missing() -> str:
    """The Debian package that is not there, or nothing."""
    return "" if shutil.which("firefox-esr") else "firefox-esr"


@contextlib.contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """A profile of its own in the folder; nothing of it runs on afterwards."""
    profile = folder / "profile"
    profile.mkdir(parents=True)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    command = ["firefox-esr", "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | {"HOME": str(folder)}
        )
    told = profile / "WebDriverBiDiServer.json"
    try:
        eventually(
            lambda: told.exists() and told.read_text().rstrip().endswith("}"),
            lambda: f"Firefox started; its log:\n{(folder / 'log').read_text()[-2000:]}",
            START_SECONDS,
        )
        browser = Firefox(json.loads(told.read_text())["ws_port"])
        yield browser
        browser.close()
        process.wait(START_SECONDS)
    finally:
        process.kill()
        process.wait(START_SECONDS)
