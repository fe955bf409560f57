"""What MySQL says in the middle of the work, by error number, as an error that names the thing and the repair."""

import re
from typing import TYPE_CHECKING

from etl_engine.connectors.catalogue.mysql import back_quoted, database_pattern
from etl_engine.connectors.fault import said
from etl_engine.errors import BadInput, Cancelled, ConnectorError, Missing, Refused, Rejected, Throttled, Unreachable

if TYPE_CHECKING:
    from etl_engine.connectors.mysql.session import Session

KIND = "mysql"
_GONE = {0, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2003, 2006, 2013, 2014, 4031}
_AGAIN = {
    1205: "A lock that is needed is held by somebody else",
    1213: "The server ended a deadlock at our cost",
    1614: "The server rolled the transaction back",
    3101: "The cluster rolled the transaction back",
    3572: "A lock that is needed is held by somebody else",
    1040: "The server has no connection left",
    1203: "The account has no connection left",
    1226: "The account has reached a limit",
    1041: "The server is out of memory",
    1037: "The server is out of memory",
    1038: "The server is out of memory for sorting",
    1637: "The server has too many transactions at work",
}
_MISSING = {1146: "table", 1049: "database", 1054: "column", 1051: "table", 1305: "function"}
_BAD_QUERY = {1064, 1149, 1060, 1110, 1248, 1221, 1222}
_DENIED = {1044, 1142, 1143, 1227, 1370, 1045, 1419, 3879}
_STOPPED = {1317}
HINTS = {
    1048: "Let the column take NULL, or leave these rows out with --query.",
    1263: "Let the column take NULL, or leave these rows out with --query.",
    1062: "Use --mode merge with --key, or leave the rows out that are there already.",
    1169: "Use --mode merge with --key, or leave the rows out that are there already.",
    1406: "Widen the column of the target.",
    1265: "Widen the column of the target, or give it the type of the source.",
    1264: "Widen the column of the target.",
    1292: "Give the column of the target the type of the source.",
    1366: "Give the column of the target the type and the character set of the source.",
    3988: "Give the column of the target the character set utf8mb4.",
    1451: "Use --mode merge, or drop the foreign key for the time of the copy.",
    1452: "Copy the table that it refers to first.",
    3819: "Repair these rows in the source, or leave them out with --query.",
    4025: "Repair these rows in the source, or leave them out with --query.",
    1071: "Choose a key of shorter columns with --key.",
    1118: "Make the target table by hand, with text columns for the longest ones.",
    1153: "Raise max_allowed_packet at the server, and run the copy again.",
    1301: "Raise max_allowed_packet at the server, and run the copy again.",
    2020: "Raise max_allowed_packet at the server, and run the copy again.",
    1114: "Free space on the server, and run the copy again.",
    1021: "Free space on the server, and run the copy again.",
    1030: "Free space on the server, and run the copy again.",
    1290: "Copy to the primary server, or have the server made writable.",
    1792: "Use SELECT only; a query that changes data is not copied.",
    1836: "Copy to the primary server, or have the server made writable.",
    1969: "Give the account more time: max_statement_time = 0.",
    3024: "Give the account more time: max_execution_time = 0.",
    1197: "Raise max_binlog_cache_size at the server, or copy in smaller parts.",
    1534: "Raise max_binlog_cache_size at the server, or copy in smaller parts.",
}
_DENIED_ON_TABLE = re.compile(
    r"(?P<what>[A-Z ,]+) command denied to user .*? for (?:table|column .*? in table) (?P<table>.+)$"
)
_DENIED_ON_DATABASE = re.compile(r"denied for user .*? to database '(?P<database>.*)'$")
_COLUMN = re.compile(r"[Cc]olumn (?:`[^`]*`\.)*[`']([^`']+)[`'](?: cannot be null| at row|$)")
_PARTS = re.compile(r"`((?:[^`]|``)*)`|'((?:[^']|'')*)'")


def translated(error: BaseException, session: "Session", doing: str = "") -> Exception:
    """The product's error for a driver's. `doing` is a phrase such as 'reading shop.orders'."""
    number, text = number_and_text(error)
    told = said(text or type(error).__name__, "")
    sentence = f"{told}{f', while {doing}' if doing else ''}"
    code = str(number or "")
    if session.stopped or number in _STOPPED:
        return Cancelled("The copy was stopped")
    if number in _GONE or not session.connection.open:
        return Unreachable(
            f"{session.where} ended the connection: {sentence}", kind=KIND, native_code=code, hint="Run it again."
        )
    if number in _AGAIN:
        return Throttled(f"{_AGAIN[number]}: {sentence}", kind=KIND, native_code=code)
    if number in _DENIED:
        return Refused(
            f"{session.where} refuses it to {session.user}: {sentence}",
            kind=KIND,
            native_code=code,
            hint=grant(text, session),
        )
    if number in _BAD_QUERY:
        return BadInput(f"{session.where} says: {sentence}", hint="Correct the query.")
    made: type[ConnectorError] = Missing if number in _MISSING else Rejected
    hint = HINTS.get(number, "")
    if not hint and made is Missing:
        hint = f"Look which {_MISSING[number]} there is."
    column = _COLUMN.search(text)
    context = {"column": column[1]} if column else None
    return made(f"{session.where} says: {sentence}", kind=KIND, native_code=code, hint=hint, context=context)


def number_and_text(error: BaseException) -> tuple[int, str]:
    number, text = (*error.args, "", "")[:2]
    return (number, str(text)) if isinstance(number, int) else (0, str(number))


def grant(told: str, session: "Session") -> str:
    """The GRANT that would help against a "command denied", as far as the server's sentence tells."""
    to = session.account
    found = _DENIED_ON_TABLE.search(told)
    if found:
        parts = ["".join(one).replace("``", "`") for one in _PARTS.findall(found["table"])]
        if len(parts) == 1:
            parts = [session.database, *parts]
        if len(parts) >= 2:
            return f"GRANT {found['what'].strip()} ON {'.'.join(map(back_quoted, parts[-2:]))} TO {to};"
    found = _DENIED_ON_DATABASE.search(told)
    if found:
        return f"GRANT ALL ON {database_pattern(found['database'])}.* TO {to};"
    return "Ask the administrator of the server for the right."
