"""Every way in which something that holds a password can fail. Each function is one path; see `canary.Scene`."""

import json
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy
from canary import CANARY, Scene
from scripted import (
    Scripted,
    answers,
    black_hole,
    closes,
    my_error,
    my_greeting,
    my_read,
    my_start,
    pg_error,
    pg_password,
    pg_start,
)

from etl_engine import faultpoints
from etl_engine.errors import BadInput, Cancelled, Conflict, EtlError, Locked, NotFound, Stale
from etl_engine.faultpoints import FaultInjected
from etl_engine.model.collections import CONNECTIONS
from etl_engine.sealing import new_key
from etl_engine.services import connection_tests, connections, keys
from etl_engine.services.connection_documents import as_config
from etl_engine.services.context import Context
from etl_engine.services.keyring import Keyring

Path = Callable[[Scene, pytest.MonkeyPatch], None]
PATHS: dict[str, Path] = {}
UNKNOWN_ID = "0123456789abcdef01234567"


def path(function: Path) -> Path:
    PATHS[function.__name__] = function
    return function


def create(scene: Scene, **changes: Any) -> Any:
    return connections.create(scene.ctx, as_config(scene.values(**changes)))


def tested(scene: Scene, *, ok: bool, **changes: Any) -> Any:
    """The ladder, with every step it reports."""
    result = connection_tests.test_new(scene.ctx, as_config(scene.values(**changes)), on_step=scene.look)
    scene.look(result)
    assert result.success is ok, result.message
    return result


def driver_of(scene: Scene) -> str:
    """The function of the driver that opens a connection."""
    return {
        "postgresql": "etl_engine.connectors.libpq.connect",
        "mysql": "pymysql.connections.Connection.connect",
    }[scene.kind]


# Values that cannot be used


@path
def a_wrong_port_beside_the_password(scene: Scene, _: Any) -> None:
    for port in (0, 65536, "3306abc", None):
        scene.fails(BadInput, create, scene, port=port)


@path
def the_password_in_a_field_that_does_not_exist(scene: Scene, _: Any) -> None:
    scene.fails(BadInput, create, scene, passwort=CANARY)
    scene.fails(BadInput, create, scene, secret=CANARY)


@path
def the_password_pasted_into_the_wrong_field(scene: Scene, _: Any) -> None:
    for field in ("host", "port", "tls_mode", "db_type", "tls_server_name"):
        scene.fails(BadInput, create, scene, **{field: CANARY})


@path
def a_password_of_a_wrong_type(scene: Scene, _: Any) -> None:
    for value in ([CANARY], {"value": CANARY}, CANARY.encode(), None, 7):
        scene.fails(BadInput, create, scene, password=value)


@path
def a_password_that_is_too_long_or_has_wrong_characters(scene: Scene, _: Any) -> None:
    for value in (CANARY * 100, CANARY + "\0", CANARY + "\ud800", ""):
        scene.fails(BadInput, create, scene, password=value)


@path
def a_client_key_without_its_certificate(scene: Scene, _: Any) -> None:
    scene.fails(BadInput, create, scene, tls_key=CANARY)


@path
def a_mask_beside_the_password(scene: Scene, _: Any) -> None:
    scene.fails(BadInput, create, scene, tls_key="********", tls_cert="x")


@path
def an_unknown_kind(scene: Scene, _: Any) -> None:
    scene.fails(BadInput, create, scene, db_type="oracle")
    scene.fails(BadInput, create, scene, db_type=...)


@path
def a_file_kind_with_a_password(scene: Scene, _: Any) -> None:
    scene.fails(BadInput, as_config, {"name": "x", "db_type": "sqlite", "database": "x.db", "password": CANARY})


# Storing


@path
def a_name_that_is_taken(scene: Scene, _: Any) -> None:
    create(scene)
    scene.fails(Conflict, create, scene, name=" PLANTED ")


