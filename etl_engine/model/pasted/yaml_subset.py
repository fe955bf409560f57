"""The part of YAML that docker-compose, Rails and Kubernetes files are written in.

Small on purpose: indented maps and lists, flow lists and maps on one line, quotes, comments, anchors, merge keys, block
texts. Anything else is no YAML to us. Every scalar is a text. Nothing in the file can run or name a type.
"""

from dataclasses import dataclass
from typing import TypeAlias

Node: TypeAlias = "dict[str, Node] | list[Node] | str"
_DEEPEST = 20
_MOST_LINES = 3000
_LARGEST_MERGE = 200


class NotYaml(ValueError):
    """The text is not in this part of YAML."""


@dataclass(frozen=True)
class Line:
    indent: int
    text: str


def parse(text: str) -> Node:
    """The document as dicts, lists and texts; NotYaml otherwise."""
    lines = [line for raw in text.splitlines()[: _MOST_LINES + 1] if (line := _line(raw)) is not None]
    if not lines or len(lines) > _MOST_LINES:
        raise NotYaml
    reader = _Reader(lines)
    node = reader.block(lines[0].indent, 0)
    if reader.at < len(lines):
        raise NotYaml
    return node


def _line(raw: str) -> Line | None:
    text = raw.rstrip()
    body = text.lstrip(" ")
    if body.startswith("\t"):
        raise NotYaml
    body = _without_comment(body)
    if not body or body in ("---", "...") or body[0] == "%":
        return None
    return Line(len(text) - len(text.lstrip(" ")), body)


def _without_comment(text: str) -> str:
    if "#" not in text:
        return text
    quote = ""
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and (at == 0 or text[at - 1] in " :[{,-"):
            quote = character
        elif character == "#" and (at == 0 or text[at - 1] == " "):
            return text[:at].rstrip()
    return text


class _Reader:
    def __init__(self, lines: list[Line]) -> None:
        self._lines = lines
        self._anchors: dict[str, Node] = {}
        self.at = 0

    def block(self, indent: int, depth: int) -> Node:
        """The map or list whose entries stand at this indent."""
        if depth > _DEEPEST:
            raise NotYaml
        if _is_item(self._lines[self.at].text):
            return self._list(indent, depth)
        return self._map(indent, depth)

    def _here(self, indent: int) -> Line | None:
        line = self._lines[self.at] if self.at < len(self._lines) else None
        return line if line is not None and line.indent == indent else None

    def _list(self, indent: int, depth: int) -> Node:
        items: list[Node] = []
        while (line := self._here(indent)) is not None and _is_item(line.text):
            rest = line.text[1:].lstrip(" ")
            if _key(rest) is not None or _is_item(rest):  # a map or a list that starts behind the dash
                inner = indent + len(line.text) - len(rest)
                self._lines[self.at] = Line(inner, rest)
                items.append(self.block(inner, depth + 1))
            else:
                self.at += 1
                items.append(self._value(rest, indent, depth))
        return items

    def _map(self, indent: int, depth: int) -> Node:
        entries: dict[str, Node] = {}
        merged: list[Node] = []
        while (line := self._here(indent)) is not None and not _is_item(line.text):
            key = _key(line.text)
            if key is None:
                raise NotYaml
            self.at += 1
            value = self._value(key[1], indent, depth)
            if key[0] == "<<":
                merged += value if isinstance(value, list) else [value]
            else:
                entries[key[0]] = value
        for other in merged[:10]:
            if isinstance(other, dict) and len(other) <= _LARGEST_MERGE:
                entries = other | entries
        return entries

    def _value(self, text: str, indent: int, depth: int) -> Node:
        """What stands behind a key or a dash, or in the lines below it."""
        anchor = ""
        while text[:1] in ("&", "!"):
            word, _, text = text.partition(" ")
            anchor = word[1:] if word[0] == "&" else anchor
            text = text.lstrip()
        value: Node
        if text[:1] in ("|", ">"):
            value = self._text_below(indent)
        elif text:
            value = self._anchors.get(text[1:], "") if text[0] == "*" else _flow(text)
        else:
            value = self._below(indent, depth)
        if anchor:
            self._anchors[anchor] = value
        return value

    def _below(self, indent: int, depth: int) -> Node:
        line = self._lines[self.at] if self.at < len(self._lines) else None
        if line is None or line.indent < indent or (line.indent == indent and not _is_item(line.text)):
            return ""
        return self.block(line.indent, depth + 1)

    def _text_below(self, indent: int) -> str:
        start = self.at
        while self.at < len(self._lines) and self._lines[self.at].indent > indent:
            self.at += 1
        return "\n".join(line.text for line in self._lines[start : self.at])


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _key(text: str) -> tuple[str, str] | None:
    """The key and the rest of a line `key: rest`."""
    if text[:1] in ('"', "'"):
        close = text.find(text[0], 1)
        if close < 0 or not text.startswith(":", close + 1):
            return None
        return text[1:close], text[close + 2 :].strip()
    if text[:1] in ("[", "{"):
        return None
    mark = text.find(": ")
    if mark < 0 and text.endswith(":"):
        mark = len(text) - 1
    return (text[:mark].strip(), text[mark + 1 :].strip()) if 0 < mark <= 200 else None


def _flow(text: str, depth: int = 0) -> Node:
    """A scalar, or a list or map written on one line."""
    opened = text[0]
    if opened not in "[{" or text[-1] != {"[": "]", "{": "}"}[opened] or depth > _DEEPEST:
        return _scalar(text)
    parts = _parts(text[1:-1])
    if opened == "[":
        return [_flow(part, depth + 1) for part in parts]
    entries: dict[str, Node] = {}
    for part in parts:
        key = _key(part)
        if key is not None:
            entries[key[0]] = _flow(key[1], depth + 1) if key[1] else ""
    return entries


def _parts(text: str) -> list[str]:
    """Split at commas outside quotes and brackets."""
    parts, start, depth, quote = [], 0, 0, ""
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return [part for part in (*parts, text[start:].strip()) if part]


def _scalar(text: str) -> str:
    quote = text[0]
    if quote in "\"'" and len(text) > 1 and text[-1] == quote:
        inner = text[1:-1]
        return inner.replace("''", "'") if quote == "'" else inner.replace('\\"', '"').replace("\\\\", "\\")
    return "" if text in ("~", "null") else text
