"""What MySQL and MariaDB say when they refuse, by error number: numbers are the same in every language."""

import re
from collections.abc import Mapping

from etl_engine.connectors.contract import Who
from etl_engine.connectors.fault import Entry, Fault, said

# 'user'@'address': how the server writes whom it saw, in every language.
_ACCOUNT = re.compile(r"'([^']*)'@'([^']*)'")
_HOST = re.compile(r"'([0-9a-zA-Z_.:-]+)'")

_LOCKED = Entry("account-locked", "The account {account} is locked", "ALTER USER {account} ACCOUNT UNLOCK;", Who.DBA)
_EXPIRED = Entry(
    "password-expired",
    "The password of {account} has expired and must be changed before anything else",
    "ALTER USER {account} IDENTIFIED BY '…';",
    Who.DBA,
)
_TLS_REQUIRED = Entry(
    "tls-required",
    "The server takes connections only over TLS, and the mode is {mode}",
    "Choose the TLS mode require, verify-ca or verify-full.",
    Who.YOU,
)
_USER_LIMIT = Entry(
    "user-connection-limit",
    'User "{user}" has reached a limit of the server: {said}',
    "ALTER USER {account} WITH MAX_USER_CONNECTIONS 0 MAX_CONNECTIONS_PER_HOUR 0;",
    Who.DBA,
)
_AUTH_METHOD = Entry(
    "auth-method-unsupported",
    "The account {account} logs in by a method that this engine does not speak: {said}",
    "ALTER USER {account} IDENTIFIED WITH mysql_native_password BY '…';  -- MySQL 8.4 and later: caching_sha2_password",
    Who.DBA,
)
_LOST = Entry(
    "connection-lost",
    "{where} closed the connection during the login",
    "Read the log of the server, and of any proxy before it.",
    Who.DBA,
)
_CLIENT_TOO_OLD = Entry(
    "auth-method-unsupported",
    "The server wants the account {account} to log in by a method that is too old or too new for this engine",
    "ALTER USER {account} IDENTIFIED WITH mysql_native_password BY '…';  -- MySQL 8.4 and later: caching_sha2_password",
    Who.DBA,
)

_ENTRIES: Mapping[int, Entry] = {
    1045: Entry(
        "wrong-password",
        'The server refused user "{user}" from {seen_from}: the password is wrong, or there is no such account',
        "Type the password again; if it is right, ask the DBA to look at: SHOW CREATE USER {account};",
        Who.YOU,
    ),
    1698: Entry(
        "login-refused",
        "The account {account} may log in only from the machine of the server itself (by its socket)",
        "ALTER USER {account} IDENTIFIED BY '…';",
        Who.DBA,
    ),
    1044: Entry(
        "database-not-allowed",
        'The account {account} has no privilege on database "{database}"',
        "GRANT SELECT ON {sql_database_pattern}.* TO {account};",
        Who.DBA,
        step="database",
    ),
    1049: Entry(
        "no-such-database",
        'There is no database "{database}" on {where}{nearest}',
        "{missing_fix}",
        Who.YOU,
        step="database",
    ),
    1130: Entry(
        "host-not-allowed",
        "The server lets no account in from {seen_from}",
        "CREATE USER {account} IDENTIFIED BY '…'; GRANT SELECT ON {sql_database_pattern}.* TO {account};",
        Who.DBA,
    ),
    1129: Entry(
        "host-blocked",
        "The server has blocked {seen_from} after too many broken connections",
        "FLUSH HOSTS;  -- MySQL 8.0.23 and later: TRUNCATE TABLE performance_schema.host_cache;",
        Who.DBA,
    ),
    1040: Entry(
        "too-many-connections",
        "All connections of the server are in use (max_connections)",
        "SELECT user, host, count(*) FROM information_schema.processlist GROUP BY 1, 2 ORDER BY 3 DESC;",
        Who.DBA,
    ),
    1203: _USER_LIMIT,
    1226: _USER_LIMIT,
    1053: Entry("server-stopping", "The server is shutting down", "Have the server started again.", Who.DBA),
    1152: _LOST,
    1158: _LOST,
    1159: _LOST,
    1184: _LOST,
    1251: _CLIENT_TOO_OLD,
    1275: _CLIENT_TOO_OLD,
    1524: _AUTH_METHOD,
    2059: _AUTH_METHOD,
    2061: _AUTH_METHOD,
    1820: _EXPIRED,
    1862: _EXPIRED,
    1872: Entry(
        "server-starting", "The server is not ready for connections yet", "Wait until it has started.", Who.DBA
    ),
    3118: _LOCKED,
    4151: _LOCKED,
    3159: _TLS_REQUIRED,
    3955: Entry(
        "account-locked",
        "The account {account} is blocked after too many wrong passwords",
        "ALTER USER {account} ACCOUNT UNLOCK;",
        Who.DBA,
    ),
    4031: Entry("session-ended", "The server ended the session for being idle", "Test again.", Who.DBA),
    1142: Entry(
        "privilege-missing",
        "The account {account} lacks a privilege: {said}",
        "GRANT SELECT ON {sql_database_pattern}.* TO {account};",
        Who.DBA,
    ),
    2006: _LOST,
    2013: _LOST,
    2003: _LOST,
}
_UNKNOWN = Entry(
    "login-refused",
    "The server refused: {said}{number}",
    "Read the log of the server, which says more about this.",
    Who.DBA,
)


