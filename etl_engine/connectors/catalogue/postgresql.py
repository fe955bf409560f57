"""PostgreSQL's refusals, by SQLSTATE and, where one state means several things, by the routine that reported it.

Server texts come in the language of the server; states and routine names do not.
"""

import re
from collections.abc import Mapping

from etl_engine.connectors.contract import Who
from etl_engine.connectors.fault import Entry, Fault, said

_STATE = re.compile(r":\s+([0-9A-Z]{5}): (.*)")
_ROUTINE = re.compile(r"^\S+\s+(\w+), \w+\.c:\d+\s*$", re.MULTILINE)
_SEEN_FROM = re.compile(r"[\"«“„»]\s?([0-9a-f]*[.:][0-9a-f.:]+)\s?[\"»”“«]")

_HBA_LINE = "{hba_type} {sql_database} {sql_user} {seen_network} scram-sha-256"
_ROLE = "SELECT rolname, rolcanlogin, rolvaliduntil, rolconnlimit FROM pg_roles WHERE rolname = {text_user};"

# (SQLSTATE, routine or word of the text): the first that fits; "" fits all.
_ENTRIES: tuple[tuple[str, str, Entry], ...] = (
    (
        "28P01",
        "",
        Entry(
            "wrong-password",
            'The server refused user "{user}": the password is wrong or expired, or there is no such user',
            "Type the password again; if it is right, ask the DBA to look at: " + _ROLE,
            Who.YOU,
        ),
    ),
    (
        "28000",
        "is not permitted to log in",
        Entry("login-not-allowed", 'The role "{user}" may not log in', "ALTER ROLE {sql_user} LOGIN;", Who.DBA),
    ),
    (
        "28000",
        "InitializeSessionUserId",
        Entry("no-such-user", 'There is no user "{user}"', "CREATE ROLE {sql_user} LOGIN PASSWORD '…';", Who.DBA),
    ),
    (
        "28000",
        "valid client certificate",
        Entry(
            "client-certificate-required",
            'The server wants a client certificate from user "{user}", and this connection has none it accepts',
            "Paste the client certificate and its key that the DBA issued for this user.",
            Who.DBA,
        ),
    ),
    (
        "28000",
        "auth_failed",
        Entry(
            "login-refused",
            'The server refused user "{user}": {said}',
            "Ask the DBA which authentication pg_hba.conf wants for this user and address.",
            Who.DBA,
        ),
    ),
    (
        "28000",
        "rejects",
        Entry(
            "host-rejected",
            'pg_hba.conf rejects user "{user}" on database "{database}" from {seen_from}, {encryption}',
            "# In pg_hba.conf, above the reject line, then SELECT pg_reload_conf();\n" + _HBA_LINE,
            Who.DBA,
        ),
    ),
    (
        "28000",
        "",
        Entry(
            "host-not-allowed",
            'pg_hba.conf has no entry for user "{user}" on database "{database}" from {seen_from}, {encryption}',
            "# In pg_hba.conf, then SELECT pg_reload_conf();\n" + _HBA_LINE,
            Who.DBA,
        ),
    ),
    (
        "3D000",
        "",
        Entry(
            "no-such-database",
            'There is no database "{database}" on {where}{nearest}',
            "{missing_fix}",
            Who.YOU,
            step="database",
        ),
    ),
    (
        "42501",
        "CheckMyDatabase",
        Entry(
            "database-not-allowed",
            'User "{user}" has no CONNECT privilege on database "{database}"',
            "GRANT CONNECT ON DATABASE {sql_database} TO {sql_user};",
            Who.DBA,
            step="database",
        ),
    ),
    (
        "42501",
        "",
        Entry(
            "privilege-missing",
            'User "{user}" lacks a privilege: {said}',
            "GRANT CONNECT ON DATABASE {sql_database} TO {sql_user};",
            Who.DBA,
        ),
    ),
    (
        "55000",
        "",
        Entry(
            "database-closed",
            'The database "{database}" does not accept connections (datallowconn is off)',
            "ALTER DATABASE {sql_database} ALLOW_CONNECTIONS true;",
            Who.DBA,
            step="database",
        ),
    ),
    (
        "53300",
        "InitializeSessionUserId",
        Entry(
            "user-connection-limit",
            'All connections that the role "{user}" may have are in use',
            "ALTER ROLE {sql_user} CONNECTION LIMIT -1;",
            Who.DBA,
        ),
    ),
    (
        "53300",
        "CheckMyDatabase",
        Entry(
            "database-connection-limit",
            'All connections that the database "{database}" may have are in use',
            "ALTER DATABASE {sql_database} CONNECTION LIMIT -1;",
            Who.DBA,
            step="database",
        ),
    ),
    (
        "53300",
        "",
        Entry(
            "too-many-connections",
            "All connections of the server are in use (max_connections)",
            "SELECT usename, state, count(*) FROM pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC;",
            Who.DBA,
        ),
    ),
    (
        "57P03",
        "starting up",
        Entry("server-starting", "The server is starting up", "Wait until it has started, and test again.", Who.DBA),
    ),
    (
        "57P03",
        "shutting down",
        Entry("server-stopping", "The server is shutting down", "Have the server started again.", Who.DBA),
    ),
    (
        "57P03",
        "",
        Entry(
            "server-not-ready",
            "The server does not take connections now: {said}",
            "Wait until recovery is complete; a standby takes connections with hot_standby = on.",
            Who.DBA,
        ),
    ),
    (
        "57P01",
        "",
        Entry(
            "session-ended",
            "An administrator ended the session, or the server is shutting down",
            "Test again when the server has been restarted.",
            Who.DBA,
        ),
    ),
    (
        "57P02",
        "",
        Entry("server-crashed", "The server crashed and recovers now", "Read the log of the server.", Who.DBA),
    ),
    (
        "57014",
        "",
        Entry("query-timeout", "The server ended the question after its time limit", "Test again later.", Who.DBA),
    ),
)

