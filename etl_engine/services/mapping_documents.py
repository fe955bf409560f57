"""Between mappings as typed, as stored and as checked: what the services of mappings stand on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from etl_engine.engine.mapping_check import Finding
from etl_engine.errors import BadInput, Problem
from etl_engine.model.collections import COLUMN_MAPPINGS, CONNECTIONS, MAPPINGS, SCHEMAS
from etl_engine.model.mapping import RULES, ColumnMapping, MappingProblem, Rule
from etl_engine.model.problems import pointer_to, problems_of, rejected
from etl_engine.model.schema import SchemaColumn
from etl_engine.services.context import Context
from etl_engine.services.documents import Shelf
from etl_engine.store.contract import Document

SHELF = Shelf(MAPPINGS, "mapping")
Model = TypeVar("Model", bound=BaseModel)
_UNUSABLE = "This column mapping cannot be used"
_FIELDS = ("type", "source_columns", "target_fields", "config")


def rule_of(values: Any, pointer: tuple[str, ...] = ()) -> Rule:
    """A column mapping as it was sent, checked; `pointer` is where it stood in what was sent."""
    if not isinstance(values, dict):
        problem = Problem(pointer_to(*pointer), "wrong-type", "must be a JSON object", "Send type and source_columns.")
        raise rejected(_UNUSABLE, (problem,))
    try:
        return RULES.validate_python(values)
    except ValidationError as error:
        raise rejected(_UNUSABLE, _problems(error, pointer)) from None


def order_of(model: type[Model], values: Mapping[str, Any], what: str) -> Model:
    """Any document with column mappings within, checked."""
    try:
        return TypeAdapter(model).validate_python(dict(values))
    except ValidationError as error:
        raise rejected(f"This {what} cannot be used", _problems(error, (), tuple(model.model_fields))) from None


def rules_of(ctx: Context, mapping_id: str) -> list[ColumnMapping]:
    """The stored column mappings of a mapping, in their order."""
    found = ctx.store.find(COLUMN_MAPPINGS.name, {"mapping_id": mapping_id}, sort=[("place", 1)])
    return [ColumnMapping.model_validate(one) for one in found]


def schema_columns(schema: Document) -> list[SchemaColumn]:
    return [SchemaColumn.model_validate(one) for one in schema["columns"]]


def must_exist(ctx: Context, values: Mapping[str, Any]) -> tuple[Document, Document]:
    """The source connection and the schema that a mapping names; BadInput for whatever of it is not there."""
    problems = []
    found: dict[str, Document] = {}
    for field, collection, what in (
        ("source_connection_id", CONNECTIONS, "connection"),
        ("target_schema_id", SCHEMAS, "schema"),
        ("destination_connection_id", CONNECTIONS, "connection"),
    ):
        if values.get(field) is None:
            continue
        document = ctx.store.get(collection.name, values[field])
        if document is None:
            fix = f"List the {what}s to see which there are."
            problems.append(Problem(f"/{field}", "no-such", f"names a {what} that is not there", fix))
        else:
            found[field] = document
    if problems:
        raise rejected("This mapping cannot be used", tuple(problems))
    return found["source_connection_id"], found["target_schema_id"]


def told(found: Sequence[Finding], ids: Sequence[str] = ()) -> list[MappingProblem]:
    """Findings as an answer has them, each with the column mapping that it is about."""
    return [
        MappingProblem(
            severity="error",
            pointer=_placed(one),
            code=one.problem.code,
            message=one.problem.message,
            fix=one.problem.fix,
            column_mapping_id=ids[one.rule] if one.rule is not None and ids else None,
        )
        for one in found
    ]


def refusal(what: str, found: Sequence[Finding]) -> BadInput:
    """The error that names every finding."""
    problems = tuple(Problem(_placed(one), one.problem.code, one.problem.message, one.problem.fix) for one in found)
    first = found[0]
    who = "The column mappings" if first.rule is None else f"Column mapping {first.rule + 1}"
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return BadInput(f"{what}: {who} {first.problem.message}{more}", hint=first.problem.fix, problems=problems)


def _placed(found: Finding) -> str:
    prefix = "" if found.rule is None else pointer_to("column_mappings", str(found.rule))
    return f"{prefix}{found.problem.pointer}"


def _problems(error: ValidationError, prefix: tuple[str, ...], known: tuple[str, ...] = _FIELDS) -> tuple[Problem, ...]:
    details = error.errors(include_url=False, include_input=False)
    return tuple(problem for detail in details for problem in _told(dict(detail), prefix, known))


def _told(detail: dict[str, Any], prefix: tuple[str, ...], known: tuple[str, ...]) -> Iterator[Problem]:
    location = (*prefix, *_without_tags(detail["loc"]))
    if detail["type"] == "union_tag_invalid":
        field = str(detail["ctx"]["discriminator"]).strip("'")
        choices = detail["ctx"]["expected_tags"]
        yield Problem(pointer_to(*location, field), "not-a-choice", "is none of the choices", f"Use {choices}.")
        return
    yield from problems_of([{**detail, "loc": location}], known)


def _without_tags(location: tuple[int | str, ...]) -> list[str]:
    """Pydantic names the member of a union behind the place where it stands: people did not write that."""
    kept: list[str] = []
    for place, part in enumerate(location):
        behind_a_place = place == 0 or isinstance(location[place - 1], int)
        if not (isinstance(part, str) and behind_a_place and part in _TAGS):
            kept.append(str(part))
    return kept


_TAGS = frozenset(
    ("direct", "split", "join", "constant", "trim", "case", "replace", "regex", "null_if", "default", "hash", "mask")
)
