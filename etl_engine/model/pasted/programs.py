"""Settings inside programs: Django's DATABASES, JavaScript and PHP objects, calls with keywords, define()."""

import re
from dataclasses import dataclass, field

from etl_engine.model.pasted.fields import FILE_KINDS, Found, kind_of
from etl_engine.model.pasted.names import role_of
from etl_engine.model.pasted.pairs import Pair, read_mixture, read_record, whole
from etl_engine.model.pasted.settings import read_dsn, read_semicolons

# One step per token, none is looked at twice: a quote that is never closed runs to the end of its line.
_TOKEN = re.compile(
    r""""(?P<double>(?:[^"\\\n]|\\.)*+)"?|'(?P<single>(?:[^'\\\n]|\\.)*+)'?"""
    r"|(?P<word>[A-Za-z_$][\w.$-]*+)|(?P<number>[0-9]++(?![.\w]))|(?P<mark>=>|[=:,(){}\[\];|])|(?P<other>\s++|.)",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MOST_TOKENS = 8_000
_SEPARATORS = frozenset({"=", ":", "=>"})


@dataclass
class _Token:
    kind: str
    text: str


@dataclass
class _Groups:
    """Settings in the order they come; where a field comes a second time, another database begins."""

    groups: list[list[Pair]] = field(default_factory=lambda: [[]])
    seen: set[str] = field(default_factory=set)

    def add(self, name: str, value: str) -> None:
        role = role_of(name)
        if role is None:
            return
        if role.field in self.seen:
            self.groups.append([])
            self.seen.clear()
        self.seen.add(role.field)
        self.groups[-1].append(Pair(name, value))


def read_program(text: str) -> list[Found]:
    """What a piece of source code says. Only literals count; nothing of it is run."""
    tokens = _tokens(text)
    groups = _Groups()
    literals: list[Found] = []
    for at, token in enumerate(tokens):
        if token.kind == "literal" and len(token.text) < 4096 and ("=" in token.text):
            literals += read_semicolons(token.text) or read_dsn(token.text)
        if token.kind == "mark" and token.text in _SEPARATORS and at > 0:
            name = tokens[at - 1]
            value = _value(tokens, at + 1)
            if name.kind in ("literal", "word") and value is not None:
                groups.add(name.text.lstrip("$"), value)
        if token.text == "define" and at + 4 < len(tokens) and tokens[at + 3].text == ",":
            groups.add(tokens[at + 2].text, tokens[at + 4].text)
    found = literals
    kind, word = _kind_of_driver(tokens)
    for group in groups.groups:
        if any("_" in pair.name for pair in group):
            found += read_mixture(group, "program")
        else:
            found.append(read_record(group, "program"))
    for one in found:
        one.put_kind(kind, word)
    return [one for one in found if whole(one) or one.values.get("db_type") in FILE_KINDS]


def _kind_of_driver(tokens: list[_Token]) -> tuple[str | None, str]:
    """The kind whose driver the program uses: pymysql.connect, require("pg"); WordPress has MySQL and defines it so."""
    kinds = {
        kind: token.text.partition(".")[0]
        for token in tokens
        if token.kind in ("word", "literal") and len(token.text) < 40
        if (kind := "mysql" if token.text == "define" else kind_of(token.text.partition(".")[0]))
    }
    return next(iter(kinds.items())) if len(kinds) == 1 else (None, "")


def _value(tokens: list[_Token], at: int) -> str | None:
    """A literal; or what a look-up in the environment falls back on: env("HOST", "localhost"), $HOST || "localhost"."""
    if at >= len(tokens):
        return None
    if tokens[at].kind in ("literal", "number"):
        return tokens[at].text
    if tokens[at].kind != "word":
        return None
    literals, depth = [], 0
    for token in tokens[at + 1 : at + 14]:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]")) if token.kind == "mark" else 0
        if depth < 0 or (depth == 0 and token.kind == "mark" and token.text in (",", ";", "}", "=", ":", "=>")):
            break
        if token.kind in ("literal", "number"):
            literals.append((depth, token.text))
    if len(literals) > 1 or (literals and literals[0][0] == 0):
        return literals[-1][1]
    return None


def _tokens(text: str) -> list[_Token]:
    tokens = []
    for match in _TOKEN.finditer(text):
        if match["double"] is not None or match["single"] is not None:
            literal = match["double"] if match["double"] is not None else match["single"]
            tokens.append(_Token("literal", _ESCAPE.sub(r"\1", literal)))
        elif match.lastgroup != "other":
            tokens.append(_Token(str(match.lastgroup), match[0]))
        if len(tokens) >= _MOST_TOKENS:
            break
    return tokens