# libpq's own words, for what it decides before the server does.
_CLIENT_SIDE: tuple[tuple[str, Entry], ...] = (
    (
        r"authentication method requirement|authentication method .* not supported|SASL authentication mechanisms"
        r"|GSS|SSPI|Kerberos",
        Entry(
            "auth-method-unsupported",
            'The server wants a kind of login for user "{user}" that this engine does not speak',
            "# In pg_hba.conf, then SELECT pg_reload_conf();\n" + _HBA_LINE,
            Who.DBA,
        ),
    ),
    (
        r"alert certificate required",
        Entry(
            "client-certificate-required",
            "The server asks for a client certificate, and this connection has none",
            "Paste the client certificate and its key that the DBA issued for this user.",
            Who.DBA,
        ),
    ),
    (
        r"alert .*(unknown ca|certificate|decrypt)",
        Entry(
            "client-certificate-refused",
            "The server does not accept the client certificate of this connection",
            "Use a certificate signed by an authority that the server trusts (its ssl_ca_file).",
            Who.DBA,
        ),
    ),
    (
        r"closed the connection|connection .*(lost|reset)|EOF detected|could not receive|SYSCALL error|Broken pipe",
        Entry(
            "connection-lost",
            "{where} closed the connection during the login",
            "Read the log of the server, and of any proxy before it.",
            Who.DBA,
        ),
    ),
)

_UNKNOWN = Entry(
    "login-refused",
    "The server refused: {said}{state}",
    "Read the log of the server, which says more about this.",
    Who.DBA,
)


def explain(text: str, state: str, facts: Mapping[str, str], secret: str) -> Fault:
    """What libpq's error text means. `state` is the SQLSTATE where the driver knows it."""
    found = _STATE.search(text)
    state = state or (found[1] if found else "")
    told = found[2] if found else text.split("\n", 1)[0]
    routine = _ROUTINE.search(text)
    marks = f"{routine[1] if routine else ''} {text}"
    seen = _SEEN_FROM.search(told)
    seen_from = seen[1] if seen else "this machine"
    network = f"{seen_from}/{128 if ':' in seen_from else 32}" if seen else "samehost"
    every = {**facts, "said": said(told, secret), "seen_from": seen_from, "seen_network": network, "state": ""}
    if state:
        for wanted, mark, entry in _ENTRIES:
            if wanted == state and mark in marks:
                return entry.about(every)
        return _UNKNOWN.about({**every, "state": f" ({state})"})
    for pattern, entry in _CLIENT_SIDE:
        if re.search(pattern, text, re.IGNORECASE):
            return entry.about(every)
    return _UNKNOWN.about(every)


def early_message(raw: bytes) -> str:
    """The text libpq would make of an error that came instead of an answer about TLS; "" if it is not one."""
    if raw[1:2] == b"\0" and b"\0" in raw[5:]:
        fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in raw[5:].split(b"\0") if part}
        return f"{fields.get(b'S', '')}:  {fields.get(b'C', '')}: {fields.get(b'M', '')}" if b"C" in fields else ""
    text = raw[1:].decode("utf-8", "replace")
    return text if "could not fork" in text else ""


def state_of(text: str) -> str:
    found = _STATE.search(text)
    return found[1] if found else ""
