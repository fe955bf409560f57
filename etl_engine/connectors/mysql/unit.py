"""One transaction in MySQL: rows, ledger line and cursor, together or not at all."""

import contextlib
from collections.abc import Iterator, Sequence

import pymysql
from pymysql.constants import SERVER_STATUS

from etl_engine.connectors.catalogue.mysql import back_quoted
from etl_engine.connectors.mysql import catalog, feed, merging, successor, widening
from etl_engine.connectors.mysql.ledger import SEEN, Ledger
from etl_engine.connectors.mysql.names import listed, quoted
from etl_engine.connectors.mysql.refusals import KIND, translated
from etl_engine.connectors.mysql.session import Session
from etl_engine.connectors.mysql.shapes import create_table, definition, described
from etl_engine.connectors.mysql.values import text_of
from etl_engine.connectors.mysql.widening import Widened
from etl_engine.connectors.rows import ROW, Claim, Entry, Place, Reject, Rows, Unit, UnknownCommit
from etl_engine.errors import Cancelled, Conflict, ConnectorError, EtlError, Rejected, Unreachable
from etl_engine.faultpoints import faultpoint
from etl_engine.model.table import Column, TableName

# Disks and packets that are full, servers that are read-only, limits of time.
_OF_THE_SERVER = ("3", "1021", "1030", "1114", "1197", "1290", "1534", "1836", "1969", "3024")
# Rows seen longer ago than this can only come again after a transaction that stays open for as long.
_REMEMBERED = "INTERVAL 2 DAY"


