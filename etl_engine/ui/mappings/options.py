"""The options of a column mapping as inputs: what they are called, what can be chosen, what is typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from etl_engine.ui.mappings.draft import OPTIONS, STEPS, Rule, Step


@dataclass
class Choice:
    """Something to choose."""

    value: str
    label: str


@dataclass
class Input:
    """One option."""

    id: str  # of the element: what is wrong with it is found there
    rule: str
    step: str  # empty: of the rule itself
    name: str
    label: str
    value: str
    hint: str = ""
    problem: str = ""
    lines: bool = False
    choices: list[Choice] = field(default_factory=list)  # none: it is typed


@dataclass
class StepPanel:
    """A step with its inputs."""

    id: str
    title: str
    inputs: list[Input]


@dataclass
class Panel:
    """Everything about the column mapping that is looked at."""

    id: str = ""
    type: str = ""
    title: str = ""
    target: str = ""  # the field, where nothing fills it yet
    sources: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    more_sources: list[str] = field(default_factory=list)  # that may be added
    more_targets: list[str] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    steps: list[StepPanel] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


TYPES = {
    "direct": "Direct: one column, one field",
    "split": "Split: one column, several fields",
    "join": "Join: several columns, one field",
    "constant": "Constant: the same in every row",
}
STEP_TITLES = {
    "trim": "Trim the ends",
    "case": "Upper or lower case",
    "replace": "Replace a text",
    "regex": "Replace by expression",
    "null_if": "Take texts for no value",
    "default": "Fill in where there is no value",
    "hash": "Hash (SHA-256)",
    "mask": "Mask all but the ends",
}
_LABELS = {
    "delimiter": "Split at",
    "fewer": "If there are fewer parts",
    "more": "If there are more parts",
    "separator": "Text between them",
    "nulls": "A column without a value",
    "value": "Value",
    "zone": "Time zone",
    "side": "Where",
    "characters": "What to take off",
    "to": "Into",
    "find": "Text",
    "replacement": "Put in its place",
    "pattern": "Expression (RE2)",
    "values": "Texts, one a line",
    "salt": "Salt",
    "keep_start": "Keep at the start",
    "keep_end": "Keep at the end",
    "character": "Written instead",
}
_HINTS = {
    "zone": "Only between a clock's reading and an instant.",
    "characters": "Empty: white space.",
    "salt": "Part of the mapping, and no secret.",
}
_CHOICES: dict[str, dict[str, str]] = {
    "fewer": {"null": "the fields left over have no value", "reject": "keep the row apart"},
    "more": {"rest": "the last field takes the rest", "drop": "drop them", "reject": "keep the row apart"},
    "nulls": {"skip": "is left out", "empty": "counts as empty", "null": "means: the field has none"},
    "side": {"both": "both ends", "start": "at the start", "end": "at the end"},
    "to": {"lower": "lower case", "upper": "UPPER CASE", "title": "Each Word"},
}


def inputs_of(rule: Rule, problems: Mapping[str, str], *, moments: bool) -> list[Input]:
    """`problems` by the pointer within the rule. The zone is asked for only where there are `moments`."""
    names = [name for name in OPTIONS[rule.type] if name != "zone" or moments or rule.options.get("zone")]
    return [_input(rule.id, "", name, rule.options, problems, f"config/{name}") for name in names]


def step_panels(rule: Rule, problems: Mapping[str, str]) -> list[StepPanel]:
    if rule.type == "constant":
        return []
    return [
        StepPanel(
            step.id,
            STEP_TITLES[step.op],
            [_of_step(rule, step, name, problems, place) for name in STEPS[step.op]],
        )
        for place, step in enumerate(rule.steps)
    ]


def _of_step(rule: Rule, step: Step, name: str, problems: Mapping[str, str], place: int) -> Input:
    return _input(rule.id, step.id, name, step.options, problems, f"config/steps/{place}/{name}")


def _input(
    rule: str, step: str, name: str, options: Mapping[str, str], problems: Mapping[str, str], pointer: str
) -> Input:
    return Input(
        id=f"{step or rule}-{name}",
        rule=rule,
        step=step,
        name=name,
        label=_LABELS[name],
        value=options.get(name, ""),
        hint=_HINTS.get(name, ""),
        problem=problems.get(pointer, ""),
        lines=name == "values",
        choices=[Choice(value, label) for value, label in _CHOICES.get(name, {}).items()],
    )
