"""The things that the editor of a mapping shows."""

from dataclasses import dataclass, field

from etl_engine.ui.mappings.draft import Rule


@dataclass
class Source:
    """A connection that rows can be read from."""

    value: str
    label: str
    db_type: str


@dataclass
class Column:
    """A column of the query."""

    name: str
    native: str
    sample: str = ""
    used: bool = False


@dataclass
class Field:
    """A field of the target schema."""

    name: str
    type: str
    required: bool
    key: bool
    rule: str = ""  # the id of what fills it
    said: str = ""
    problem: bool = False


@dataclass
class Link:
    """A column mapping as the board draws it."""

    id: str
    type: str
    said: str
    sources: list[str]
    targets: list[str]
    problem: bool = False


@dataclass
class Wrong:
    """Something that keeps the mapping from running."""

    id: str
    words: str
    fix: str
    rule: str = ""  # where it is: a column mapping,
    field: str = ""  # or a field of the target,
    input: str = ""  # or an input of the page


@dataclass
class Snapshot:
    """What can be taken back."""

    schema: str
    rules: list[Rule] = field(default_factory=list)
