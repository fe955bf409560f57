"""The connection form as a person uses it, and the connections behind it as a program sees them."""

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, expect
from running import Server


@dataclass
class Api:
    """The REST API of the server under test."""

    server: Server

    def call(self, method: str, path: str = "", body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.server.url}/api/v1/connections/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET")
        return found

    def create(self, **values: Any) -> str:
        return str(self.call("POST", "", values)["_id"])

    def clear(self) -> None:
        for one in self.all():
            self.call("DELETE", one["_id"])


class FormPage:
    """The dialog in one page."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server
        self.dialog = page.get_by_role("dialog", name="connection")
        self.test_button = self.dialog.get_by_role("button", name="Test")
        self.cancel_button = self.dialog.get_by_role("button", name="Cancel")
        self.save_button = self.dialog.get_by_role("button", name="Save")
        self.outcome = self.dialog.locator(".outcome")

    def open(self, kind: str = "postgresql") -> None:
        self.page.goto(f"{self.server.url}/?new={kind}")
        self.ready()

    def edit(self, connection_id: str) -> None:
        self.page.goto(f"{self.server.url}/?edit={connection_id}")
        self.ready()

    def ready(self) -> None:
        expect(self.field("name")).to_be_focused()

    def field(self, name: str) -> Locator:
        return self.dialog.locator(f"[name={name}]")

    def fill(self, **values: Any) -> None:
        for name, value in values.items():
            self.field(name).fill(str(value))

    def problem(self, name: str) -> Locator:
        return self.dialog.locator(f"#form-{name}-problem")

    def rung(self, title: str) -> Locator:
        return self.dialog.locator(".rung").filter(has=self.page.locator(f".rung-title:text-is('{title}')"))

    def unfold(self, title: str) -> None:
        self.dialog.locator("summary", has_text=title).click()

    def test(self) -> None:
        """Test, and wait for what comes of it: a ladder takes five seconds at most."""
        panel = self.dialog.locator("[data-results]")
        before = int(panel.get_attribute("data-results") or 0)
        self.test_button.click()
        expect(panel).to_have_attribute("data-results", str(before + 1), timeout=8_000)
        expect(self.outcome).to_be_visible()

    def passes(self) -> None:
        self.test()
        expect(self.outcome).to_have_class("outcome good")
        expect(self.save_button).to_be_enabled()

    def closed(self) -> None:
        expect(self.dialog).to_have_count(0)
