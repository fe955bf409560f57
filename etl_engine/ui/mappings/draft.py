"""A mapping as it is being made: plain texts on the screen, documents on the way to the services."""

import json
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from etl_engine.model.mapping import ColumnMapping, Mapping


@dataclass
class Draft:
    """Everything of a mapping but its query and its column mappings."""

    name: str = ""
    description: str = ""
    source: str = ""
    schema: str = ""
    destination: str = ""  # empty: the built-in lake
    table: str = ""
    mode: str = "append"
    policy: str = "quarantine"
    most: str = "1000"


@dataclass
class Step:
    """What is done to a value before anything else; its options as they are typed."""

    id: str
    op: str
    options: dict[str, str] = field(default_factory=dict)


@dataclass
class Rule:
    """A column mapping; its options as they are typed."""

    id: str
    type: str = "direct"
    sources: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)


@dataclass
class Packed:
    """All of a mapping that is not stored yet."""

    draft: Draft
    query: str
    rules: list[Rule]


_PACKED = TypeAdapter(Packed)
_LONGEST_PACK = 1_000_000
NAMES = {  # of the fields of a draft, as the services have them
    "name": "name",
    "description": "description",
    "source": "source_connection_id",
    "schema": "target_schema_id",
    "destination": "destination_connection_id",
    "table": "destination_table",
    "mode": "write_mode",
    "policy": "reject_policy",
    "most": "max_rejected",
}
STEPS = {
    "trim": {"side": "both", "characters": ""},
    "case": {"to": "lower"},
    "replace": {"find": "", "replacement": ""},
    "regex": {"pattern": "", "replacement": ""},
    "null_if": {"values": ""},
    "default": {"value": ""},
    "hash": {"salt": ""},
    "mask": {"keep_start": "0", "keep_end": "0", "character": "*"},
}
OPTIONS: dict[str, dict[str, str]] = {
    "direct": {"zone": ""},
    "split": {"delimiter": "", "fewer": "null", "more": "rest", "zone": ""},
    "join": {"separator": " ", "nulls": "skip", "zone": ""},
    "constant": {"value": "", "zone": ""},
}
_NUMBERS = ("keep_start", "keep_end")


def of_mapping(found: Mapping) -> Draft:
    return Draft(
        name=found.name,
        description=found.description or "",
        source=found.source_connection_id,
        schema=found.target_schema_id,
        destination=found.destination_connection_id or "",
        table=found.destination_table or "",
        mode=found.write_mode,
        policy=found.reject_policy,
        most=str(found.max_rejected),
    )


def as_document(draft: Draft, query: str) -> dict[str, Any]:
    """What the services take; what is empty is left to them."""
    most = draft.most.replace(",", "").strip()
    values: dict[str, Any] = {name: getattr(draft, ours).strip() or None for ours, name in NAMES.items()}
    values["max_rejected"] = int(most) if most.isascii() and most.isdigit() and len(most) < 12 else most or None
    required = ("name", "source_connection_id", "target_schema_id")
    values |= {name: values[name] or "" for name in required}
    return values | {"source_query": query}


def of_rule(found: ColumnMapping, rule_id: str) -> Rule:
    options = {name: _text(found.config.get(name)) for name in OPTIONS[found.type]}
    steps = [
        Step(
            f"{rule_id}s{place}",
            step["op"],
            {name: _lines(step[name]) if name == "values" else _text(step.get(name)) for name in STEPS[step["op"]]},
        )
        for place, step in enumerate(found.config.get("steps") or [])
    ]
    return Rule(rule_id, found.type, list(found.source_columns), list(found.target_fields), options, steps)


def as_rule(rule: Rule) -> dict[str, Any]:
    """What the services take."""
    config: dict[str, Any] = {name: value for name, value in rule.options.items() if name in OPTIONS[rule.type]}
    if not config.get("zone"):
        config.pop("zone", None)
    if rule.type != "constant":
        config["steps"] = [_step(step) for step in rule.steps]
    # Lists of their own: those of a State are not what the services take for lists.
    sources = [] if rule.type == "constant" else list(rule.sources)
    return {"type": rule.type, "source_columns": sources, "target_fields": list(rule.targets), "config": config}


def packed(draft: Draft, query: str, rules: list[Rule]) -> str:
    """Everything that is typed, for a browser to keep in case the server is started anew."""
    steps = {one.id: [(step.id, step.op, dict(step.options)) for step in one.steps] for one in rules}
    lines = [
        {
            "id": one.id,
            "type": one.type,
            "sources": list(one.sources),
            "targets": list(one.targets),
            "options": dict(one.options),
            "steps": [{"id": step_id, "op": op, "options": options} for step_id, op, options in steps[one.id]],
        }
        for one in rules
    ]
    return json.dumps({"draft": {name: getattr(draft, name) for name in NAMES}, "query": query, "rules": lines})


def unpacked(text: str) -> Packed | None:
    """What a browser kept, or nothing where it is not what was packed."""
    try:
        found = _PACKED.validate_json(text[:_LONGEST_PACK])
    except ValidationError:
        return None
    known = all(one.type in OPTIONS and all(step.op in STEPS for step in one.steps) for one in found.rules)
    return found if known and len({one.id for one in found.rules}) == len(found.rules) else None


def said(rule: Rule) -> str:
    """What it does, in a few characters."""
    options = rule.options
    words = {
        "split": f"split at {_quoted(options.get('delimiter', ''))}",
        "join": f"join with {_quoted(options.get('separator', ''))}" if options.get("separator") else "join",
        "constant": f"always {_quoted(options.get('value', ''))}",
    }
    own = [words[rule.type]] if rule.type in words else []
    return " · ".join([*own, *(step.op.replace("_", " ") for step in rule.steps)])


def _step(step: Step) -> dict[str, Any]:
    values: dict[str, Any] = {"op": step.op}
    for name in STEPS[step.op]:
        text = step.options.get(name, "")
        if name in _NUMBERS:
            values[name] = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else text
        elif name == "values":
            values[name] = [_unescaped(line) for line in text.split("\n")]
        elif name != "characters" or text:
            values[name] = text
    return values


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _lines(values: list[str]) -> str:
    """One text a line; a line end within one is written as two characters."""
    return "\n".join(one.replace("\\", "\\\\").replace("\n", "\\n") for one in values)


def _unescaped(line: str) -> str:
    parts = [part.replace("\\n", "\n") for part in line.split("\\\\")]
    return "\\".join(parts)


def _quoted(text: str) -> str:
    shown = text if len(text) <= 12 else text[:11] + "…"
    return f"“{shown}”"
