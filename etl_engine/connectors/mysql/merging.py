"""Staged rows into the target by their key: what is there is updated, what is not is inserted."""

from collections.abc import Sequence
from dataclasses import dataclass

from etl_engine.connectors.catalogue.mysql import back_quoted
from etl_engine.connectors.mysql.names import listed, quoted
from etl_engine.connectors.mysql.refusals import KIND
from etl_engine.connectors.mysql.session import Session
from etl_engine.connectors.mysql.shapes import create_table
from etl_engine.connectors.mysql.values import text_of
from etl_engine.connectors.rows import ROW
from etl_engine.errors import Rejected
from etl_engine.model.table import Column, Family, TableName

STAGE, SETTLED = "_etl_stage", "_etl_settled"
_PART = " AS etl_part"
_COMPARED = {Family.TEXT, Family.ENUM}


def drop_stages(session: Session, schema: str) -> None:
    for name in (STAGE, SETTLED):
        session.run(f"DROP TEMPORARY TABLE IF EXISTS {quoted(TableName(schema, name))}")


@dataclass(frozen=True)
class Merge:
    """One stage, one target. `staged`: what is taken out of the stage. `name`: the target's, in messages."""

    session: Session
    stage: TableName
    staged: str
    target: TableName
    name: TableName
    columns: Sequence[Column]
    key: tuple[str, ...]

    def apply(self, columns: Sequence[str], newest: str, *, distinct: bool) -> int:
        """How many rows were inserted or updated."""
        self._insist_on_keys()
        self._insist_on_one_spelling()
        source = self.staged
        if not distinct:
            source = self._settled(columns, newest)
        (rows,) = self.session.one(f"SELECT COUNT(*) FROM {source}")  # noqa: S608 - quoted
        if self._is_only_key():
            self._upsert(source, columns)
        else:
            self._update_then_insert(source, columns)
        return int(rows)

    def settle(self, columns: Sequence[str], newest: str, key: str) -> None:
        """Only the newest row of each key stays staged. `key` is its text: what is alike here only is told later."""
        settled, session = quoted(TableName(self.stage.schema, SETTLED)), self.session
        stage = f"{quoted(self.stage)} s"
        session.run(
            f"CREATE TEMPORARY TABLE {settled} (k char(32) PRIMARY KEY, r bigint NOT NULL, KEY (r)) ENGINE=InnoDB",
            f"INSERT INTO {settled} (k, r) SELECT MD5({key}), s.{ROW} FROM {stage} "  # noqa: S608
            f"ORDER BY {self._oldest_first(columns, newest)} ON DUPLICATE KEY UPDATE r = VALUES(r)",
            f"DELETE s FROM {stage} LEFT JOIN {settled} w ON w.r = s.{ROW} WHERE w.r IS NULL",
            f"DROP TEMPORARY TABLE {settled}",
            doing="looking for the newest rows",
        )

    def _oldest_first(self, columns: Sequence[str], newest: str) -> str:
        by = [back_quoted(newest)] if newest else []
        by += [f"BINARY {back_quoted(name)}" for name in columns]  # the same row wins whatever the order they came in
        return ", ".join(by)

    def _settled(self, columns: Sequence[str], newest: str) -> str:
        """One row a key: each next one in this order takes the place of the one before, so that the newest stays."""
        settled, session = TableName(self.stage.schema, SETTLED), self.session
        # Its key is made with it: altering even a temporary table would commit what is in the transaction.
        made = create_table(quoted(settled), self.columns, self.key, session.dialect, temporary=True)
        session.run(made, doing="making the stage")
        others = [one for one in columns if one not in self.key]
        self._insert(settled, self.staged, columns, others, self._oldest_first(columns, newest))
        return quoted(settled)

    def _upsert(self, source: str, columns: Sequence[str]) -> None:
        self._insert(self.target, source, columns, [one for one in columns if one not in self.key])

    def _insert(
        self, into: TableName, source: str, columns: Sequence[str], changed: Sequence[str], order: str = ""
    ) -> None:
        changes = ", ".join(f"{back_quoted(one)} = VALUES({back_quoted(one)})" for one in changed)
        first = back_quoted(self.key[0])
        self._run(
            f"INSERT INTO {quoted(into)} ({listed(columns)}) SELECT {listed(columns)} FROM {source}"  # noqa: S608
            f"{f' ORDER BY {order}' if order else ''} "
            f"ON DUPLICATE KEY UPDATE {changes or f'{first} = VALUES({first})'}"
        )

    def _update_then_insert(self, source: str, columns: Sequence[str]) -> None:
        """Where another unique key could be hit: that is an error, and never an update of somebody else's row."""
        source = f"{source.removesuffix(_PART)} AS s"
        same = " AND ".join(f"t.{back_quoted(one)} = s.{back_quoted(one)}" for one in self.key)
        changes = ", ".join(f"t.{back_quoted(one)} = s.{back_quoted(one)}" for one in columns if one not in self.key)
        if changes:
            self._run(f"UPDATE {quoted(self.target)} t JOIN {source} ON {same} SET {changes}")  # noqa: S608
        staged = ", ".join(f"s.{back_quoted(one)}" for one in columns)
        self._run(
            f"INSERT INTO {quoted(self.target)} ({listed(columns)}) SELECT {staged} FROM {source} "  # noqa: S608
            f"LEFT JOIN {quoted(self.target)} t ON {same} WHERE t.{back_quoted(self.key[0])} IS NULL"
        )

    def _is_only_key(self) -> bool:
        rows = self.session.rows(
            "SELECT index_name, GROUP_CONCAT(column_name) FROM information_schema.statistics "
            "WHERE table_schema = %s AND table_name = %s AND non_unique = 0 GROUP BY index_name",
            (self.target.schema, self.target.name),
        )
        return len(rows) == 1

    def _insist_on_keys(self) -> None:
        null = " OR ".join(f"{back_quoted(one)} IS NULL" for one in self.key)
        (missing,) = self.session.one(f"SELECT COUNT(*) FROM {self.staged} WHERE {null}")  # noqa: S608
        if missing:
            raise Rejected(
                f"{missing} row{'s have' if missing > 1 else ' has'} NULL in the key ({', '.join(self.key)}): they "
                "cannot be told apart, and merging them would write them again every time",
                kind=KIND,
                hint="Repair them in the source, leave them out with --query, or choose another --key.",
            )

    def _insist_on_one_spelling(self) -> None:
        """Two keys of the source that are one to the target's collation: 'a' and 'A' would overwrite each other."""
        by_name = {column.name: column for column in self.columns}
        compared = [by_name[one] for one in self.key if by_name[one].type.family in _COMPARED]
        if not compared:
            return
        spellings = [f"BINARY {text_of(one)}" for one in compared]
        differ = " OR ".join(f"MIN({one}) <> MAX({one})" for one in spellings)
        shown = ", ".join(f"CONVERT({end}({one}) USING utf8mb4)" for one in spellings for end in ("MIN", "MAX"))
        within = f"SELECT {shown} FROM {self.staged} GROUP BY {listed(self.key)} HAVING {differ} LIMIT 1"  # noqa: S608
        same = " AND ".join(f"t.{back_quoted(one)} = s.{back_quoted(one)}" for one in self.key)
        pairs = [
            (text_of(one, f"s.{back_quoted(one.name)}"), text_of(one, f"t.{back_quoted(one.name)}")) for one in compared
        ]
        other = " OR ".join(f"BINARY {one} <> BINARY {two}" for one, two in pairs)
        against = (
            f"SELECT {', '.join(text for pair in pairs for text in pair)} FROM {self.staged.removesuffix(_PART)} AS s "  # noqa: S608
            f"JOIN {quoted(self.target)} t ON {same} WHERE {other} LIMIT 1"
        )
        for query in (within, against):
            found = self.session.rows(query)
            if found:
                one, two = next(pair for pair in zip(found[0][::2], found[0][1::2], strict=True) if pair[0] != pair[1])
                raise Rejected(
                    f"The keys {one!r} and {two!r} are two to the source and one to the collation of {self.name}",
                    kind=KIND,
                    hint="Give the key of the target a collation that ends in _bin, best one without padding.",
                )

    def _run(self, statement: str) -> None:
        self.session.run(statement, doing=f"merging into {self.name}")
