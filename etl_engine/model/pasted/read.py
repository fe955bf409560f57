"""Which of the readings of a text says the most."""

import re
from collections.abc import Callable

from etl_engine.model.pasted.commands import read_command
from etl_engine.model.pasted.fields import FILE_KINDS, Found, kind_of
from etl_engine.model.pasted.places import read_place
from etl_engine.model.pasted.programs import read_program
from etl_engine.model.pasted.settings import is_sql_server, read_dsn, read_lines, read_pgpass, read_semicolons
from etl_engine.model.pasted.trees import read_json, read_yaml
from etl_engine.model.pasted.urls import database_file, read_go_dsn, read_url, read_urls

_FILE_ENDINGS = {
    **dict.fromkeys((".db", ".sqlite", ".sqlite3", ".db3", ".s3db", ".sl3"), "sqlite"),
    **dict.fromkeys((".duckdb", ".ddb"), "duckdb"),
}
_OTHERS = {
    "mongodb": "MongoDB",
    "redis": "Redis",
    "rediss": "Redis",
    "mssql": "SQL Server",
    "sqlserver": "SQL Server",
    "oracle": "Oracle",
    "snowflake": "Snowflake",
    "bigquery": "BigQuery",
    "clickhouse": "ClickHouse",
    "redshift": "Amazon Redshift",
    "cockroachdb": "CockroachDB",
    "trino": "Trino",
    "cassandra": "Cassandra",
    "amqp": "RabbitMQ",
    "kafka": "Kafka",
    "gs": "Google Cloud Storage",
    "gcs": "Google Cloud Storage",
    "abfss": "Azure storage",
    "az": "Azure storage",
    "http": "a web server",
    "https": "a web server",
}
_ADDRESS = re.compile(r"(?:\w{1,60}=[\"']?)?(?:jdbc:(?=\w+:)|(?=[\w+.-]+://))([\w+.-]{1,40}):", re.IGNORECASE)


def read(text: str) -> list[Found]:
    """The databases that the text describes, the first one first; empty where it describes none.

    Every reader looks at the text, since the formats overlap; the one that finds the most fields is right, and of
    equals the one that stands first.
    """
    text = _bare(text)
    readings = [_with_something(reader(text)) for reader in _READERS]
    best = max(readings, key=lambda found: max((one.score for one in found), default=0))
    return _distinct(best)


def other_kind(text: str) -> str:
    """What the text is an address of, where that is no kind of connection of ours; empty otherwise."""
    line = _bare(text)
    if "\n" in line or read_place(line):
        return ""
    if is_sql_server(line):
        return "SQL Server"
    address = _ADDRESS.match(line)
    return _OTHERS.get(address[1].casefold().partition("+")[0], "") if address else ""


def _bare(text: str) -> str:
    """Without what a chat, a document or a file puts around it."""
    bare = text.replace("\0", "").removeprefix("\ufeff").strip()
    if bare.startswith("```") and bare.endswith("```") and "\n" in bare:
        bare = bare[:-3].partition("\n")[2].strip()
    for mark in ('"', "'", "`"):
        if len(bare) > 1 and bare[0] == bare[-1] == mark and mark not in bare[1:-1]:
            bare = bare[1:-1].strip()
    return bare


def _with_something(found: list[Found]) -> list[Found]:
    return [one for one in found if one.score > ("db_type" in one.values) or (one.notes and "db_type" in one.values)]


def _distinct(found: list[Found]) -> list[Found]:
    """Without those that say nothing that another one does not say."""
    kept: list[Found] = []
    for one in found[:50]:
        if not any(_same(one, other) for other in kept):
            kept.append(one)
    return kept


def _same(one: Found, other: Found) -> bool:
    """The same database may be known by one address inside and by another outside."""
    names = ("db_type", "database", "username", "password")
    return one.within(other) or all(name in one.values and one.values[name] == other.values.get(name) for name in names)


def _read_file(text: str) -> list[Found]:
    scheme, separator, rest = text.partition(":")
    if "\n" in text or len(text) > 1024 or "=" in text.partition("?")[0]:
        return []
    scheme_kind = kind_of(scheme) if separator else None
    if scheme_kind in FILE_KINDS:
        return [read_url(text) or database_file(rest, "file", scheme_kind)]
    if text == ":memory:":
        return [database_file(text, "file")]
    path = text.removeprefix("file:").partition("?")[0]
    kind = next((kind for ending, kind in _FILE_ENDINGS.items() if path.casefold().endswith(ending)), None)
    return [database_file(text, "file", kind)] if kind and not _has_scheme(path) else []


def _has_scheme(path: str) -> bool:
    return "://" in path or path[:5].casefold() == "jdbc:"


def _read_address(text: str) -> list[Found]:
    """user@host:port/database without a scheme, or host:port alone."""
    if "://" in text or any(character.isspace() or character in "=;'\"{}" for character in text) or len(text) > 1024:
        return []
    found = read_url(f"postgresql://{text}")
    if found is None or "port" not in found.values:
        return []
    found.values.pop("db_type")
    found.sources = dict.fromkeys(found.values, "the address")
    found.form = "address"
    return [found]


_READERS: tuple[Callable[[str], list[Found]], ...] = (
    read_command,
    _read_file,
    read_place,
    read_go_dsn,
    read_semicolons,
    read_dsn,
    read_pgpass,
    read_json,
    read_yaml,
    read_lines,
    read_program,
    read_urls,
    _read_address,
)
