"""What the account may do with one table, as far as SHOW GRANTS tells."""

import re
from collections.abc import Sequence

from etl_engine.connectors.catalogue.mysql import Grants, back_quoted, database_pattern
from etl_engine.connectors.mysql.names import quoted
from etl_engine.connectors.mysql.refusals import KIND
from etl_engine.connectors.mysql.session import Session
from etl_engine.errors import Refused
from etl_engine.model.table import TableName

_ON_TABLE = re.compile(r"^GRANT (?P<what>.+?) ON (?:TABLE )?(?P<table>`(?:[^`]|``)*`\.`(?:[^`]|``)*`) TO ")
_ROLE = re.compile(r"^GRANT (`[^`]*`@`[^`]*`|`[^`]*`) TO ")


def insist(session: Session, name: TableName, on_table: Sequence[str], on_database: Sequence[str]) -> None:
    """Refused, with the GRANT, where one of these is lacking. Where roles are at work the server has the last word."""
    lines = [str(line) for (line,) in session.rows("SHOW GRANTS")]
    if any(_ROLE.match(line) for line in lines) and not session.dialect.mariadb:
        return
    held = Grants(lines, name.schema)
    own = {
        part.strip().upper()
        for line in lines
        if (found := _ON_TABLE.match(line)) and found["table"].lower() == quoted(name).lower()
        for part in re.sub(r"\([^)]*\)", "", found["what"]).split(",")
    }
    lacking = [right for right in on_table if not held.has(right) and not own & {right, "ALL PRIVILEGES"}]
    if lacking:
        raise Refused(
            f"{session.user} lacks {' and '.join(lacking)} on {name}",
            kind=KIND,
            hint=f"GRANT {', '.join(lacking)} ON {quoted(name)} TO {session.account};",
        )
    # All that is needed stands in the hint: of several grants whose patterns fit a database the server takes one only.
    lacking = [right for right in on_database if not held.has(right)]
    if lacking:
        raise Refused(
            f"{session.user} lacks {' and '.join(lacking)} on the database {back_quoted(name.schema)}; the ledger of "
            "what was copied stands there too",
            kind=KIND,
            hint=f"GRANT {', '.join(on_database)} ON {database_pattern(name.schema)}.* TO {session.account};",
        )