class MysqlUnit(Unit):
    """Tables are made before the transaction begins, which the first row begins."""

    def __init__(self, session: Session, ledger: Ledger, claim: Claim, name: TableName) -> None:
        self._session = session
        self._ledger = ledger
        self._claim = claim
        self._name = name
        self._target = name  # where rows of the target go: a table of another name as long as there is no target
        self._stage = TableName(name.schema, merging.STAGE)
        self._staged = quoted(self._stage)  # what is taken out of it
        self._columns: dict[Place, tuple[Column, ...]] = {}
        self._swap: successor.Swap | None = None
        self._made: list[TableName] = []
        self._added: list[Column] = []
        self._widened = Widened(name)
        self._emptied: catalog.Found | None = None
        self._begun = False
        self._entry: Entry | None = None

    def create(self, place: Place, columns: Sequence[Column], key: Sequence[str] = ()) -> None:
        session = self._session
        if place is Place.STAGE:
            self._columns[place] = tuple(columns)
            merging.drop_stages(session, self._name.schema)
            made = create_table(quoted(self._stage), columns, key, session.dialect, temporary=True)
            session.run(made, doing="making the stage")
            return
        existing = catalog.look_up(session, self._name)
        if existing is None:
            self._replace_by_new(columns, key)
        elif place is Place.SUCCESSOR:
            self._succeed_existing(existing)

    def add_columns(self, columns: Sequence[Column]) -> None:
        """At once for an existing target, as nothing is in the transaction yet; the successor of one has its own."""
        self._added += columns

    def load(self, rows: Rows, place: Place, columns: Sequence[str]) -> int:
        self._begin()
        table = self._stage if place is Place.STAGE else self._target
        known = self._columns.get(place) or described(self._session, self._target)
        by_name = {column.name: column for column in known}
        lacking = [name for name in columns if name not in by_name]
        if lacking:
            raise Conflict(
                f"{self._name} has no column {lacking[0]!r} any more: it was changed while this copy was at work",
                hint="Run the copy again.",
            )
        return feed.load(self._session, quoted(table), [by_name[one] for one in columns], rows, str(self._name))

    def append_staged(self, columns: Sequence[str]) -> int:
        return self._affected(
            f"INSERT INTO {quoted(self._target)} ({listed(columns)}) "  # noqa: S608
            f"SELECT {listed(columns)} FROM {self._staged}"
        )

    def drop_seen(self, key: Sequence[str], version: Sequence[str], *, versions_hold: bool) -> int:
        row_version, cursor, _ = (f"s.{back_quoted(name)}" for name in version)
        same = f"BINARY n.version <=> BINARY {row_version}" if versions_hold else "TRUE"
        key_text = self._key_text(key)
        # Compared as bytes: whatever the collations of the source are, these are not its values but their spelling.
        matching = (
            f"n.stream = %s AND n.key_hash = MD5({key_text}) AND BINARY n.`key` = BINARY {key_text} "
            f"AND BINARY n.`cursor` <=> BINARY {cursor} AND ({same} OR {row_version} IS NULL OR n.version IS NULL)"
        )
        seen, stage = self._ledger.table(SEEN), quoted(self._stage).replace("%", "%%")
        matching = matching.replace("%", "%%").replace("n.stream = %%s", "n.stream = %s")
        self._affected(
            f"UPDATE {seen} n JOIN {stage} s ON {matching} SET n.seen_at = CURRENT_TIMESTAMP(6)",  # noqa: S608
            (self._claim.stream,),
        )
        return self._affected(
            f"DELETE s FROM {stage} s JOIN {seen} n ON {matching}",
            (self._claim.stream,),
        )

    def remember_seen(self, key: Sequence[str], version: Sequence[str]) -> None:
        row_version, cursor, again = (f"s.{back_quoted(name)}".replace("%", "%%") for name in version)
        seen, stage = self._ledger.table(SEEN), quoted(self._stage).replace("%", "%%")
        key_text = self._key_text(key).replace("%", "%%")
        self._affected(
            f"DELETE FROM {seen} WHERE stream = %s AND seen_at < CURRENT_TIMESTAMP(6) - {_REMEMBERED}",  # noqa: S608
            (self._claim.stream,),
        )
        self._affected(
            f"INSERT INTO {seen} (stream, key_hash, `key`, version, `cursor`) "  # noqa: S608
            f"SELECT %s, MD5({key_text}), {key_text}, {row_version}, {cursor} FROM {stage} s WHERE {again} = 'true'",
            (self._claim.stream,),
        )

    def merge_staged(self, columns: Sequence[str], key: Sequence[str], newest: str, *, distinct: bool) -> int:
        return self._merging(key).apply(columns, newest, distinct=distinct)

    def blames_a_row(self, error: Rejected) -> bool:
        return error.native_code not in _OF_THE_SERVER

    def settle_staged(self, columns: Sequence[str], key: Sequence[str], newest: str) -> None:
        self._merging(key).settle(columns, newest, self._key_text(key))

    def narrow(self, numbers: tuple[int, int] | None) -> None:
        self._staged = quoted(self._stage)
        if numbers:
            inside = f"{ROW} BETWEEN {numbers[0]:d} AND {numbers[1]:d}"
            self._staged = f"(SELECT * FROM {self._staged} WHERE {inside}) AS etl_part"  # noqa: S608 - quoted

    def delete_staged(self, key: Sequence[str]) -> int:
        same = " AND ".join(f"t.{back_quoted(name)} = s.{back_quoted(name)}" for name in key)
        return self._affected(f"DELETE t FROM {quoted(self._target)} t JOIN {quoted(self._stage)} s ON {same}")

    def _merging(self, key: Sequence[str]) -> merging.Merge:
        return merging.Merge(
            self._session, self._stage, self._staged, self._target, self._name, self._columns[Place.STAGE], tuple(key)
        )

    def succeed(self, key: Sequence[str]) -> None:
        """What takes the place was made with its key, and takes it after the commit."""

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        self._begin()
        session = self._session
        session.run("SAVEPOINT etl_attempt")
        try:
            yield
        except Rejected:
            session.run("ROLLBACK TO SAVEPOINT etl_attempt")
            raise
        session.run("RELEASE SAVEPOINT etl_attempt")

    def keep_apart(self, batch_id: str, rejects: Sequence[Reject]) -> None:
        self._begin()
        self._ledger.keep_apart(self._claim, batch_id, rejects)

    def record(self, entry: Entry) -> None:
        self._begin()
        self._entry = entry
        struck_out = "" if self._widened.columns else None
        self._ledger.record(self._claim, entry, self._swap.text if self._swap else struck_out)
        if not self._session.connection.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS:
            raise Rejected(f"Something at {self._session.where} ended the transaction of the rows", kind=KIND)

    def commit(self) -> None:
        session = self._session
        faultpoint("copy.committing")
        made, self._made = self._made, []  # from here on they may belong to what is committed
        widened, self._widened = self._widened, Widened(self._name)
        try:
            session.connection.query("COMMIT")
        except (pymysql.Error, OSError, AttributeError) as error:
            told = translated(error, session, f"committing into {self._name}")
            if isinstance(told, Unreachable):
                raise UnknownCommit(str(told)) from error
            if not isinstance(told, Cancelled):
                self._made, self._widened = made, widened
            raise told from error
        if self._swap:
            self._take_place(self._swap)
        with contextlib.suppress(EtlError):  # they end with the session anyway
            merging.drop_stages(session, self._name.schema)

    def rollback(self) -> None:
        session = self._session
        session.rollback()
        if session.stopped and self._made:
            session.elsewhere(*(f"DROP TABLE IF EXISTS {quoted(name)}" for name in self._made))
        if not session.connection.open:
            return
        with contextlib.suppress(EtlError):  # the next claim takes back what stays
            self._narrow_again()
        with contextlib.suppress(EtlError):  # the next claim drops what stays
            merging.drop_stages(session, self._name.schema)
            successor.drop(session, *self._made)

    def _narrow_again(self) -> None:
        """Whoever has taken the stream over has seen to the columns, and may use them by now."""
        widened, self._widened = self._widened, Widened(self._name)
        if widened.columns and self._ledger.holds(self._claim):
            widening.take_back(self._session, widened)
            self._ledger.fulfilled(self._claim.stream, widened.text)

    def _begin(self) -> None:
        if self._begun:
            return
        session = self._session
        for column in self._added:
            self._widened = widening.widen(session, self._ledger, self._claim, self._widened, column)
        self._added = []
        session.run("START TRANSACTION")
        self._begun = True
        if self._emptied:
            successor.empty(session, self._emptied)

    def _replace_by_new(self, columns: Sequence[Column], key: Sequence[str]) -> None:
        session = self._session
        self._swap = successor.swap_of(self._claim, self._name)
        self._made.append(self._swap.new)
        self._target = self._swap.new
        session.run(create_table(quoted(self._swap.new), columns, key, session.dialect), doing=f"making {self._name}")

    def _succeed_existing(self, existing: catalog.Found) -> None:
        session = self._session
        if successor.why_not_swapped(session, existing.name):
            self._emptied = existing
            return
        self._swap = successor.swap_of(self._claim, existing.name)
        self._made.append(self._swap.new)
        self._target = self._swap.new
        successor.make_like(session, self._swap, existing, [definition(column) for column in self._added])
        self._added = []

    def _take_place(self, swap: successor.Swap) -> None:
        """The rows are committed. A lost connection leaves it to the next claim, which the ledger tells of it."""
        session, entry = self._session, self._entry
        assert entry is not None  # noqa: S101 - nothing is committed that was not recorded
        faultpoint("copy.swapping")
        try:
            successor.take_place(session, swap)
            self._ledger.fulfilled(self._claim.stream, swap.text)
        except Unreachable as error:
            raise UnknownCommit(str(error)) from error
        except ConnectorError:
            # Readers that do not end keep the name, or somebody took it: the old table stays, and the books say so.
            if self._ledger.take_back(self._claim.stream, entry.batch_id, swap.text):
                successor.drop(session, swap.new)
                raise
        faultpoint("copy.swapped")
        with contextlib.suppress(EtlError):  # the next claim drops what stays
            successor.drop(session, swap.old)

    def _key_text(self, key: Sequence[str]) -> str:
        by_name = {column.name: column for column in self._columns[Place.STAGE]}
        parts = (f"HEX({text_of(by_name[name], f's.{back_quoted(name)}')})" for name in key)
        return f"CONCAT_WS(',', {', '.join(parts)})"

    def _affected(self, statement: str, values: Sequence[str] = ()) -> int:
        return self._session.change(statement, values, doing=f"writing to {self._name}")
