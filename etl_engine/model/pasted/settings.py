"""Settings as lines (`.env`, ini, properties) and as one line (libpq, ODBC and ADO.NET, PDO, `.pgpass`)."""

import re
import string
from collections.abc import Iterator

from etl_engine.model.pasted.expansion import expanded
from etl_engine.model.pasted.fields import Found, kind_of
from etl_engine.model.pasted.names import role_of
from etl_engine.model.pasted.pairs import Pair, read_mixture, read_record

_MOST_LINES = 1500
_LEADS = ("export ", "set ", "setx ", "env ", "arg ", "--env ", "-e ", "- ", "declare -x ", "$env:")
_NAME_CHARACTERS = frozenset(string.ascii_letters + string.digits + "_.- ")
_CALL = re.compile(r"[A-Za-z_][\w.]{0,60}\([\"']")  # a program, which has its own reader
_SECTION = re.compile(r"^\[(?:client|mysql|mariadb)[\w-]{0,40}\]\s*$", re.MULTILINE)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def read_lines(text: str) -> list[Found]:
    """`NAME=value` or `name: value` lines, with quotes, comments, sections and references to each other."""
    pairs, literal = [], set()
    for line in text.splitlines()[:_MOST_LINES]:
        read = _line(line)
        if read is not None:
            pair, single_quoted = read
            pairs.append(pair)
            literal |= {pair.name} if single_quoted else set()
    known = {pair.name: pair.value for pair in pairs}
    settled, notes = [], []
    for pair in pairs:
        value = pair.value if pair.name in literal else expanded(pair.value, known)
        if value is not None:
            settled.append(Pair(pair.name, value))
        elif role_of(pair.name) is not None:
            notes.append(f"{pair.name} refers to a variable that is not in the text.")
    found = read_mixture(settled, "settings")
    for one in found[:1]:
        one.notes += notes + _file_notes(settled)
        one.put_kind("mysql" if _SECTION.search(text) else None, "the name of the section")
    return found


def read_dsn(text: str) -> list[Found]:
    """libpq's `host=db dbname=shop user='me'`, and what consoles print in that manner."""
    line = text.strip()
    pairs = list(_dsn_pairs(line)) if "=" in line and "\n" not in line else []
    if len(pairs) < 2 or role_of(pairs[0].name) is None:
        return []
    found = read_record(pairs, "connection string", strict=True)
    if found.score:
        found.put_kind("postgresql" if any(pair.name in ("dbname", "hostaddr") for pair in pairs) else None, "dbname")
    return [found]


def read_semicolons(text: str) -> list[Found]:
    """ODBC, ADO.NET, Npgsql: `Server=db;Port=3306;User Id=me;Password={a;b}`; and PDO: `mysql:host=db;dbname=shop`."""
    line = text.strip().strip("\"'")
    scheme, separator, rest = line.partition(":")
    pdo = kind_of(scheme) if separator and scheme.isalnum() and len(scheme) < 20 and "=" in rest else None
    if ";" not in line or "\n" in line:
        return []
    pairs = list(_semicolon_pairs(rest if pdo else line))
    names = {pair.name.casefold() for pair in pairs}
    if len(pairs) < 2 or sum(role_of(pair.name) is not None for pair in pairs) < 2:
        return []
    found = read_record(pairs, "connection string", strict=True)
    found.put_kind(pdo, "the data source")
    if "host" in names and "username" in names:
        found.put_kind("postgresql", "the way Npgsql names its settings")
    elif "uid" in names and "server" in names and "port" not in found.values:
        found.put_kind("mysql", "the way MySQL's drivers name their settings")
    return [found]


def is_sql_server(line: str) -> bool:
    """Whether a connection string says what only those for SQL Server say."""
    if ";" not in line:
        return False
    settings = {pair.name.casefold(): pair.value.casefold() for pair in _semicolon_pairs(line[:4096])}
    server = settings.get("server", "") + settings.get("data source", "")
    return (
        not settings.keys().isdisjoint({"trusted_connection", "integrated security", "multipleactiveresultsets"})
        or server.startswith("tcp:")
        or ".windows.net" in server
        or "sql server" in settings.get("driver", "")
    )


def read_pgpass(text: str) -> list[Found]:
    """Lines of `.pgpass`: host:port:database:username:password, with \\: for a colon and * for anything."""
    lines = [line for line in text.strip().splitlines()[:_MOST_LINES] if line.strip() and not line.startswith("#")]
    found = []
    for line in lines[:20]:
        parts = _colon_parts(line.strip())
        if len(parts) != 5 or not (parts[1].isdigit() or parts[1] == "*") or " " in parts[0] or "/" in parts[0]:
            return []
        one = Found(".pgpass line")
        one.put_kind("postgresql", "the .pgpass line")
        for number, name in enumerate(("host", "port", "database", "username", "password")):
            if parts[number] != "*" or name == "password":
                one.put(name, parts[number], "the .pgpass line")
        found.append(one)
    return found


