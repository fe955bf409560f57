"""What keeps a mapping from running: every finding with its place, before a row is read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from etl_engine.engine.mapping_casts import NO_CLOCK, NO_ZONE, from_text
from etl_engine.engine.mapping_steps import unusable
from etl_engine.errors import Problem
from etl_engine.model.mapping import Constant, Regex, Rule
from etl_engine.model.problems import pointer_to
from etl_engine.model.table import Column, Family


@dataclass(frozen=True)
class Finding:
    """A problem, and the place of the rule that has it; None where it is the mapping's as a whole."""

    rule: int | None
    problem: Problem


def findings(rules: Sequence[Rule], target: Sequence[Column], source: Sequence[Column] | None = None) -> list[Finding]:
    """Everything that is wrong, rule by rule; of the source only where its columns are known."""
    found = [
        Finding(place, problem)
        for place, rule in enumerate(rules)
        for problem in (
            *_unknown_fields(rule, target),
            *_twice(rules, place),
            *_expressions(rule),
            *_constants(rule, target),
            *_sources(rule, target, source),
        )
    ]
    return found + [Finding(None, problem) for problem in _unmapped(rules, target)]


def _unknown_fields(rule: Rule, target: Sequence[Column]) -> Iterator[Problem]:
    names = [column.name for column in target]
    for place, name in enumerate(rule.target_fields):
        if name not in names:
            yield Problem(
                pointer_to("target_fields", str(place)),
                "unknown-target-field",
                f"names {name!r}, which the target schema does not have",
                f"Use one of: {', '.join(names)[:300]}.",
            )


def _twice(rules: Sequence[Rule], place: int) -> Iterator[Problem]:
    before = [name for rule in rules[:place] for name in rule.target_fields]
    for at, name in enumerate(rules[place].target_fields):
        if name in before or name in rules[place].target_fields[:at]:
            yield Problem(
                pointer_to("target_fields", str(at)),
                "mapped-twice",
                f"fills {name!r}, which is filled already",
                "Take the field out of one of the two.",
            )


def _unmapped(rules: Sequence[Rule], target: Sequence[Column]) -> Iterator[Problem]:
    filled = {name for rule in rules for name in rule.target_fields}
    for column in target:
        if not column.nullable and column.name not in filled:
            yield Problem(
                "/column_mappings",
                "required-unmapped",
                f"fill nothing into {column.name!r}, which needs a value",
                f"Map a column, or a constant, to {column.name}.",
            )


def _expressions(rule: Rule) -> Iterator[Problem]:
    if isinstance(rule, Constant):
        return
    for place, step in enumerate(rule.config.steps):
        if isinstance(step, Regex) and (said := unusable(step.pattern, step.replacement)):
            pointer = pointer_to("config", "steps", str(place), "pattern")
            yield Problem(pointer, "invalid", f"is no regular expression that can be used: {said}", "Correct it.")


def _constants(rule: Rule, target: Sequence[Column]) -> Iterator[Problem]:
    if not isinstance(rule, Constant):
        return
    for column in target:
        if column.name in rule.target_fields:
            read = from_text(pa.array([rule.config.value], pa.string()), column.type, rule.config.zone)
            if read.marks:
                pointer = pointer_to("config", "value")
                yield Problem(pointer, "invalid", read.marks[0][1], f"Give a value of the type {column.native}.")


def _sources(rule: Rule, target: Sequence[Column], source: Sequence[Column] | None) -> Iterator[Problem]:
    if source is None:
        return
    types = {column.name: column.type for column in source}
    into = {column.name: column.type for column in target}
    fills = [into[name] for name in rule.target_fields if name in into]
    for place, name in enumerate(rule.source_columns):
        pointer = pointer_to("source_columns", str(place))
        if name not in types:
            fix = f"Use one of: {', '.join(types)[:300]}."
            yield Problem(pointer, "unknown-source-column", f"names {name!r}, which the query does not answer", fix)
        elif types[name].family is Family.BYTES and (rule.type != "direct" or rule.config.steps):
            fix = "Map it directly, without steps, to a field of bytes."
            yield Problem(pointer, "bytes-are-not-text", f"names {name!r}, which holds bytes", fix)
        elif rule.type == "direct" and not rule.config.zone and types[name].family is Family.TIMESTAMP:
            yield from (
                Problem(pointer_to("config", "zone"), "zone-missing", reason, "Name a time zone such as Europe/Berlin.")
                for type_ in fills
                if type_.family in (Family.TIMESTAMP, Family.DATE)
                and type_.zoned != types[name].zoned
                and not (type_.family is Family.DATE and not types[name].zoned)
                for reason in (f"is needed: {name!r} {NO_ZONE if type_.zoned else NO_CLOCK}",)
            )
