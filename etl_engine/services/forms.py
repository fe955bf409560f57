"""A connection as a form holds it, all of it text: opened, made into typed values, checked field by field.

The rules are those of the kinds' models; nothing here knows what makes a port or a host name right.
"""

import datetime as dt
import functools
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from etl_engine.connectors import registry
from etl_engine.errors import BadInput, Problem
from etl_engine.model.collections import CONNECTIONS
from etl_engine.model.connection import ConnectionConfig, StepReport, TestStatus
from etl_engine.model.text import name_key
from etl_engine.services import access, kinds
from etl_engine.services.connection_documents import as_config, stored
from etl_engine.services.context import Context
from etl_engine.services.kinds import KindInfo
from etl_engine.store.contract import Document

_MOST_FIELDS = 100
_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,18}\s*")


@dataclass(frozen=True)
class LastTest:
    """How a stored connection did when it was last tested."""

    at: dt.datetime
    good: bool
    message: str


@dataclass(frozen=True)
class Form:
    """What a form starts with: its kind, what it holds already, and what a test of it will climb."""

    kind: KindInfo
    kinds: dict[str, str]  # db_type to title: what else it could be
    steps: tuple[StepReport, ...]
    values: dict[str, str] = field(default_factory=dict)  # never a secret
    kept: frozenset[str] = frozenset()  # secrets that are stored; left blank they stay as they are
    connection_id: str = ""
    revision: int = 0
    last_test: LastTest | None = None


def blank(ctx: Context, db_type: str = "") -> Form:
    """The form of a new connection, of the first kind where none is named."""
    access.require(ctx, "kind:read")
    titles = _titles(ctx)
    kind = kinds.get(ctx, db_type or next(iter(titles)))
    return Form(kind, titles, _steps(kind.db_type))


def filled(ctx: Context, connection_id: str) -> Form:
    """The form of a stored connection, without its secrets."""
    access.require(ctx, "connection:read")
    document = stored(ctx, connection_id)
    kind = kinds.get(ctx, document["db_type"])
    fields = kind.config_schema["properties"].keys() - set(kind.secret_fields)
    return Form(
        kind,
        _titles(ctx),
        _steps(kind.db_type),
        {name: _text(document[name]) for name in fields if document.get(name) is not None},
        frozenset(name for name in kind.secret_fields if document.get(name) is not None),
        connection_id,
        document["revision"],
        _last_test(document),
    )


def draft(ctx: Context, values: Mapping[str, object]) -> ConnectionConfig:
    """The connection that a form describes; BadInput names every field that is wrong."""
    access.require(ctx, "connection:test")
    return as_config(_typed(values))


def changes(
    ctx: Context, connection_id: str, values: Mapping[str, object], removed: Collection[str] = ()
) -> dict[str, Any]:
    """What a form would change in the stored connection, to test or to save. A secret left blank stays as it is."""
    access.require(ctx, "connection:read")
    document = stored(ctx, connection_id)
    typed = _typed({"db_type": document["db_type"], **values})
    model = registry.kind(str(typed["db_type"])).config
    same_kind = typed["db_type"] == document["db_type"]
    patch = {name: value for name, value in typed.items() if name not in model.model_fields}
    if not same_kind:
        patch["db_type"] = typed["db_type"]
    for name, declared in model.model_fields.items():
        if name == "db_type":
            continue
        if name in model.secret_fields():
            if name in typed or name in removed:
                patch[name] = typed.get(name)
            continue
        before = document.get(name, declared.get_default())
        if not _same(typed.get(name), before) or (not same_kind and name == "port"):
            patch[name] = typed.get(name)
    return patch


def problem(
    ctx: Context, db_type: str, name: str, value: object, *, connection_id: str = "", kept: bool = False
) -> Problem | None:
    """What is wrong with one field alone, as it is left; None where nothing is."""
    access.require(ctx, "connection:read")
    typed = _typed({"db_type": db_type, name: value})
    if kept and name not in typed:
        return None
    try:
        as_config(typed)
    except BadInput as error:
        found = next((one for one in error.problems if one.pointer == f"/{name}"), None)
        if found:
            return found
    return _taken(ctx, str(value), connection_id) if name == "name" else None


def _taken(ctx: Context, name: str, connection_id: str) -> Problem | None:
    for holder in ctx.store.find(CONNECTIONS.name, {"name_key": name_key(name)}, limit=1):
        if holder["_id"] != connection_id:
            message = f"is taken by the {registry.kind(holder['db_type']).title} connection {holder['name']!r}"
            return Problem("/name", "taken", message, "Choose another name.")
    return None


def _typed(values: Mapping[str, object]) -> dict[str, Any]:
    """Texts as the values their fields want; what does not look like one goes on as it is, for the model to refuse."""
    if len(values) > _MOST_FIELDS:
        raise BadInput(f"The form has {len(values)} fields, and no kind of connection has more than {_MOST_FIELDS}")
    kind = registry.all_kinds().get(str(values.get("db_type")))
    types = _types(kind.config) if kind else {}
    typed: dict[str, Any] = {}
    for name, value in values.items():
        if value in ("", None):
            continue  # nothing was entered
        wanted = types.get(name, frozenset())
        if isinstance(value, str) and "integer" in wanted and _WHOLE.fullmatch(value):
            typed[name] = int(value)
        elif isinstance(value, str) and "boolean" in wanted and value in ("on", "true", "false"):
            typed[name] = value != "false"
        else:
            typed[name] = value
    return typed


@functools.cache
def _types(model: type[ConnectionConfig]) -> dict[str, frozenset[str]]:
    schemas = model.model_json_schema()["properties"].items()
    return {
        name: frozenset(part.get("type") for part in (schema, *schema.get("anyOf", ()))) for name, schema in schemas
    }


def _same(one: object, other: object) -> bool:
    """Whether a field holds what is stored; a text area has its own way to end a line."""
    if isinstance(one, str) and isinstance(other, str):
        return one.replace("\r\n", "\n") == other.replace("\r\n", "\n")
    return one == other


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _last_test(document: Document) -> LastTest | None:
    at, message = document["last_tested_at"], document["last_test_message"] or ""
    return LastTest(at, document["last_test_status"] == TestStatus.SUCCESS, message) if at else None


def _titles(ctx: Context) -> dict[str, str]:
    return {kind.db_type: kind.title for kind in kinds.list_(ctx)}


def _steps(db_type: str) -> tuple[StepReport, ...]:
    rungs = registry.kind(db_type).rungs
    return tuple(StepReport(key=rung.key, title=rung.title, state="pending") for rung in rungs)
