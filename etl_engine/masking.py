"""Secrets stay out of every text: registered values in all their spellings, fields with telling names, URL passwords.

`hide(value)` is called where a secret enters the process (the vault, the settings, the ladder); `masked` and
`masked_event` take it out of whatever is about to be printed.
"""

import base64
import html
import json
import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4  # a shorter value is found in every second word: masking it would only hide the words
# Of all spellings together. The oldest value is forgotten first, and every use of a secret makes it young again.
CAPACITY = 4_000_000
_KEY_LENGTH = SHORTEST
_WHOLE_WORD_BELOW = 8
_LONG = 1024  # longer than any password: a PEM text, of which drivers and tracebacks quote single lines
_LINES_OF_LONG = 64
_DEPTH = 12

_TELLING_NAME = re.compile(
    r"(pass(word|wd|phrase)?|pwd|secret|token|authorization|cookie|credential|receipt|undo"
    r"|(api|private|encryption|tls|data|access)_?key)s?$"
)
# The lengths are bounded so that no text makes the search slow.
_URL = re.compile(r"([a-z0-9+.-]{1,20}://[^\s/?#@:'\"]{0,256}:)[^\s]{0,2048}@", re.IGNORECASE)
_NAMED_VALUE = re.compile(
    r"""(\b\w{0,20}(?:password|passwd|passphrase|pwd|secret|token|api_?key)["']?\s?=\s?
       |["'](?:password|passwd|passphrase|pwd|secret|token|api_?key)["']\s?:\s?
       |\bauthorization["']?\s?[=:]\s?)
       (?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?:(?:bearer|basic)\s)?[^\s,;&)\]}]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_NAMED_VALUE_NEEDS = re.compile("pass|pwd|secret|token|api_?key|authorization", re.IGNORECASE)


class Secrets:
    """A bounded set of values to take out of texts, in every spelling a driver or a log may give them."""

    def __init__(self, values: Iterable[str] = (), capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._spellings: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        # By their first four characters: a text is searched in one pass, however many secrets there are.
        self._index: dict[str, tuple[str, ...]] = {}
        self._owners: Counter[str] = Counter()  # two values may share a spelling
        self._size = 0
        for value in values:
            self.hide(value)

    def __repr__(self) -> str:
        return f"Secrets({len(self._spellings)} values)"

    def __len__(self) -> int:
        return len(self._spellings)

    def hide(self, value: str) -> None:
        with self._lock:
            if value in self._spellings:
                self._spellings.move_to_end(value)
                return
            spellings = tuple(dict.fromkeys(text for text in _spellings(value) if len(text) >= SHORTEST))
            if not spellings:
                return
            self._spellings[value] = spellings
            for text in spellings:
                self._size += len(text)
                self._owners[text] += 1
                head = text[:_KEY_LENGTH]
                found = {text, *self._index.get(head, ())}
                self._index[head] = tuple(sorted(found, key=len, reverse=True))
            while self._size > self._capacity and len(self._spellings) > 1:
                self._forget_oldest()

    def masked(self, text: str) -> str:
        """The text with every spelling of every value replaced."""
        index = self._index
        if not index:
            return text
        parts: list[str] = []
        done = at = 0
        last = len(text) - _KEY_LENGTH
        while at <= last:
            for secret in index.get(text[at : at + _KEY_LENGTH], ()):
                if text.startswith(secret, at) and _stands_alone(text, at, secret):
                    parts += (text[done:at], MASK)
                    at += len(secret)
                    done = at
                    break
            else:
                at += 1
        return "".join(parts) + text[done:] if parts else text

    def _forget_oldest(self) -> None:
        _, spellings = self._spellings.popitem(last=False)
        for text in spellings:
            self._size -= len(text)
            self._owners[text] -= 1
            if self._owners[text]:
                continue
            del self._owners[text]
            head = text[:_KEY_LENGTH]
            left = tuple(other for other in self._index[head] if other != text)
            if left:
                self._index[head] = left
            else:
                del self._index[head]


_hidden = Secrets()


def hide(value: str) -> None:
    """Never print this value from now on."""
    _hidden.hide(value)


def masked(text: str) -> str:
    """The text without registered secrets, without passwords in URLs and behind names such as `password=`."""
    text = _hidden.masked(text)
    if "://" in text:
        text = _URL.sub(rf"\1{MASK}@", text)
    if _NAMED_VALUE_NEEDS.search(text):
        text = _NAMED_VALUE.sub(rf"\1{MASK}", text)
    return text


def masked_event(value: Any, name: str = "", depth: int = _DEPTH) -> Any:
    """The value as JSON types, with whatever is secret in it replaced, down to the last nested text."""
    if value is None or isinstance(value, bool):
        return value
    if _TELLING_NAME.search(name.lower().replace("-", "_")):
        return MASK
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, int | float):
        text = str(value)
        shown = _hidden.masked(text)
        return value if shown == text else shown
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        return {masked(str(key)): masked_event(item, str(key), depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked_event(item, "", depth - 1) for item in value]
    return masked(_shown(value))


def _shown(value: Any) -> str:
    try:
        return f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else str(value)
    except Exception:  # a broken __str__ must not take the event with it
        return f"<{type(value).__name__}>"


def _stands_alone(text: str, at: int, secret: str) -> bool:
    """A short word counts only as a whole word: the password `post` must not hide half of `postgresql`."""
    if len(secret) >= _WHOLE_WORD_BELOW or not secret.isalnum():
        return True
    end = at + len(secret)
    return not (text[at - 1 : at].isalnum() or text[end : end + 1].isalnum())


def _spellings(value: str) -> Iterator[str]:
    if len(value) > _LONG or "-----BEGIN" in value:
        lines = [line.strip() for line in value.splitlines()]
        bodies = [line for line in lines if len(line) >= 2 * _WHOLE_WORD_BELOW and not line.startswith("-----")]
        for line in (bodies or [value])[:_LINES_OF_LONG]:
            yield from (line, quote(line, safe="", errors="replace"))
        return
    yield value
    yield " ".join(value.split())
    yield from _escaped(value)
    raw = value.encode("utf-8", "surrogatepass")
    if len(raw) >= _WHOLE_WORD_BELOW:
        yield raw.hex()
        yield from _base64(raw)


def _escaped(value: str) -> Iterator[str]:
    """As programs write it into JSON, Python literals, SQL, HTML and URLs."""
    raw = value.encode("utf-8", "surrogatepass")
    for text in (value, json.dumps(value)[1:-1], repr(value)[1:-1]):
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield repr(text)[1:-1]
        yield ascii(text)[1:-1]
    yield repr(raw)[2:-1]
    yield value.replace("'", "''")
    yield value.replace("\\", "\\\\").replace("'", "\\'")
    yield html.escape(value)
    for url in (quote(raw, safe=""), quote(raw), quote(raw, safe=" +"), quote_plus(raw)):
        yield url
        yield re.sub("%..", lambda match: match[0].lower(), url)
    yield quote(quote(raw, safe=""), safe="")


def _base64(raw: bytes) -> Iterator[str]:
    """The part that stays the same wherever the value stands inside something encoded, as in `user:password`."""
    for offset, first in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(offset) + raw).decode()
        whole = encoded[first : (offset + len(raw)) * 8 // 6]
        yield from (whole, whole.replace("+", "-").replace("/", "_"))
