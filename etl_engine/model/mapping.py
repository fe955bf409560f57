"""A mapping: one query of a source, and how its columns become the fields of a target schema."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

from etl_engine.model.saved import ID_PATTERN, Draft, Id, SavedDocument
from etl_engine.model.text import WHOLE, Identifier, Name, Plain
from etl_engine.model.zones import Zone

WriteMode = Literal["append", "replace", "merge"]
RuleType = Literal["direct", "split", "join", "constant"]
RULE_TYPES = ("direct", "split", "join", "constant")
_TEXT_LENGTH = 1_000


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain the control character U+0000")
    if not value.strip():
        raise ValueError("must not be blank")
    return value


def _where_to_split(value: Any) -> Any:
    if value is None or value == "":
        raise ValueError("must say where to split, such as a comma")
    return value


Query = Annotated[str, Field(min_length=1, max_length=100_000), AfterValidator(_text)]
Text = Annotated[str, Field(max_length=_TEXT_LENGTH)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class Trim(_Part):
    """Take spaces, or other characters, off the ends."""

    op: Literal["trim"]
    side: Literal["both", "start", "end"] = "both"
    characters: Annotated[str | None, Field(min_length=1, max_length=100, description="Left out: white space.")] = None


class Case(_Part):
    """Write it in capitals, in small letters, or each word with a capital."""

    op: Literal["case"]
    to: Literal["upper", "lower", "title"]


class Replace(_Part):
    """Put one text in the place of another, wherever it stands."""

    op: Literal["replace"]
    find: Annotated[str, Field(min_length=1, max_length=_TEXT_LENGTH)]
    replacement: Text = ""


class Regex(_Part):
    r"""Put a text in the place of what an expression finds (RE2); \1 is its first group."""

    op: Literal["regex"]
    pattern: Annotated[str, Field(min_length=1, max_length=1000)]
    replacement: Text = ""


class NullIf(_Part):
    """Take these texts for no value."""

    op: Literal["null_if"]
    values: Annotated[list[Text], Field(min_length=1, max_length=100)]


class Default(_Part):
    """Put this where there is no value."""

    op: Literal["default"]
    value: Text


class Hash(_Part):
    """Put the SHA-256 of the value in its place. The salt is part of the mapping, and not a secret."""

    op: Literal["hash"]
    salt: Annotated[str, Field(max_length=1000)] = ""


class Mask(_Part):
    """Hide all but the ends; a value with nothing between them is hidden wholly."""

    op: Literal["mask"]
    keep_start: Annotated[int, Field(ge=0, le=1000), WHOLE] = 0
    keep_end: Annotated[int, Field(ge=0, le=1000), WHOLE] = 0
    character: Annotated[str, Field(min_length=1, max_length=1)] = "*"


Step = Annotated[
    Trim | Case | Replace | Regex | NullIf | Default | Hash | Mask,
    Field(discriminator="op"),
]


class _Config(_Part):
    steps: Annotated[
        list[Step],
        Field(max_length=50, description="Done to every source column, in this order, before anything else."),
    ] = []
    zone: Annotated[
        Zone | None, Field(description="Where the clock hung, for a reading that becomes an instant, or back.")
    ] = None


class DirectConfig(_Config):
    """Of a field that is one column."""

    delimiter: None = None
    separator: None = None


class SplitConfig(_Config):
    """Of fields that are the parts of one column."""

    delimiter: Annotated[str, Field(min_length=1, max_length=100), BeforeValidator(_where_to_split)]
    separator: None = None
    fewer: Annotated[Literal["null", "reject"], Field(description="Where there are fewer parts than fields.")] = "null"
    more: Annotated[
        Literal["rest", "drop", "reject"],
        Field(
            description="Where there are more: the last field takes the rest, or it is dropped, or the row rejected."
        ),
    ] = "rest"


class JoinConfig(_Config):
    """Of a field that several columns make up."""

    delimiter: None = None
    separator: Annotated[str | None, Field(max_length=100)] = None
    nulls: Annotated[
        Literal["skip", "empty", "null"],
        Field(
            description="A column without a value: left out with its separator, taken as empty, or the field has none."
        ),
    ] = "skip"


class ConstantConfig(_Part):
    """Of a field that is the same in every row."""

    delimiter: None = None
    separator: None = None
    value: Annotated[Text | None, Field(description="As text; read as the field's type.")] = None
    zone: Zone | None = None


Nothing = Annotated[list[Identifier], Field(max_length=0)]
One = Annotated[list[Identifier], Field(min_length=1, max_length=1)]
Several = Annotated[list[Identifier], Field(min_length=1, max_length=100)]


class Direct(Draft):
    """One column becomes one field."""

    type: Literal["direct"]
    source_columns: One
    target_fields: One
    config: DirectConfig = DirectConfig()


class Split(Draft):
    """One column becomes several fields."""

    type: Literal["split"]
    source_columns: One
    target_fields: Several
    config: SplitConfig


class Join(Draft):
    """Several columns become one field."""

    type: Literal["join"]
    source_columns: Several
    target_fields: One
    config: JoinConfig = JoinConfig()


class Constant(Draft):
    """A field with the same value in every row."""

    type: Literal["constant"]
    source_columns: Nothing = Field(default=[])
    target_fields: One
    config: ConstantConfig


Rule = Direct | Split | Join | Constant
AnyRule = Annotated[Rule, Field(discriminator="type")]
RULES: TypeAdapter[Rule] = TypeAdapter(AnyRule)


class ColumnMapping(SavedDocument):
    """A stored column mapping."""

    mapping_id: Id
    type: RuleType
    source_columns: list[str]
    target_fields: list[str]
    config: dict[str, Any]

    @property
    def rule(self) -> Rule:
        return RULES.validate_python(self.model_dump(include={"type", "source_columns", "target_fields", "config"}))


def revision_of(rules: Sequence[ColumnMapping]) -> int:
    """Of all of them: another number where one came, went, or was changed."""
    marks = ",".join(f"{one.id}@{one.revision}" for one in rules)
    return int.from_bytes(hashlib.blake2b(marks.encode(), digest_size=3).digest())


class MappingDraft(Draft):
    """Where rows come from, what they become, and where they go."""

    name: Annotated[Name, Field(title="Mapping name", description="How people find it; unique.")]
    description: Annotated[Plain | None, Field(title="Description", max_length=2000)] = None
    source_connection_id: Annotated[Id, Field(title="Source")]
    source_query: Annotated[Query, Field(title="Query", description="One SELECT.", examples=["SELECT 1 AS id"])]
    target_schema_id: Annotated[Id, Field(title="Target schema")]
    destination_connection_id: Annotated[
        str | None, Field(pattern=ID_PATTERN, title="Destination", description="Left out: the built-in lake.")
    ] = None
    destination_table: Annotated[
        Identifier | None, Field(title="Table", description="Left out, in the lake: the name of the mapping.")
    ] = None
    write_mode: Annotated[
        WriteMode, Field(title="Write mode", description="merge needs key columns in the schema.")
    ] = "append"
    reject_policy: Annotated[
        Literal["quarantine", "stop"],
        Field(description="What becomes of a row with a value that does not fit: it is kept aside, or ends the run."),
    ] = "quarantine"
    max_rejected: Annotated[
        int, Field(ge=0, le=1_000_000_000, description="So many rows may be kept aside before the run ends."), WHOLE
    ] = 1000

    @model_validator(mode="after")
    def _a_destination_has_a_table(self) -> Self:
        if self.destination_connection_id and not self.destination_table:
            raise ValueError("a destination needs the table that is written to")
        return self


class Mapping(SavedDocument):
    """A stored mapping."""

    name: str
    description: str | None = None
    source_connection_id: Id
    source_query: str
    target_schema_id: Id
    destination_connection_id: str | None = None
    destination_table: str | None = None
    write_mode: WriteMode = "append"
    reject_policy: Literal["quarantine", "stop"] = "quarantine"
    max_rejected: int = 1000


class MappingProblem(BaseModel):
    """What keeps a mapping from running, or should be known before it does."""

    severity: Literal["error", "warning"]
    pointer: str
    code: str
    message: str
    fix: str
    column_mapping_id: str | None = None
