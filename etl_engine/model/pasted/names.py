"""What the names of settings mean: POSTGRES_HOST, spring.datasource.username, "User Id", PGPORT, dbName."""

import re
from dataclasses import dataclass

from etl_engine.model.pasted.fields import KINDS, kind_of

_WORDS = {
    "host": ("host", "hostname", "hostaddr", "server", "servername", "address", "addr", "endpoint", "datasource"),
    "port": ("port", "portnumber", "tcpport"),
    "database": ("database", "databasename", "db", "dbname", "name", "catalog", "initialcatalog", "defaultdb"),
    "username": ("user", "username", "usr", "userid", "uid", "login"),
    "password": ("password", "passwd", "pass", "pwd", "psw"),
    "root_password": ("rootpassword",),
    "url": ("url", "uri", "dsn", "connectionstring", "connectionurl", "connstr", "jdbcurl", "databaseurl", "dburl"),
    "type": (
        *("engine", "adapter", "dialect", "driver", "client", "connection", "type", "provider", "scheme", "vendor"),
        *("driverclassname", "dbtype"),
    ),
    "tls": ("sslmode", "ssl", "tls", "usessl", "requiressl", "sslaccept", "sslrootcert", "sslca", "sslcert", "sslkey"),
}
_FIELD = {word: name for name, words in _WORDS.items() for word in words}
_LONGEST = 3  # words of a name: driver class name
_OURS = frozenset({spelling for spellings in KINDS.values() for spelling in spellings}) | frozenset(
    {"db", "database", "databases", "sql", "rds", "datasource", "supabase", "neon", "jdbc", "typeorm", "aurora"}
    | {"sequelize", "sqlalchemy"}
)
# Settings of other services also have hosts and passwords.
_FOREIGN = frozenset(
    {"redis", "mongo", "mongodb", "mail", "smtp", "imap", "rabbitmq", "amqp", "elastic", "elasticsearch", "kafka"}
    | {"clickhouse", "s3", "ftp", "sftp", "ldap", "ssh", "memcached", "cache", "queue", "oracle", "mssql"}
    | {"grafana", "pgadmin", "proxy"}
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_GAPS = re.compile(r"[^a-z0-9]+")
_PG = re.compile(r"pg(host|hostaddr|port|database|user|password|sslmode|sslrootcert|sslcert|sslkey)")
_LONGEST_NAME = 80


@dataclass(frozen=True)
class Role:
    """The field that a setting fills, and the words before it: whose setting it is."""

    field: str
    word: str
    owner: str = ""

    @property
    def kind(self) -> str | None:
        return kind_of(self.owner.replace("_", ".")) if self.owner else None


def role_of(name: str) -> Role | None:
    """None where the name is not about a database."""
    if len(name) > _LONGEST_NAME:
        return None
    if postgres := _PG.fullmatch(name.casefold()):
        return Role(_FIELD[postgres[1]], postgres[1], "pg")
    words = [word for word in _GAPS.split(_CAMEL.sub("_", name).casefold()) if word]
    if len(words) == 1 and words[0] in ("dbhost", "dbport", "dbuser", "dbpass", "dbpassword", "dbusername"):
        return Role(_FIELD[words[0][2:]], words[0][2:], "db")
    for count in range(min(_LONGEST, len(words)), 0, -1):
        word = "".join(words[-count:])
        field = _FIELD.get(word)
        owner = words[:-count]
        if field and _about_a_database(owner) and not (owner == [] and count == 2 and words[0] in _OURS):
            return Role(field, word, "_".join(owner))
    return None


def _about_a_database(owner: list[str]) -> bool:
    if not owner:
        return True
    return _FOREIGN.isdisjoint(owner) and not _OURS.isdisjoint(owner)
