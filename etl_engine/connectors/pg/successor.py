"""Replacing a table: a new one takes the old one's name and all that hangs on it, or the old one is emptied and filled.

Either way a reader sees the old rows until the commit and the new rows after it. Swapping lets readers go on during the
load; it is done only where everything that hangs on the table is known how to be carried over.
"""

import time
from dataclasses import dataclass

import psycopg2

from etl_engine.connectors.names import double_quoted, text_literal
from etl_engine.connectors.pg.catalog import Found, quoted
from etl_engine.connectors.pg.refusals import translated
from etl_engine.connectors.pg.session import Session
from etl_engine.errors import Conflict, Rejected, Throttled
from etl_engine.model.table import TableName

LOCK_PATIENCE_SECONDS = 120.0
_ONE_TRY = "2s"  # everybody who comes behind a waiting exclusive lock waits too
_TEMPORARY = "_etl_new_"
_REASONS = """
SELECT reason FROM (
    SELECT 1 AS rank, 'a view or rule depends on it' AS reason WHERE EXISTS (
        SELECT 1 FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = %(oid)s)
    UNION ALL SELECT 2, 'it has a foreign key' WHERE EXISTS (
        SELECT 1 FROM pg_constraint WHERE contype = 'f' AND (conrelid = %(oid)s OR confrelid = %(oid)s))
    UNION ALL SELECT 3, 'it has triggers' WHERE EXISTS (
        SELECT 1 FROM pg_trigger WHERE tgrelid = %(oid)s AND NOT tgisinternal)
    UNION ALL SELECT 4, 'it has row security' WHERE EXISTS (
        SELECT 1 FROM pg_policy WHERE polrelid = %(oid)s)
        OR (SELECT relrowsecurity OR relforcerowsecurity FROM pg_class WHERE oid = %(oid)s)
    UNION ALL SELECT 5, 'it is partitioned, a partition, or inherits' WHERE EXISTS (
        SELECT 1 FROM pg_inherits WHERE inhrelid = %(oid)s OR inhparent = %(oid)s)
        OR (SELECT relkind = 'p' FROM pg_class WHERE oid = %(oid)s)
    UNION ALL SELECT 6, 'it is published' WHERE EXISTS (SELECT 1 FROM pg_publication_rel WHERE prrelid = %(oid)s)
    UNION ALL SELECT 7, 'it owns a sequence' WHERE EXISTS (
        SELECT 1 FROM pg_depend d JOIN pg_class s ON s.oid = d.objid
        WHERE d.classid = 'pg_class'::regclass AND d.refobjid = %(oid)s AND d.refobjsubid > 0 AND s.relkind = 'S')
    UNION ALL SELECT 8, 'a function or table uses its row type' WHERE EXISTS (
        SELECT 1 FROM pg_depend d JOIN pg_type t ON t.oid = d.refobjid
        WHERE d.refclassid = 'pg_type'::regclass AND t.typrelid = %(oid)s AND d.deptype = 'n')
    UNION ALL SELECT 9, 'a function depends on it' WHERE EXISTS (
        SELECT 1 FROM pg_depend WHERE refclassid = 'pg_class'::regclass AND refobjid = %(oid)s
        AND classid = 'pg_proc'::regclass)
    UNION ALL SELECT 10, 'columns have grants or settings of their own' WHERE EXISTS (
        SELECT 1 FROM pg_attribute WHERE attrelid = %(oid)s AND attnum > 0
        AND (attacl IS NOT NULL OR attoptions IS NOT NULL OR coalesce(attstattarget, -1) <> -1))
    UNION ALL SELECT 11, 'it has a replica identity of its own' WHERE (
        SELECT relreplident NOT IN ('d', 'n') FROM pg_class WHERE oid = %(oid)s)
    UNION ALL SELECT 12, 'it is clustered' WHERE EXISTS (
        SELECT 1 FROM pg_index WHERE indrelid = %(oid)s AND (indisclustered OR NOT indisvalid))
    UNION ALL SELECT 13, 'it belongs to an extension or has a security label' WHERE EXISTS (
        SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = %(oid)s AND deptype = 'e')
        OR EXISTS (SELECT 1 FROM pg_seclabel WHERE objoid = %(oid)s)
    UNION ALL SELECT 14, 'this login is not its owner' WHERE NOT (
        SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = %(oid)s)
) AS found ORDER BY rank LIMIT 1
"""
_INDEXES = """
SELECT c.relname, pg_get_indexdef(c.oid), k.conname, pg_get_constraintdef(k.oid), obj_description(c.oid, 'pg_class'),
       obj_description(k.oid, 'pg_constraint')
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
WHERE i.indrelid = %s ORDER BY i.indisprimary DESC, c.relname
"""
_LOOKS = """
SELECT pg_get_userbyid(c.relowner), c.reloptions, s.spcname, c.relpersistence, obj_description(c.oid, 'pg_class')
FROM pg_class c LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE c.oid = %s
"""
_GRANTS = """
SELECT a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
       a.is_grantable
FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = %s AND a.grantee <> c.relowner
"""
_NO_OWNER_RIGHTS = "SELECT relacl IS NOT NULL FROM pg_class WHERE oid = %s"


def why_not_swapped(session: Session, name: TableName) -> str:
    """What hangs on the table that a new one could not take over; "" if nothing does."""
    found = session.rows("SELECT to_regclass(%s)::oid", (quoted(name),))
    if not found or found[0][0] is None:
        return ""
    reasons = session.rows(_REASONS, {"oid": found[0][0]})
    return str(reasons[0][0]) if reasons else ""


