"""Pydantic's findings as problems for people: where, what, and how to repair it."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from etl_engine.errors import BadInput, Problem

_FIXES = {
    "missing": "Add this field.",
    "string_too_short": "Enter at least one character.",
    "int_type": "Send a whole number, without quotes.",
    "int_from_float": "Send a whole number.",
    "bool_type": "Send true or false.",
    "string_type": "Send a text in quotes.",
    "union_tag_not_found": "Add this field.",
}
_MESSAGES = {
    "missing": "is required",
    "union_tag_not_found": "is required",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "dict_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
}


def bad_input(error: ValidationError, what: str, known_fields: Iterable[str], tags: Iterable[str] = ()) -> BadInput:
    """The error to raise for a document that does not fit its model."""
    problems = problems_of(error.errors(include_url=False, include_input=False), known_fields, tags)
    first = problems[0]
    where = first.pointer.rsplit("/", 1)[-1]
    return BadInput(f"{what}: {where} {first.message}".replace(":  ", ": "), hint=first.fix, problems=problems)


def problems_of(
    details: Iterable[Mapping[str, Any]], known_fields: Iterable[str] = (), tags: Iterable[str] = ()
) -> tuple[Problem, ...]:
    """One problem per finding. `tags` are names of union members: Pydantic puts them in the path, people do not."""
    known, hidden = tuple(known_fields), frozenset(tags)
    return tuple(_problem(detail, known, hidden) for detail in details)


def _problem(detail: Mapping[str, Any], known: tuple[str, ...], hidden: frozenset[str]) -> Problem:
    kind, context = str(detail["type"]), detail.get("ctx", {})
    location = [str(part) for part in detail["loc"] if part not in hidden]
    if kind.startswith("union_tag"):
        location.append(str(context.get("discriminator", "")).strip("'"))
    pointer = "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in location if part)
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.6)
        return Problem(pointer, "unknown-field", "is not a field", f"Did you mean {near[0]}?" if near else "Remove it.")
    if kind == "union_tag_invalid":
        wanted = str(context["expected_tags"]).replace("'", "")
        return Problem(pointer, "unknown-kind", "is not a kind of connection", f"Use one of: {wanted}.")
    if kind in ("greater_than_equal", "less_than_equal", "greater_than", "less_than"):
        return Problem(
            pointer, "out-of-range", str(detail["msg"]).replace("Input should", "must"), "Choose another number."
        )
    if kind in ("string_too_long", "too_long"):
        limit = context["max_length"]
        return Problem(pointer, "too-long", f"must have at most {limit} characters", "Shorten it.")
    message = _MESSAGES.get(kind) or str(detail["msg"]).removeprefix("Value error, ").replace("Input should", "must")
    return Problem(pointer, kind.replace("_", "-"), message, _FIXES.get(kind, ""))