def explain(number: int, text: str, facts: Mapping[str, str], secret: str) -> Fault:
    """What an error packet, or an error of the driver, means."""
    seen = _ACCOUNT.search(text)
    from_host = seen[2] if seen else (_HOST.search(text) or ("", ""))[1] if number in (1129, 1130) else ""
    every = {
        **facts,
        "said": said(text, secret),
        "number": f" ({number})" if number else "",
        "seen_from": from_host or "this machine",
        "account": account(facts["user"], from_host or "%"),
    }
    return _ENTRIES.get(number, _UNKNOWN).about(every)


def account(user: str, host: str) -> str:
    return f"{_text(user)}@{_text(host)}"


def back_quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def database_pattern(name: str) -> str:
    """A database in a GRANT is a pattern: its underscores and percent signs must not stand for anything."""
    return back_quoted(name.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%"))


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


_GRANT = re.compile(
    r"^GRANT (?P<what>.+?) ON (?:TABLE )?(?P<database>\*|`(?:[^`]|``)*`)\.(?P<table>\*|`(?:[^`]|``)*`) TO "
)


class Grants:
    """What `SHOW GRANTS` lines allow in one database."""

    def __init__(self, lines: list[str], database: str) -> None:
        self.everywhere: set[str] = set()
        self.database: set[str] = set()
        self.readable_tables = 0
        self.may_grant_all = False
        for line in lines:
            found = _GRANT.match(line)
            if not found or not _covers(found["database"], database):
                continue
            allowed = {part.strip().upper() for part in re.sub(r"\([^)]*\)", "", found["what"]).split(",")}
            if found["table"] != "*":
                self.readable_tables += bool(allowed & {"SELECT", "ALL PRIVILEGES"})
                continue
            self.database |= allowed
            if found["database"] == "*":
                self.everywhere |= allowed
                self.may_grant_all |= "WITH GRANT OPTION" in line

    def has(self, privilege: str) -> bool:
        return bool(self.database & {privilege, "ALL PRIVILEGES"})

    @property
    def superuser(self) -> bool:
        return self.may_grant_all and bool(self.everywhere & {"ALL PRIVILEGES", "SUPER", "CREATE USER"})


def _covers(written: str, database: str) -> bool:
    if written == "*":
        return True
    pattern, index, name = "", 0, written[1:-1].replace("``", "`")
    while index < len(name):
        character = name[index]
        if character == "\\" and index + 1 < len(name):
            index += 1
            pattern += re.escape(name[index])
        else:
            pattern += {"_": ".", "%": ".*"}.get(character, re.escape(character))
        index += 1
    return re.fullmatch(pattern, database, re.DOTALL) is not None