@path
def a_receipt_that_is_foreign_or_of_other_values(scene: Scene, _: Any) -> None:
    scene.fails(BadInput, connections.create, scene.ctx, as_config(scene.values()), receipt="nonsense")
    receipt = tested(scene, ok=True).details.receipt
    other = as_config(scene.values(password=CANARY + "!"))
    scene.fails(BadInput, connections.create, scene.ctx, other, receipt=receipt)
    scene.fails(BadInput, connections.restore, scene.ctx, receipt)


@path
def a_connection_that_works_from_test_to_undo(scene: Scene, _: Any) -> None:
    receipt = tested(scene, ok=True).details.receipt
    saved = scene.look(connections.create(scene.ctx, as_config(scene.values()), receipt=receipt))
    assert scene.look(connection_tests.test_saved(scene.ctx, saved.id, on_step=scene.look)).success
    scene.look(connections.list_(scene.ctx, connections.Query(text="planted")))
    scene.look(connections.get(scene.ctx, saved.id))
    scene.look(connections.duplicate(scene.ctx, saved.id))
    scene.look(connections.update(scene.ctx, saved.id, {"password": CANARY + "2"}))
    undo = scene.look(connections.delete(scene.ctx, saved.id))
    scene.look(connections.restore(scene.ctx, undo))


@path
def the_store_refuses_to_insert(scene: Scene, _: Any) -> None:
    """SQLAlchemy quotes the values of a statement that failed, unless it is told not to."""
    _forbid(scene, "INSERT")
    scene.fails(EtlError, create, scene)


@path
def the_store_refuses_to_update(scene: Scene, _: Any) -> None:
    saved = create(scene)
    _forbid(scene, "UPDATE")
    scene.fails(EtlError, connections.update, scene.ctx, saved.id, {"password": CANARY + "!"})
    scene.fails(EtlError, connection_tests.test_saved, scene.ctx, saved.id)


@path
def the_store_refuses_to_delete(scene: Scene, _: Any) -> None:
    saved = create(scene)
    _forbid(scene, "DELETE")
    scene.fails(EtlError, connections.delete, scene.ctx, saved.id)


