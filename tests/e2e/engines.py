"""A page in any browser engine, used as a person uses it: found by what is seen, moved by mouse and keys."""

import json
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import Page
from running import Server, eventually

SECONDS = 15.0
KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "Tab": "\ue004", "Control": "\ue009"}  # as WebDriver writes them
# What is visible and says the text; the label of an element is what a screen reader says of it.
_FOUND = r"""
const said = (one) => (one.getAttribute('aria-label') ?? one.innerText ?? '').trim().replace(/\s+/g, ' ');
const found = [...document.querySelectorAll(selector)].filter(
  (one) => one.checkVisibility({ visibilityProperty: true }) && new RegExp(text).test(said(one)));
"""
_COUNT = f"(selector, text) => {{ {_FOUND} return found.length; }}"
_TEXTS = f"(selector, text) => {{ {_FOUND} return found.map(said); }}"
# Its middle, if that is where a click would reach it: in the window, and under nothing else.
_MIDDLE = f"""(selector, text) => {{
  {_FOUND}
  if (found.length === 0) return null;
  found[0].scrollIntoView({{ block: 'nearest', behavior: 'instant' }});
  const box = found[0].getBoundingClientRect();
  const middle = [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)];
  return found[0].contains(document.elementFromPoint(...middle)) ? middle : null;
}}"""


class Engine(Protocol):
    """One window of one browser engine."""

    name: str

    def open(self, url: str) -> None:
        """Answers when the document has loaded."""

    def call(self, function: str, argument: str) -> str | None:
        """What the JavaScript function answers in the page; texts in and out."""

    def resize(self, width: int, height: int) -> None: ...

    def point(self, x: int, y: int) -> None: ...

    def click(self, x: int, y: int) -> None: ...

    def type(self, text: str) -> None: ...

    def press(self, chord: str) -> None:
        """Keys held together: `Control+Enter`."""

    def picture(self, path: Path) -> None: ...

    def problems(self, own: str) -> list[str]:
        """Errors and warnings of the console, and requests to another host than `own`, since the last time."""


class Hands:
    """Mouse and keys of the engines that understand WebDriver's actions."""

    def perform(self, sources: list[dict[str, Any]]) -> None:
        raise NotImplementedError

    def point(self, x: int, y: int) -> None:
        self._mouse([{"type": "pointerMove", "x": x, "y": y}])

    def click(self, x: int, y: int) -> None:
        buttons = [{"type": which, "button": 0} for which in ("pointerDown", "pointerUp")]
        self._mouse([{"type": "pointerMove", "x": x, "y": y}, *buttons])

    def type(self, text: str) -> None:
        self._keys([{"type": way, "value": letter} for letter in text for way in ("keyDown", "keyUp")])

    def press(self, chord: str) -> None:
        keys = [KEYS.get(key, key) for key in chord.split("+")]
        downs = [{"type": "keyDown", "value": key} for key in keys]
        self._keys([*downs, *({"type": "keyUp", "value": key} for key in reversed(keys))])

    def _mouse(self, actions: list[dict[str, Any]]) -> None:
        self.perform([{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions}])

    def _keys(self, actions: list[dict[str, Any]]) -> None:
        self.perform([{"type": "key", "id": "keys", "actions": actions}])


class Chromium:
    """What the others are compared with; its page watches itself (conftest)."""

    name = "chromium"

    def __init__(self, page: Page) -> None:
        self._page = page

    def open(self, url: str) -> None:
        self._page.goto(url)

    def call(self, function: str, argument: str) -> str | None:
        answer: str | None = self._page.evaluate(function, argument)
        return answer

    def resize(self, width: int, height: int) -> None:
        self._page.set_viewport_size({"width": width, "height": height})

    def point(self, x: int, y: int) -> None:
        self._page.mouse.move(x, y)

    def click(self, x: int, y: int) -> None:
        self._page.mouse.click(x, y)

    def type(self, text: str) -> None:
        self._page.keyboard.type(text)

    def press(self, chord: str) -> None:
        self._page.keyboard.press(chord)

    def picture(self, path: Path) -> None:
        self._page.screenshot(path=path)

    def problems(self, own: str) -> list[str]:
        return []


class Screen:
    """The product in one engine."""

    def __init__(self, engine: Engine, server: Server) -> None:
        self.engine = engine
        self.server = server

    def open(self, path: str = "/") -> None:
        self.engine.open(self.server.url + path)
        self.until("() => Boolean(document.querySelector('.sidebar .engine[data-mood=ready]'))")

    def ask(self, function: str, *arguments: Any) -> Any:
        answer = self.engine.call(
            f"(given) => JSON.stringify(({function})(...JSON.parse(given))) ?? null", json.dumps(arguments)
        )
        return None if answer is None else json.loads(answer)

    def until(self, function: str, *arguments: Any, wanted: Any = True, seconds: float = SECONDS) -> None:
        seen: list[Any] = [None]

        def holds() -> bool:
            seen[0] = self.ask(function, *arguments)
            return bool(seen[0] == wanted)

        eventually(holds, lambda: f"{self.engine.name}: {function}{arguments} is {seen[0]}, not {wanted}", seconds)

    def texts(self, selector: str, text: str = "") -> list[str]:
        found: list[str] = self.ask(_TEXTS, selector, text)
        return found

    def sees(self, selector: str, text: str = "", seconds: float = SECONDS) -> None:
        what = lambda: f"{self.engine.name}: {selector} that says {text!r}; seen: {self.texts(selector)}"  # noqa: E731 - said once, late
        eventually(lambda: bool(self.ask(_COUNT, selector, text)), what, seconds)

    def sees_exactly(self, selector: str, *texts: str) -> None:
        self.until(_TEXTS, selector, "", wanted=list(texts))

    def sees_no(self, selector: str, text: str = "") -> None:
        self.until(_COUNT, selector, text, wanted=0)

    def click(self, selector: str, text: str = "") -> None:
        """When it is there, reachable and stands still."""
        places: list[Any] = [None]

        def still() -> bool:
            places.append(self.ask(_MIDDLE, selector, text))
            return places[-1] is not None and places[-1] == places[-2]

        eventually(still, lambda: f"{self.engine.name}: {selector} {text!r} to click; {places[-3:]}", SECONDS)
        self.engine.click(*places[-1])

    def write(self, selector: str, text: str) -> None:
        """Over what stands in the field."""
        self.click(selector)
        self.until("(selector) => document.activeElement?.matches(selector)", selector)
        self.engine.press("Control+a")
        self.engine.type(text)
