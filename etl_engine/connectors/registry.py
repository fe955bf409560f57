"""The kinds that exist, and the request and answer types made of their models. Importing this loads no driver."""

import functools
import importlib
import operator
import pkgutil
from typing import Annotated, Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from etl_engine.connectors import kinds
from etl_engine.connectors.contract import Kind
from etl_engine.errors import BadInput
from etl_engine.model.connection import ConnectionConfig, SavedFields
from etl_engine.model.problems import unknown_kind


@functools.cache
def all_kinds() -> dict[str, Kind]:
    """Every kind by name, in the order people look for them."""
    found = [
        importlib.import_module(f"{kinds.__name__}.{module.name}").KIND
        for module in pkgutil.iter_modules(kinds.__path__)
    ]
    return {kind.name: kind for kind in sorted(found, key=lambda kind: kind.title.casefold())}


def kind(db_type: str) -> Kind:
    found = all_kinds().get(db_type)
    if found is None:
        problem = unknown_kind("/db_type", db_type, spellings())
        raise BadInput(f"{db_type[:40]!r} {problem.message}", hint=problem.fix, problems=(problem,))
    return found


def spellings() -> dict[str, tuple[str, ...]]:
    """The kinds by name, each with the other names that people know it by."""
    return {name: found.aliases for name, found in all_kinds().items()}


@functools.cache
def secret_fields() -> frozenset[str]:
    """The names that hold a secret in any kind."""
    return frozenset(field for found in all_kinds().values() for field in found.config.secret_fields())


class Saved(SavedFields, ConnectionConfig):
    """A stored connection of any kind, as every door answers it: secrets are masks."""

    model_config = ConfigDict(extra="ignore", strict=False, hide_input_in_errors=True)
    kind: ClassVar[Kind]


@functools.cache
def saved_type(db_type: str) -> type[Saved]:
    """The answer type of one kind: its own fields plus what the store adds."""
    found = kind(db_type)
    name = found.config.__name__.removesuffix("Config")
    bases: Any = (found.config, Saved)  # the kind's own db_type comes first, the lenient configuration last
    doc = f"A stored {found.title} connection."
    model = cast(type[Saved], create_model(f"{name}Connection", __base__=bases, __doc__=doc))
    model.kind = found
    return model


def _union(models: list[type[BaseModel]]) -> Any:
    return Annotated[functools.reduce(operator.or_, models), Field(discriminator="db_type")]


@functools.cache
def draft_union() -> Any:
    """The type of a connection as a caller sends it: one model per kind, told apart by db_type."""
    return _union([found.config for found in all_kinds().values()])


@functools.cache
def saved_union() -> Any:
    return _union([saved_type(name) for name in all_kinds()])


@functools.cache
def draft_adapter() -> TypeAdapter[ConnectionConfig]:
    return TypeAdapter(draft_union())
