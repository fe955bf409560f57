"""The URL of the store: one clear sentence where it is wrong, and its password nowhere."""

import traceback
from pathlib import Path

import dns.resolver
import mongomock
import pytest

from etl_engine.errors import BadSetting, StoreError, StoreUnavailable
from etl_engine.model.collections import CONNECTIONS
from etl_engine.store.mongo import MongoStore
from etl_engine.store.sql import SqlStore

SECRET = "s3cr3tWord"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:p@127.0.0.1:{SECRET}/db",
        f"postgresql//u:{SECRET}@h/db",
        f"mysql://u:{SECRET}@127.0.0.1/db",
        f"oracle+{SECRET}://x",
        "sqlite://",
        "sqlite:///:memory:",
        f"sqlite:////x/y.db?mode={SECRET}",
        "",
    ],
)
def test_a_wrong_sql_url_is_said_without_the_password(url: str) -> None:
    with pytest.raises(BadSetting) as caught:
        SqlStore(url)
    assert SECRET not in "".join(traceback.format_exception(caught.value)) + caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        f"mongodb://u:{SECRET}/x@127.0.0.1/",
        f"mongodb://u:{SECRET}%zz@127.0.0.1/",
        f"mongodb://u:a:{SECRET}@127.0.0.1/",
        f"mongodb://u:p@127.0.0.1:{SECRET}/",
        f"mongodb://127.0.0.1/?authMechanism={SECRET}",
        f"mongodb://127.0.0.1/?w=1&unknown={SECRET}@x",
        f"mongodb://u:{SECRET}@",
        "mongodb://",
        "nonsense://",
    ],
)
def test_a_wrong_mongodb_url_is_said_without_the_password(url: str) -> None:
    with pytest.raises(BadSetting) as caught:
        MongoStore(url, "etl")
    assert SECRET not in "".join(traceback.format_exception(caught.value)) + caught.value.hint


def test_a_name_that_cannot_be_looked_up_is_no_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_answer(*_: object, **__: object) -> None:
        raise dns.resolver.NXDOMAIN

    monkeypatch.setattr(dns.resolver, "resolve", no_answer)
    store = MongoStore(f"mongodb+srv://u:{SECRET}@cluster.example.com/", "etl")
    with pytest.raises(StoreUnavailable) as caught:
        store.open([CONNECTIONS])
    assert "cluster.example.com" in caught.value.message
    assert SECRET not in "".join(traceback.format_exception(caught.value)) + caught.value.hint + repr(store)


def test_a_store_says_where_it_is_and_not_who_asks(tmp_path: Path) -> None:
    places = {
        repr(SqlStore(f"postgresql://me:{SECRET}@db.example.com/etl?sslpassword={SECRET}")),
        repr(SqlStore(f"sqlite:///{tmp_path}/store.db")),
        repr(
            MongoStore(
                f"mongodb://me:{SECRET}@one.example.com,two.example.com:27018/?tlsCertificateKeyFilePassword={SECRET}",
                "etl",
            )
        ),
    }
    assert places == {
        "SqlStore(PostgreSQL at db.example.com:5432/etl)",
        f"SqlStore(SQLite file {tmp_path}/store.db)",
        "MongoStore(MongoDB at one.example.com,two.example.com:27018/etl)",
    }


def test_a_store_that_is_not_open_says_so() -> None:
    store = MongoStore("mongodb://localhost", "etl", client_class=mongomock.MongoClient)
    with pytest.raises(StoreError, match="not open"):
        store.find("connections")