@dataclass
class Successor:
    """Where the rows of the new table go for now."""

    session: Session
    name: TableName
    old: Found
    sql: str
    frozen: bool
    swapped: bool

    def take_place(self) -> None:
        if not self.swapped:
            return
        session, old, new = self.session, self.old.sql, self.sql
        lock(session, self.name, self.old.oid)
        renames = self._carry_indexes(new)
        owner, options, tablespace, _, comment = session.one(_LOOKS, (self.old.oid,))
        statements = [f"ALTER TABLE {new} SET ({option})" for option in _options(options)]
        if tablespace:
            statements.append(f"ALTER TABLE {new} SET TABLESPACE {double_quoted(tablespace)}")
        if comment is not None:
            statements.append(f"COMMENT ON TABLE {new} IS {text_literal(comment)}")
        statements += [
            f"GRANT {right} ON {new} TO {grantee}{' WITH GRANT OPTION' if grantable else ''}"
            for right, grantee, grantable in session.rows(_GRANTS, (self.old.oid,))
        ]
        statements.append(f"DROP TABLE {old}")
        statements.append(f"ALTER TABLE {new} RENAME TO {double_quoted(self.name.name)}")
        statements += renames
        statements.append(f"ALTER TABLE {old} OWNER TO {double_quoted(owner)}")
        session.run(*statements, doing=f"putting the new {self.name} in the place of the old one")

    def _carry_indexes(self, new: str) -> list[str]:
        """Build the old table's indexes on the new one; answers the renames for when the old names are free."""
        session, schema, renames = self.session, double_quoted(self.name.schema), []
        for number, (name, definition, constraint, rule, comment, rule_comment) in enumerate(
            session.rows(_INDEXES, (self.old.oid,))
        ):
            made = double_quoted(f"{_TEMPORARY}{self.old.oid}_{number}")
            if constraint:
                session.run(f"ALTER TABLE {new} ADD CONSTRAINT {made} {rule}", doing=f"giving {self.name} its {rule}")
            else:
                # "CREATE UNIQUE INDEX name ON schema.table USING ...": both names are written as quote_ident does.
                head, using, rest = definition.partition(" USING ")
                unique = "UNIQUE " if head.startswith("CREATE UNIQUE ") else ""
                session.run(f"CREATE {unique}INDEX {made} ON {new}{using}{rest}", doing=f"building the index {name}")
            renames.append(f"ALTER INDEX {schema}.{made} RENAME TO {double_quoted(name)}")
            if comment is not None:
                renames.append(f"COMMENT ON INDEX {schema}.{double_quoted(name)} IS {text_literal(comment)}")
            if rule_comment is not None:
                on = f"{double_quoted(constraint)} ON {quoted(self.name)}"
                renames.append(f"COMMENT ON CONSTRAINT {on} IS {text_literal(rule_comment)}")
        return renames


def begin(session: Session, name: TableName, existing: Found) -> Successor:
    """A place for the new rows of an existing table. Both ways belong to the transaction that is open."""
    if why_not_swapped(session, name):
        referenced = session.rows(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f' AND confrelid = %s "
            "AND conrelid <> %s LIMIT 1",
            (existing.oid, existing.oid),
        )
        if referenced:
            raise Rejected(
                f"{referenced[0][0]} refers to {name} by the foreign key {referenced[0][1]}: replacing all of its rows "
                "would leave those without their row for a moment",
                kind="postgresql",
                hint="Use --mode merge with --key, or drop the foreign key for the time of the copy.",
            )
        lock(session, name, existing.oid)
        session.run(f"TRUNCATE {existing.sql}", doing=f"replacing the rows of {name}")
        return Successor(session, name, existing, existing.sql, frozen=existing.relkind == "r", swapped=False)
    new = TableName(name.schema, f"{_TEMPORARY}{existing.oid}")
    (persistence,) = session.one("SELECT relpersistence FROM pg_class WHERE oid = %s", (existing.oid,))
    unlogged = "UNLOGGED " if persistence == "u" else ""
    session.run(
        f"CREATE {unlogged}TABLE {quoted(new)} (LIKE {existing.sql} INCLUDING ALL EXCLUDING INDEXES)",
        doing=f"making the successor of {name}",
    )
    return Successor(session, name, existing, quoted(new), frozen=True, swapped=True)


def lock(session: Session, name: TableName, oid: int) -> None:
    """Keep everybody out of the table until the end of the transaction, without making them wait long for us."""
    until = time.monotonic() + LOCK_PATIENCE_SECONDS
    session.run(f"SET LOCAL lock_timeout = '{_ONE_TRY}'")
    while True:
        session.run("SAVEPOINT etl_lock")
        try:
            with session.connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {quoted(name)} IN ACCESS EXCLUSIVE MODE")
                cursor.execute("SET LOCAL lock_timeout = 0")
                cursor.execute("RELEASE SAVEPOINT etl_lock")
            break
        except psycopg2.Error as error:
            made = translated(error, session, f"waiting for the readers of {name}")
            if not isinstance(made, Throttled) or time.monotonic() > until:
                raise made from error
            session.run("ROLLBACK TO SAVEPOINT etl_lock")
    now = session.one("SELECT to_regclass(%s)::oid", (quoted(name),))[0]
    if now != oid:
        raise Conflict(f"{name} was dropped and made again while its successor was loaded", hint="Run the copy again.")


def _options(options: list[str] | None) -> list[str]:
    made = []
    for option in options or []:
        key, _, value = option.partition("=")
        made.append(f"{key} = {text_literal(value)}")
    return made
