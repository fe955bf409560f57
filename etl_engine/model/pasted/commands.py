"""Command lines: psql, mysql, their dump tools, sqlite3 and docker run."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from etl_engine.model.pasted.compose import kind_of_image, read_container
from etl_engine.model.pasted.expansion import expanded
from etl_engine.model.pasted.fields import Found
from etl_engine.model.pasted.names import role_of
from etl_engine.model.pasted.pairs import Pair
from etl_engine.model.pasted.settings import read_dsn
from etl_engine.model.pasted.urls import database_file, read_url

_LONGEST = 8192  # no command line is longer
_WORDS_BEFORE = 15
_POSTGRES = {"h": "host", "p": "port", "U": "username", "d": "database"}
_MYSQL = {"h": "host", "P": "port", "u": "username", "D": "database"}
_LONG = {"host": "host", "port": "port", "username": "username", "user": "username", "dbname": "database"} | {
    "database": "database",
    "password": "password",
    "uri": "uri",
}


@dataclass(frozen=True)
class _Tool:
    """How one program reads its command line."""

    kind: str
    letters: dict[str, str]
    taking: str  # other letters that take a value
    positional: tuple[str, ...] = ()
    long_taking: frozenset[str] = field(default_factory=frozenset)


_PSQL = _Tool("postgresql", _POSTGRES, "cfovPFRTL", ("database", "username"))
_PG_DUMP = _Tool("postgresql", _POSTGRES, "fFjnNtTEZSlI", ("database",))
_MYSQL_CLIENT = _Tool("mysql", _MYSQL, "eSCO", ("database",))
_MYSQL_ADMIN = _Tool("mysql", _MYSQL, "eSCO")
_TOOLS = {
    **dict.fromkeys(("psql", "pgcli", "usql"), _PSQL),
    **dict.fromkeys(("pg_dump", "pg_restore", "pg_dumpall", "pg_isready", "createdb", "dropdb", "vacuumdb"), _PG_DUMP),
    **dict.fromkeys(("pgbench", "pg_basebackup", "reindexdb"), _PG_DUMP),
    **dict.fromkeys(("mysql", "mariadb", "mycli", "mysqldump", "mariadb-dump", "mysqlsh"), _MYSQL_CLIENT),
    **dict.fromkeys(("mysqladmin", "mariadb-admin", "mysqlimport", "mysqlcheck", "mysqlslap"), _MYSQL_ADMIN),
}
_ENVIRONMENT = {"PGPASSWORD": "password", "PGHOST": "host", "PGPORT": "port", "PGUSER": "username"} | {
    "PGDATABASE": "database",
    "PGSSLMODE": "tls",
    "MYSQL_PWD": "password",
    "MYSQL_HOST": "host",
}
_FILE_PROGRAMS = {"sqlite3": "sqlite", "litecli": "sqlite", "duckdb": "duckdb"}
_ENDS = ("|", ">", "<", "&", ";", "2>")


def read_command(text: str) -> list[Found]:
    """The database that a command connects to."""
    line = text.strip().replace("\\\r\n", " ").replace("\\\n", " ").replace("^\n", " ")
    if len(line) > _LONGEST or "\n" in line.strip():
        return []
    words = _words(line.removeprefix("$ ").removeprefix("# ").removeprefix("> "))
    for at, word in enumerate(words[:_WORDS_BEFORE]):
        program = PurePosixPath(word).name.removesuffix(".exe")
        if program in ("docker", "podman") and "run" in words[at + 1 : at + 3]:
            return _read_run(words[at + 1 :])
        if program in _FILE_PROGRAMS and at + 1 < len(words):
            path = next((one for one in words[at + 1 :] if not one.startswith("-")), "")
            return [database_file(path, f"{program} command", _FILE_PROGRAMS[program])]
        if program in _TOOLS:
            return _read_tool(program, _TOOLS[program], words[:at], words[at + 1 :])
    return []


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # a quote that is never closed
        return line.split()


def _read_tool(program: str, tool: _Tool, before: list[str], words: list[str]) -> list[Found]:
    found = Found(f"{program} command")
    found.put_kind(tool.kind, program)
    positions = list(tool.positional)
    for option, value in _options(tool, words):
        if option == "":
            name = positions.pop(0) if positions else ""
            if name:
                _put(found, name, value, "the command")
        elif len(option) == 1:
            if option in tool.letters:
                _put(found, tool.letters[option], value, f"-{option}")
            elif option == "p" and tool.kind == "mysql":
                _put(found, "password", value, "-p")
        elif option in _LONG:
            _put(found, _LONG[option], value, f"--{option}")
        elif option == "skip-ssl":
            found.put_tls("ssl", "disable", "--skip-ssl")
        else:
            found.put_tls(option, value, f"--{option}")
    for word in before:
        name, mark, value = word.partition("=")
        if mark and name in _ENVIRONMENT:
            _put(found, _ENVIRONMENT[name], value, name)
    if {"exec", "kubectl"} & set(before) and "host" not in found.values:
        found.note("The command runs inside a container: enter the host and port that reach it from here.")
    return [found]


def _options(tool: _Tool, words: list[str]) -> Iterator[tuple[str, str]]:
    """Options with their values, and words that stand alone under an empty name, up to a pipe or another command."""
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word.startswith(_ENDS):
            return
        if word.startswith("--") and len(word) > 2:
            option, mark, value = word[2:].partition("=")
            if not mark and option in _LONG and option != "password" and at < len(words):
                value, at = words[at], at + 1
            yield option, value
        elif word.startswith("-") and len(word) > 1:
            letter, value = word[1], word[2:]
            if not value and letter in (*tool.letters, *tool.taking) and at < len(words):
                value, at = words[at], at + 1
            yield letter, value
        else:
            yield "", word


def _put(found: Found, name: str, value: str, source: str) -> None:
    settled = expanded(value, {})
    if settled is None or (value[:1] == "$" and value[1:].isidentifier()):
        found.note(f"The value of {source} is a variable that is not in the text.")
    elif name in ("database", "uri") and ("://" in value or (name == "uri" and "@" in value)):
        url = read_url(value if "://" in value else f"{found.values['db_type']}://{value}")
        if url is not None:
            url.values.pop("db_type", None)
            found.take(url)
    elif name == "database" and "=" in value and (dsn := read_dsn(value)):
        found.take(dsn[0])
    elif name == "tls":
        found.put_tls("sslmode", settled, source)
    else:
        found.put(name, settled, source)


def _read_run(words: list[str]) -> list[Found]:
    """docker run -e POSTGRES_PASSWORD=... -p 5433:5432 postgres:15"""
    pairs, ports, kind = [], [], None
    at = 0
    while at < len(words) and kind is None:
        word, following = words[at], words[at + 1] if at + 1 < len(words) else ""
        option, mark, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if option in ("-e", "--env", "-p", "--publish", "--name", "-v", "--volume", "--network", "--net", "-h"):
            value, at = (value, at) if mark else (following, at + 1)
        if option in ("-e", "--env") and "=" in value:
            name, _, content = value.partition("=")
            pairs.append(Pair(name, content))
        elif option in ("-p", "--publish"):
            ports.append(value)
        elif not word.startswith("-"):
            kind = kind_of_image(word)
        at += 1
    known = [pair for pair in pairs if role_of(pair.name) is not None]
    return [read_container(kind, "docker run command", known, list(ports), {})] if kind else []
