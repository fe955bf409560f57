"""The data key in the store: wrapped by the operator's keys, re-wrapped, renewed, retired and dropped in the end."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine

from etl_engine.errors import Conflict, Denied, Locked
from etl_engine.model.collections import ALL, AUDIT, CONNECTIONS, KEYS
from etl_engine.sealing import Vault, fingerprint, new_key
from etl_engine.services import connections, keys
from etl_engine.services.connection_documents import as_config, opened
from etl_engine.services.context import Actor, Context
from etl_engine.services.keyring import Keyring
from etl_engine.store.sql import SqlStore

OLD, NEW = new_key(), new_key()
SECRET = "p/w:x@#?%'\"ü"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = SqlStore(f"sqlite:///{tmp_path}/etl_engine.db")
    store.open(ALL)
    yield store
    store.close()


@pytest.fixture
def context(store: SqlStore) -> Callable[..., Context]:
    """A process of its own, as far as keys are concerned: another keyring on the same store."""
    return lambda *given: Context(store, Keyring(store, given or (OLD,)))


def saved(ctx: Context, name: str, password: str = SECRET, **more: Any) -> str:
    values = {"name": name, "db_type": "postgresql", "host": "127.0.0.1", "database": "d", "username": "u"}
    return connections.create(ctx, as_config(values | {"password": password} | more)).id


def password(ctx: Context, connection_id: str) -> str:
    document = ctx.store.get(CONNECTIONS.name, connection_id)
    assert document is not None
    return str(opened(ctx.keyring.vault(), document)["password"])


def key_document(ctx: Context) -> dict[str, Any]:
    (document,) = ctx.store.find(KEYS.name)
    return document


def audited(ctx: Context) -> list[tuple[str, str]]:
    return [(entry["action"], entry["outcome"]) for entry in ctx.store.find(AUDIT.name, sort=[("_id", 1)])]


def test_the_data_key_is_in_the_store_only_wrapped(context: Callable[..., Context]) -> None:
    ctx = context()
    saved(ctx, "one")
    entry = key_document(ctx)["data_keys"][0]
    assert entry["wrapped"].startswith("gAAAA")
    assert key_document(ctx)["wrapped_by"] == fingerprint(OLD)
    (data_key,) = ctx.keyring.data_keys(ctx.keyring.document())
    assert data_key.value not in str(key_document(ctx))
    assert data_key.value not in repr(data_key) + repr(ctx.keyring) + repr(ctx)


def test_keyrings_that_start_at_once_share_one_data_key(store: SqlStore) -> None:
    keyrings = [Keyring(store, (OLD,)) for _ in range(8)]
    barrier, found = threading.Barrier(8), []

    def start(keyring: Keyring) -> None:
        barrier.wait(10)
        found.append(keyring.data_keys(keyring.document())[0].value)

    threads = [threading.Thread(target=start, args=(keyring,)) for keyring in keyrings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize("given", [(NEW,), (NEW, new_key())])
def test_a_wrong_key_is_refused_by_name_and_changes_nothing(
    context: Callable[..., Context], given: tuple[str, ...]
) -> None:
    ctx = context()
    one = saved(ctx, "one")
    before = key_document(ctx), ctx.store.get(CONNECTIONS.name, one)
    with pytest.raises(Locked) as caught:
        context(*given).keyring.vault()
    assert fingerprint(OLD) in caught.value.message
    assert all(fingerprint(key) in caught.value.message for key in given)
    assert "keys rotate" in caught.value.hint
    assert not any(key in caught.value.message + caught.value.hint for key in (OLD, *given))
    assert (key_document(ctx), ctx.store.get(CONNECTIONS.name, one)) == before


def test_a_sealed_store_without_any_key_is_refused(store: SqlStore, context: Callable[..., Context]) -> None:
    saved(context(), "one")
    with pytest.raises(Locked, match="no key was given") as caught:
        Keyring(store, ()).vault()
    assert "ENCRYPTION_KEY" in caught.value.hint


def test_every_key_given_opens_and_rotation_wraps_with_the_first(context: Callable[..., Context]) -> None:
    one = saved(context(), "one")
    token = context().store.get(CONNECTIONS.name, one)
    both = context(NEW, OLD)
    assert password(both, one) == SECRET
    assert keys.rotate(both) == keys.Rotation(1, 0, (), 0)
    assert password(context(NEW), one) == SECRET
    with pytest.raises(Locked):
        context(OLD).keyring.vault()
    assert both.store.get(CONNECTIONS.name, one) == token  # records stay untouched
    assert key_document(both)["wrapped_by"] == fingerprint(NEW)


def test_a_running_process_notices_a_rotation(context: Callable[..., Context]) -> None:
    running, other = context(NEW, OLD), context(OLD)
    one = saved(other, "one")
    vault = running.keyring.vault()
    assert running.keyring.vault() is vault
    keys.rotate(other, reseal=True)
    assert running.keyring.vault() is not vault
    assert password(running, one) == SECRET


def test_reseal_moves_every_secret_to_a_new_data_key_and_retires_the_old_one(context: Callable[..., Context]) -> None:
    ctx = context()
    ids = {saved(ctx, f"c{number}", f"{SECRET}{number}"): number for number in range(250)}  # more than a page
    both = saved(ctx, "with a client key", tls_cert="cert", tls_key="the key")
    before = ctx.keyring.vault()
    seen: list[int] = []
    done = keys.rotate(ctx, reseal=True, on_progress=seen.append)
    assert done == keys.Rotation(rewrapped=2, resealed=252, unreadable=(), dropped=0)
    assert seen[-1] == 252
    assert seen == sorted(seen)
    first, old = ctx.keyring.data_keys(ctx.keyring.document())
    assert first.retired_at is None
    assert old.retired_at is not None
    for connection_id, number in ids.items():
        document = ctx.store.get(CONNECTIONS.name, connection_id)
        assert document is not None
        assert Vault([first.value]).unseal(document["password"], connection_id, "password") == f"{SECRET}{number}"
        with pytest.raises(Locked):
            before.unseal(document["password"], connection_id, "password")
    document = ctx.store.get(CONNECTIONS.name, both)
    assert document is not None
    assert opened(Vault([first.value]), document)["tls_key"] == "the key"


def test_reseal_changes_nothing_but_the_seals(context: Callable[..., Context]) -> None:
    ctx = context()
    one = saved(ctx, "one")
    before = ctx.store.get(CONNECTIONS.name, one)
    keys.rotate(ctx, reseal=True)
    after = ctx.store.get(CONNECTIONS.name, one)
    assert before is not None
    assert after is not None
    assert after.pop("password") != before.pop("password")
    assert after == before


def test_a_secret_sealed_with_the_old_key_at_the_last_moment_still_opens(context: Callable[..., Context]) -> None:
    ctx = context()
    late = ctx.keyring.vault()  # a writer that read the keys just before
    one = saved(ctx, "one")
    keys.rotate(ctx, reseal=True)
    ctx.store.update(CONNECTIONS.name, {"_id": one}, {"password": late.seal("late", one, "password")})
    assert password(ctx, one) == "late"
    assert keys.rotate(ctx, reseal=True).resealed == 1
    assert password(ctx, one) == "late"


def test_a_retired_key_is_kept_for_a_day_and_then_dropped(context: Callable[..., Context]) -> None:
    with time_machine.travel("2026-03-01T12:00:00Z", tick=True) as clock:
        ctx = context()
        one = saved(ctx, "one")
        first = ctx.keyring.data_keys(ctx.keyring.document())[0].value
        keys.rotate(ctx, reseal=True)
        clock.shift(dt.timedelta(hours=23))
        assert keys.rotate(ctx, reseal=True).dropped == 0
        assert first in [key.value for key in ctx.keyring.data_keys(ctx.keyring.document())]
        clock.shift(dt.timedelta(hours=2))
        done = keys.rotate(ctx, reseal=True)
        assert done.dropped == 1
        left = ctx.keyring.data_keys(ctx.keyring.document())
        assert first not in [key.value for key in left]
        assert [key.retired_at is None for key in left] == [True, False, False]
        assert password(ctx, one) == SECRET


def test_an_old_key_is_not_dropped_while_a_record_cannot_be_moved(context: Callable[..., Context]) -> None:
    with time_machine.travel("2026-03-01T12:00:00Z", tick=True) as clock:
        ctx = context()
        good, broken = saved(ctx, "good"), saved(ctx, "broken")
        ctx.store.update(CONNECTIONS.name, {"_id": broken}, {"password": "gAAAAA-damaged"})
        done = keys.rotate(ctx, reseal=True)
        assert done.unreadable == (f"broken ({broken})",)
        assert done.resealed == 1
        clock.shift(dt.timedelta(days=30))
        assert keys.rotate(ctx, reseal=True).dropped == 0
        assert password(ctx, good) == SECRET
        assert ctx.store.get(CONNECTIONS.name, broken)["password"] == "gAAAAA-damaged"  # type: ignore[index]


def test_a_token_of_another_record_is_named_and_left_as_it_is(context: Callable[..., Context]) -> None:
    ctx = context()
    victim, thief = saved(ctx, "victim"), saved(ctx, "thief", "own password")
    stolen = ctx.store.get(CONNECTIONS.name, victim)["password"]  # type: ignore[index]
    ctx.store.update(CONNECTIONS.name, {"_id": thief}, {"password": stolen})
    with pytest.raises(Locked, match="belongs to another record"):
        password(ctx, thief)
    assert keys.rotate(ctx, reseal=True).unreadable == (f"thief ({thief})",)
    with pytest.raises(Locked):
        password(ctx, thief)


def test_two_rotations_at_once_leave_one_valid_document(context: Callable[..., Context]) -> None:
    one = saved(context(), "one")
    contexts = [context(NEW, OLD) for _ in range(4)]
    barrier, outcomes = threading.Barrier(4), []

    def rotate(ctx: Context) -> None:
        barrier.wait(10)
        try:
            outcomes.append(keys.rotate(ctx, reseal=True))
        except Conflict as error:
            outcomes.append(error)

    threads = [threading.Thread(target=rotate, args=(ctx,)) for ctx in contexts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 4
    assert all(not isinstance(outcome, Conflict) or outcome.hint == "Run the command again." for outcome in outcomes)
    keys.rotate(contexts[0], reseal=True)
    assert password(context(NEW), one) == SECRET
    assert key_document(context(NEW))["resealing"] is False


def test_rotation_needs_the_right_to_it_and_is_audited(context: Callable[..., Context]) -> None:
    ctx = context()
    reader = ctx.for_request("r", Actor("reader", frozenset({"connection:*"})))
    with pytest.raises(Denied, match="reader may not do key:rotate"):
        keys.rotate(reader)
    keys.rotate(ctx)
    keys.rotate(ctx, reseal=True)
    assert audited(ctx) == [("key:rotate", "done"), ("key:reseal", "done")]