def _line(line: str) -> tuple[Pair, bool] | None:
    """The setting of a line, and whether single quotes say that its value is to be taken as it is."""
    rest = line.strip()
    if not rest or rest[0] in "#;[" or rest.startswith("//"):
        return None
    for lead in _LEADS:
        if rest[: len(lead)].casefold() == lead:
            rest = rest[len(lead) :].lstrip()
    marks = [at for at in (rest.find("="), rest.find(": "), len(rest) - 1 if rest.endswith(":") else -1) if at > 0]
    if not marks:
        return None
    name, value = rest[: min(marks)].strip(), rest[min(marks) + 1 :].strip()
    if not name or len(name) > 80 or not _NAME_CHARACTERS.issuperset(name) or not (name[0].isalpha() or name[0] == "_"):
        return None
    if _CALL.match(value):
        return None
    return Pair(name, _unquoted(value)), value.startswith("'")


def _unquoted(value: str) -> str:
    """Inside its quotes where it has some; else up to a comment."""
    quote = value[:1]
    if quote in ("'", '"', "`"):
        characters, at, end = [], 1, value.rfind(quote)
        while at < len(value) and value[at] != quote:
            if value[at] == "\\" and at + 1 < end and (quote == '"' or value[at + 1] == quote):
                at += 1
                escaped = value[at]
                characters.append(_ESCAPES.get(escaped, escaped if escaped in "'\"\\$`" else "\\" + escaped))
            else:
                characters.append(value[at])
            at += 1
        if at < len(value):
            return "".join(characters)
    comment = value.find(" #")
    return (value[:comment] if comment >= 0 else value).strip().rstrip(",;" if quote else "")


def _file_notes(pairs: list[Pair]) -> list[str]:
    return [
        f"{pair.name} names a file: enter the {role.field} itself."
        for pair in pairs
        if pair.name.upper().endswith("_FILE") and (role := role_of(pair.name[:-5])) is not None
    ]


def _dsn_pairs(text: str) -> Iterator[Pair]:
    """Nothing after the first place that does not follow the rules."""
    at, end = 0, len(text)
    while at < end:
        mark = text.find("=", at)
        name = text[at:mark].strip() if mark > 0 else ""
        if not name or len(name) > 40 or not name.replace("_", "").replace("-", "").isalnum():
            return
        at = mark + 1
        while at < end and text[at] == " ":
            at += 1
        quoted = at < end and text[at] == "'"
        at += quoted
        characters = []
        while at < end and (text[at] != "'" if quoted else not text[at].isspace()):
            at += text[at] == "\\" and at + 1 < end
            characters.append(text[at])
            at += 1
        at += quoted
        yield Pair(name, "".join(characters))
        while at < end and text[at].isspace():
            at += 1


def _semicolon_pairs(text: str) -> Iterator[Pair]:
    """A value may stand in braces or quotes; inside them a doubled end mark is the mark itself."""
    at, end = 0, len(text)
    while at < end:
        mark = text.find("=", at)
        if mark < 0:
            return
        name = text[at:mark].rpartition(";")[2].strip()
        at = mark + 1
        while at < end and text[at] == " ":
            at += 1
        close = {"{": "}", '"': '"', "'": "'"}.get(text[at : at + 1])
        characters = []
        if close and text.find(close, at + 1) > 0:
            at += 1
            while at < end and not (text[at] == close and text[at + 1 : at + 2] != close):
                characters.append(text[at])
                at += 2 if text[at] == close else 1
        stop = text.find(";", at)
        value = "".join(characters) if close and characters else text[at : stop if stop >= 0 else end].strip()
        at = stop + 1 if stop >= 0 else end
        if len(name) <= 60:
            yield Pair(name, value)


def _colon_parts(line: str) -> list[str]:
    """Split at colons that no backslash stands before; all after the fourth belongs to the password."""
    parts: list[str] = []
    current: list[str] = []
    at = 0
    while at < len(line):
        if line[at] == "\\" and at + 1 < len(line):
            at += 1
            current.append(line[at])
        elif line[at] == ":" and len(parts) < 4:
            parts.append("".join(current))
            current = []
        else:
            current.append(line[at])
        at += 1
    return [*parts, "".join(current)]