@path
def the_store_breaks_with_the_values_in_its_message(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """A defect of ours or of a driver: nobody may translate it, so the log alone must keep it quiet."""

    def broken(*args: Any, **more: Any) -> Any:
        raise sqlalchemy.exc.StatementError("boom", "INSERT", {"p": CANARY}, ValueError(CANARY))

    ctx = scene.ctx
    ctx.keyring.vault()
    patch.setattr(type(ctx.store), "insert", broken)
    scene.fails(Exception, create, scene)


@path
def changes_that_come_too_late(scene: Scene, _: Any) -> None:
    saved = create(scene)
    scene.fails(Stale, connections.update, scene.ctx, saved.id, {"password": CANARY}, revision=7)
    scene.fails(Stale, connections.delete, scene.ctx, saved.id, revision=7)
    scene.fails(NotFound, connections.update, scene.ctx, UNKNOWN_ID, {"password": CANARY})
    scene.fails(NotFound, connections.delete, scene.ctx, UNKNOWN_ID)
    scene.fails(NotFound, connection_tests.test_saved, scene.ctx, UNKNOWN_ID, {"password": CANARY})


@path
def changes_that_cannot_be_used(scene: Scene, _: Any) -> None:
    saved = create(scene)
    create(scene, name="other")
    for patch in ({"password": [CANARY]}, {"password": CANARY, "port": 0}, {"db_type": "sqlite", "password": CANARY}):
        scene.fails(BadInput, connections.update, scene.ctx, saved.id, patch)
        scene.fails(BadInput, connection_tests.test_saved, scene.ctx, saved.id, patch)
    scene.fails(Conflict, connections.update, scene.ctx, saved.id, {"password": CANARY + "!", "name": "OTHER"})


@path
def changes_that_never_get_their_turn(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    saved = create(scene)
    patch.setattr(type(scene.ctx.store), "update", lambda *_, **__: None)
    scene.fails(Conflict, connections.update, scene.ctx, saved.id, {"password": CANARY + "!"})


@path
def a_sealed_value_that_does_not_open(scene: Scene, _: Any) -> None:
    saved, other = create(scene), create(scene, name="other")
    stolen = scene.ctx.store.get(CONNECTIONS.name, other.id)["password"]  # type: ignore[index]
    for token in (stolen, "gAAAAA", ""):
        scene.ctx.store.update(CONNECTIONS.name, {"_id": saved.id}, {"password": token})
        scene.fails(Locked, connection_tests.test_saved, scene.ctx, saved.id)
        scene.fails(Locked, connections.update, scene.ctx, saved.id, {"name": "x"})
        scene.fails(Locked, connections.duplicate, scene.ctx, saved.id)


# Testing


@path
def a_server_that_wants_another_password(scene: Scene, _: Any) -> None:
    tested(scene, ok=False, password=CANARY + "-wrong")


@path
def a_login_that_is_unknown_or_a_database_that_is_missing(scene: Scene, _: Any) -> None:
    tested(scene, ok=False, username="nobody_here")
    tested(scene, ok=False, database="canari")


@path
def nobody_at_the_port(scene: Scene, _: Any) -> None:
    tested(scene, ok=False, port=9)


@path
def a_host_without_an_address(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    import socket

    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    patch.setattr(socket, "getaddrinfo", unknown)
    tested(scene, ok=False, host="db.invalid")


@path
def an_address_that_is_denied(scene: Scene, _: Any) -> None:
    tested(scene, ok=False, host="169.254.169.254")


@path
def certificates_that_are_none(scene: Scene, _: Any) -> None:
    pair = {"tls_cert": "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----", "tls_key": CANARY}
    tested(scene, ok=False, tls_mode="require", **pair)
    tested(scene, ok=False, tls_mode="verify-ca", tls_ca="nonsense")
    tested(scene, ok=False, tls_mode="verify-full", tls_ca=None)


@path
def a_server_that_hangs_up_or_is_something_else(scene: Scene, _: Any) -> None:
    for script in (closes, answers(b"HTTP/1.1 400 Bad Request\r\n\r\n")):
        with Scripted(script) as other:
            tested(scene, ok=False, port=other.port)


@path
def a_server_that_never_answers(scene: Scene, _: Any) -> None:
    cancelled = threading.Event()
    timer = threading.Timer(0.3, cancelled.set)
    timer.start()
    draft = as_config(scene.values())
    with black_hole() as port:
        draft = as_config(scene.values(port=port))
        scene.fails(Cancelled, connection_tests.test_new, scene.ctx, draft, on_step=scene.look, cancelled=cancelled)
    timer.join()


@path
def a_server_that_repeats_the_password_it_was_told(scene: Scene, _: Any) -> None:
    def postgresql(client: Any) -> None:
        client, _ = pg_start(client)
        told = pg_password(client)
        client.sendall(pg_error("28P01", f'no entry for "{told}" here: {told}'))
        client.recv(1)

    def mysql(client: Any) -> None:
        client, sequence = my_start(client, my_greeting(plugin="mysql_clear_password"))
        client.sendall(my_error(sequence, 1045, f"Access denied (using '{CANARY}')"))
        my_read(client)

    with Scripted({"postgresql": postgresql, "mysql": mysql}[scene.kind]) as server:
        tested(scene, ok=False, port=server.port, tls_mode="disable")
        saved = create(scene, port=server.port, tls_mode="disable")
        assert not scene.look(connection_tests.test_saved(scene.ctx, saved.id, on_step=scene.look)).success
        scene.look(connections.get(scene.ctx, saved.id))


@path
def a_driver_that_fails_with_the_password_in_its_message(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    import psycopg2
    import pymysql

    error = {"postgresql": psycopg2.OperationalError, "mysql": pymysql.err.OperationalError}[scene.kind]

    def connect(*args: Any, **more: Any) -> Any:
        raise error(f"could not use postgresql://u:{CANARY}@h with {args} and {more}")

    patch.setattr(driver_of(scene), connect)
    tested(scene, ok=False)


@path
def a_driver_that_crashes_with_the_password_in_its_message(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    def connect(*args: Any, **more: Any) -> Any:
        raise RuntimeError(f"unexpected {CANARY!r} in {args} and {more}")

    patch.setattr(driver_of(scene), connect)
    draft = as_config(scene.values())
    try:
        scene.look(connection_tests.test_new(scene.ctx, draft, on_step=scene.look))
    except RuntimeError as error:
        scene.surfaces.add_error(error)


@path
def a_connection_that_is_deleted_while_it_is_tested(scene: Scene, _: Any) -> None:
    saved = create(scene)
    gone = []

    def delete(step: Any) -> None:
        scene.look(step)
        if not gone:
            gone.append(scene.look(connections.delete(scene.ctx, saved.id)))

    scene.fails(Conflict, connection_tests.test_saved, scene.ctx, saved.id, on_step=delete)


# Keys


@path
def a_rotation_that_finds_a_broken_secret(scene: Scene, _: Any) -> None:
    saved = create(scene)
    create(scene, name="other")
    scene.ctx.store.update(CONNECTIONS.name, {"_id": saved.id}, {"password": "gAAAAA-broken"})
    assert scene.look(keys.rotate(scene.ctx, reseal=True)).unreadable


@path
def a_rotation_that_dies_halfway(scene: Scene, _: Any) -> None:
    create(scene)
    for point in ("keys.after_new_key", "keys.after_reseal_one", "keys.before_retire"):
        faultpoints.arm(f"{point}=raise")
        try:
            scene.fails(FaultInjected, keys.rotate, scene.ctx, reseal=True)
        finally:
            faultpoints.arm("")
        keys.rotate(scene.ctx, reseal=True)


@path
def a_key_that_does_not_fit(scene: Scene, _: Any) -> None:
    create(scene)
    other = Context(scene.ctx.store, Keyring(scene.ctx.store, (new_key(),)))
    scene.fails(Locked, create, Scene(scene.kind, _with(other), scene.folder, scene.server, scene.user, scene.surfaces))
    scene.fails(Locked, keys.rotate, other)
    scene.fails(Locked, Keyring(scene.ctx.store, ()).vault)


# Objects


@path
def objects_as_python_prints_and_pickles_them(scene: Scene, _: Any) -> None:
    draft = as_config(scene.values(tls_cert="x", tls_key=CANARY))
    saved = connections.create(scene.ctx, draft)
    things = [draft, saved, scene.ctx, scene.ctx.keyring, scene.ctx.keyring.vault(), scene.engine, scene.engine.config]
    things.append(scene.ctx.keyring.data_keys(scene.ctx.keyring.document()))
    for thing in things:
        scene.look(thing)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            try:
                scene.surfaces.add("pickle", pickle.dumps(thing, protocol))
            except (TypeError, AttributeError, pickle.PicklingError) as refused:
                scene.surfaces.add_error(refused)
    scene.surfaces.add("schema", json.dumps(type(draft).model_json_schema()))


def _forbid(scene: Scene, action: str) -> None:
    """A trigger in the store: the statement reaches the database, with all its values, and fails there."""
    ctx = scene.ctx
    ctx.keyring.vault()
    engine = sqlalchemy.create_engine(f"sqlite:///{scene.folder}/etl_engine.db")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TRIGGER forbidden BEFORE {action} ON connections BEGIN SELECT RAISE(ABORT, 'forbidden'); END"
        )
    engine.dispose()


class _Opened:
    """Stands where an engine stands, for a Context that is there already."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def context(self) -> Context:
        return self._ctx


def _with(ctx: Context) -> Any:
    return _Opened(ctx)
