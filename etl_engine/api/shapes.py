"""What requests and answers look like: made of the kinds' own models, for the documentation and the door.

Requests are checked by the services, so that every door answers the same. Here they are only described, and the
third specification's shape (`type` and `config`) is turned into ours.
"""

import functools
import operator
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from etl_engine.errors import BadInput, Problem
from etl_engine.model.connection import ConnectionConfig
from etl_engine.model.problems import pointer_to, rejected, unknown_field
from etl_engine.model.text import Host, Identifier, Name, Port, Secret
from etl_engine.services.connection_documents import answer_types, as_config, config_types, kind_named

RECEIPT = "test_receipt"
_ALIAS_FIELDS = ("name", "type", "config", RECEIPT)
_UNUSABLE = "This connection cannot be used"
_ALIAS_NAMES = {"user": "username", "db": "database"}  # the third specification's, and ours


class DescribedAs:
    """A JSON object in the code, this type in the documentation."""

    def __init__(self, described: Any) -> None:
        self._adapter: TypeAdapter[Any] = TypeAdapter(described)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.dict_schema(strict=True)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(self._adapter.core_schema)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AliasConfig(_Strict):
    """Where the server is, in the third specification's words."""

    host: Host
    port: Port = 5432
    user: Identifier
    password: Annotated[Secret, Field(min_length=1, max_length=1024)]
    db: Identifier


class AliasDraft(_Strict):
    """A connection in the third specification's shape; it is answered in the first one's."""

    name: Name
    type: Literal["POSTGRES", "MYSQL"]
    config: AliasConfig


def typed(body: Mapping[str, Any]) -> ConnectionConfig:
    """The connection in a body of either shape; BadInput points at what was sent."""
    if "db_type" in body or not ({"type", "config"} & body.keys()):
        return as_config(body)
    values = _from_alias(body)
    try:
        return as_config(values)
    except BadInput as error:
        raise rejected(_UNUSABLE, tuple(_as_sent(problem) for problem in error.problems)) from None


def _from_alias(body: Mapping[str, Any]) -> dict[str, Any]:
    config = body.get("config")
    if not isinstance(config, dict):
        raise rejected(_UNUSABLE, (Problem("/config", "wrong-type", "must be a JSON object", "Send host, user, db."),))
    strange: list[tuple[str, ...]] = [(name,) for name in body.keys() - set(_ALIAS_FIELDS)]
    strange += [("config", name) for name in config.keys() & {"name", "db_type"}]
    if strange:
        raise rejected(_UNUSABLE, tuple(unknown_field(pointer_to(*at), at[-1], _ALIAS_FIELDS) for at in strange))
    kind = kind_named(str(body.get("type")))
    if kind is None:
        known = ", ".join(name.upper() for name in config_types())
        wrong = Problem("/type", "unknown-kind", "is not a kind of connection", f"Use one of: {known}.")
        raise rejected(_UNUSABLE, (wrong,))
    renamed: dict[str, Any] = {_ALIAS_NAMES.get(name, name): config[name] for name in map(str, config)}
    return {"db_type": kind, **renamed} | ({"name": body["name"]} if "name" in body else {})


def without_receipt(body: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The typed values, and the receipt of their test."""
    values = dict(body)
    receipt = values.pop(RECEIPT, None)
    if not isinstance(receipt, str | None):
        wrong = Problem(f"/{RECEIPT}", "wrong-type", "must be a text", "Send the receipt of the test, in quotes.")
        raise rejected("This connection cannot be saved", (wrong,))
    return values, receipt or ""


def _as_sent(problem: Problem) -> Problem:
    field = problem.pointer.removeprefix("/")
    if field == "name":
        return problem
    sent = next((theirs for theirs, ours in _ALIAS_NAMES.items() if ours == field), field)
    return Problem(f"/config/{sent}", problem.code, problem.message, problem.fix)


def _receipt() -> tuple[Any, Any]:
    text = "Proof of a successful test of exactly these values, from its answer: the connection then counts as tested."
    return Annotated[str | None, Field(description=text)], None


def _draft(config: type[ConnectionConfig]) -> type[BaseModel]:
    return _made(config, "Draft", config.__doc__, config, {RECEIPT: _receipt()})


def _changes(config: type[ConnectionConfig]) -> type[BaseModel]:
    doc = "The fields to change; null sets one back to its default, and what is left out stays as it is."
    return _made(config, "Changes", doc, _Strict, {name: _optional(i) for name, i in config.model_fields.items()})


def changes_of(draft: type[BaseModel]) -> type[BaseModel]:
    """The same fields, none of them required: null sets one back to its default."""
    doc = "The fields to change; null sets one back to its default, and what is left out stays as it is."
    name = f"{draft.__name__.removesuffix('Draft')}Changes"
    fields: dict[str, Any] = {name: _optional(info) for name, info in draft.model_fields.items()}
    model: type[BaseModel] = create_model(name, __base__=_Strict, __doc__=doc, **fields)
    return model


def _patch(changes: type[BaseModel]) -> type[BaseModel]:
    return _made(changes, "Patch", changes.__doc__, changes, {RECEIPT: _receipt()})


def _made(
    like: type[BaseModel], suffix: str, doc: str | None, base: type[BaseModel], fields: dict[str, Any]
) -> type[BaseModel]:
    name = like.__name__.removesuffix("Config").removesuffix("Changes") + suffix
    model: type[BaseModel] = create_model(name, __base__=base, __doc__=doc, **fields)
    return model


def _optional(info: FieldInfo) -> tuple[Any, Any]:
    texts = Field(title=info.title, description=info.description, json_schema_extra=info.json_schema_extra)
    made_at_run_time: Any = Annotated
    value = made_at_run_time[info.annotation, *info.metadata, texts]
    return value if info.is_required() else value | None, None


def _any_of(types: Iterable[Any]) -> Any:
    return functools.reduce(operator.or_, types)


def _by_kind(types: Iterable[Any]) -> Any:
    return Annotated[_any_of(types), Field(discriminator="db_type")]


def kind_names() -> list[str]:
    return list(config_types())


_configs = config_types().values()
_changed = [_changes(config) for config in _configs]
Answer = _by_kind(answer_types().values())
Draft = Annotated[dict[str, Any], DescribedAs(_by_kind([_draft(config) for config in _configs]) | AliasDraft)]
Trial = Annotated[dict[str, Any], DescribedAs(_by_kind(_configs) | AliasDraft)]
Changes = Annotated[dict[str, Any], DescribedAs(_any_of(_changed))]
Patch = Annotated[dict[str, Any], DescribedAs(_any_of([_patch(changes) for changes in _changed]))]
