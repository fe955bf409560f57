"""A test, or anybody else, may bring the clock that the store judges by."""

import datetime as dt
from pathlib import Path

import mongomock
import pytest

from etl_engine.errors import StoreError
from etl_engine.store.mongo import MongoStore
from etl_engine.store.sql import SqlStore

NOON = dt.datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=dt.timezone(dt.timedelta(hours=2)))


def test_a_clock_can_be_put_in(tmp_path: Path) -> None:
    sql = SqlStore(f"sqlite:///{tmp_path}/store.db", clock=lambda: NOON)
    mongo = MongoStore("mongodb://localhost", "etl", client_class=mongomock.MongoClient, clock=lambda: NOON)
    assert sql.now() == mongo.now() == dt.datetime(2026, 5, 1, 10, 0, 0, 123000, tzinfo=dt.UTC)


def test_a_clock_without_a_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="without a time zone"):
        SqlStore(f"sqlite:///{tmp_path}/store.db", clock=lambda: NOON.replace(tzinfo=None)).now()
