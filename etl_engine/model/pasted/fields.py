"""The fields a pasted text can fill, and where each of them was read."""

import string
from dataclasses import dataclass, field

from pydantic import SecretStr

from etl_engine.model.pasted import tls

TITLES = {
    "db_type": "Type",
    "host": "Host",
    "port": "Port",
    "database": "Database",
    "username": "Username",
    "password": "Password",
    "tls_mode": "TLS",
    "bucket": "Bucket",
    "prefix": "Folder",
    "folder": "Folder",
    "region": "Region",
}
# Spellings in URLs, images, drivers and settings; looked up without their `+driver` part.
KINDS = {
    "postgresql": (
        *("postgres", "postgresql", "pgsql", "pg", "postgis", "psql", "psycopg", "psycopg2", "pgx", "npgsql"),
        *("timescaledb", "pgvector"),
    ),
    "mysql": ("mysql", "mysql2", "mysqli", "mysqlgis", "mysqlx", "mariadb", "percona", "pymysql", "mysqlclient"),
    "sqlite": ("sqlite", "sqlite3", "spatialite"),
    "duckdb": ("duckdb",),
}
KIND_TITLES = {"postgresql": "PostgreSQL", "mysql": "MySQL", "sqlite": "SQLite", "duckdb": "DuckDB"}
FILE_KINDS = ("sqlite", "duckdb")  # a database of these is a file
_KIND_OF = {spelling: kind for kind, spellings in KINDS.items() for spelling in spellings}
_KIND_OF_PORT = {5432: "postgresql", 6432: "postgresql", 6543: "postgresql", 3306: "mysql"}
_KIND_OF_USER = {"postgres": "postgresql", "root": "mysql"}
_PLACEHOLDERS = frozenset({"your-password", "yourpassword", "your_password", "password-here", "redacted"})
_OPTION_CHARACTERS = frozenset(string.ascii_letters + string.digits + "_-. ")

Value = str | int | SecretStr


def kind_of(text: str) -> str | None:
    """The kind of connection that a scheme, driver, image or engine names; None for any other word."""
    word = text.strip().casefold().partition("+")[0]
    if word in _KIND_OF:
        return _KIND_OF[word]
    parts = word.replace("-", ".").replace("/", ".").replace(":", ".").replace(" ", ".").replace("_", ".").split(".")
    return next((_KIND_OF[part] for part in parts if part in _KIND_OF), None)


def is_placeholder(password: str) -> bool:
    """Whether this is what documentation and consoles print in place of a password."""
    bare = password.strip("[]<>{}").casefold()
    bracketed = password[0] in "[<{" and password[-1] in "]>}" and bare.endswith(("password", "pass", "pwd", "secret"))
    return bracketed or bare in _PLACEHOLDERS or (len(password) >= 4 and not password.strip("*•"))


@dataclass
class Found:
    """One database that a text describes. Whatever is put first stays."""

    form: str  # what the text is: "PostgreSQL URL", "docker-compose service db"
    values: dict[str, Value] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    @property
    def score(self) -> int:
        return len(self.values)

    def put(self, name: str, value: str, source: str) -> None:
        """Keep a value, where it is one. A placeholder or a broken number is noted instead."""
        if name in self.values or not value.strip():
            return
        if name == "port":
            self._put_port(value.strip(), source)
        elif name == "password":
            self._put_password(value, source)
        elif name == "host":
            self._put_host(value.strip(), source)
        else:
            self._keep(name, value, source)

    def put_kind(self, kind: str | None, source: str) -> None:
        if kind and "db_type" not in self.values:
            self._keep("db_type", kind, source)

    def put_tls(self, option: str, value: str, source: str, *, true_checks: bool = False) -> bool:
        """Whether the option is one about TLS; what it says is kept, or noted."""
        reading = tls.read(option, value, true_checks=true_checks)
        if reading is None:
            return False
        if reading.mode and ("tls_mode" not in self.values or tls.stricter(reading.mode, str(self.values["tls_mode"]))):
            self._keep("tls_mode", reading.mode, source)
        if reading.note:
            self.note(reading.note)
        return True

    def ignore(self, option: str) -> None:
        """Remember the name of an option that is not used. A name that looks like anything else is not repeated."""
        name = option.strip()
        known = 0 < len(name) <= 40 and _OPTION_CHARACTERS.issuperset(name) and name[0].isalpha()
        self.ignored.append(name if known else "an option without a proper name")

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def take(self, other: "Found") -> None:
        """Fill what is still missing from another reading."""
        for name, value in other.values.items():
            if name not in self.values:
                self.values[name], self.sources[name] = value, other.sources[name]
        for note in other.notes:
            self.note(note)
        self.ignored += other.ignored

    def agrees_with(self, other: "Found") -> bool:
        return all(other.values.get(name, value) == value for name, value in self.values.items())

    def within(self, other: "Found") -> bool:
        return all(name in other.values and other.values[name] == value for name, value in self.values.items())

    def guess_kind(self) -> None:
        """The kind, where nothing named it: from the port, the user that only one kind has, or the name of the host."""
        port, user, host = (self.values.get(name) for name in ("port", "username", "host"))
        if isinstance(port, int) and port in _KIND_OF_PORT:
            self.put_kind(_KIND_OF_PORT[port], f"port {port}")
        elif isinstance(user, str) and user in _KIND_OF_USER:
            self.put_kind(_KIND_OF_USER[user], f"user {user}")
        elif isinstance(host, str):
            self.put_kind(kind_of(host), "the name of the host")

    def _keep(self, name: str, value: Value, source: str) -> None:
        self.values[name], self.sources[name] = value, source

    def _put_port(self, value: str, source: str) -> None:
        if value.isascii() and value.isdigit() and len(value) <= 5 and 1 <= int(value) <= 65535:
            self._keep("port", int(value), source)
        else:
            self.note(f"The port in {source} is not a number between 1 and 65535.")

    def _put_password(self, value: str, source: str) -> None:
        if is_placeholder(value):
            self.note("The password is a placeholder: enter the real one.")
        else:
            self._keep("password", SecretStr(value), source)

    def _put_host(self, value: str, source: str) -> None:
        if value.startswith(("/", "@", "\\\\")):
            self.note("The server is reached through a socket file: enter a host name or an IP address instead.")
            return
        hosts = [host.strip() for host in value.split(",")]
        if len(hosts) > 1:
            self.note(f"{len(hosts)} hosts are named: the first one is used.")
        self._keep("host", hosts[0].removeprefix("[").removesuffix("]"), source)
