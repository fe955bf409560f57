"""Pydantic's findings as problems for people: where, what, and how to repair it."""

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from etl_engine.errors import BadInput, Problem

# Pydantic has some hundred kinds of finding; a program needs the few that it can act on.
CODES = {
    "required": "The field must be there.",
    "unknown-field": "There is no such field.",
    "unknown-kind": "There is no such kind of connection.",
    "wrong-type": "The value has another type than the field.",
    "not-a-choice": "The value is none of those allowed.",
    "out-of-range": "The number is too small or too large.",
    "empty": "The text is empty, or holds nothing but spaces.",
    "too-long": "The text or list is too long.",
    "malformed": "An id does not look like one.",
    "invalid": "The value cannot be used; the message says why.",
    "taken": "Something else has this name already.",
    "no-such": "It names something that is not there.",
    "type-change": "The type of an existing column never changes.",
    "unknown-target-field": "The target schema does not have that field.",
    "unknown-source-column": "The query does not answer that column.",
    "mapped-twice": "Two column mappings fill one field.",
    "required-unmapped": "A field that needs a value is filled by nothing.",
    "key-missing": "Merging needs key columns in the schema.",
    "bytes-are-not-text": "Bytes can only be mapped directly.",
    "zone-missing": "Between a clock's reading and an instant there is a time zone.",
    "mask": "The mask of a secret was sent where there is no secret yet.",
    "test-receipt": "The receipt of a test does not fit, or is too old.",
}
_RANGE = frozenset({"greater_than_equal", "less_than_equal", "greater_than", "less_than"})
SEND_AN_OBJECT = 'Send a JSON object such as {"name": "Shop"}.'
_OBJECT = ("wrong-type", "must be a JSON object", SEND_AN_OBJECT)
_EMPTY = ("empty", "must not be empty", "Enter at least one character.")
_REQUIRED = ("required", "is required", "Add this field.")
_KNOWN = {
    "missing": _REQUIRED,
    "union_tag_not_found": _REQUIRED,
    "string_too_short": _EMPTY,
    "too_short": _EMPTY,
    "int_type": ("wrong-type", "must be a whole number", "Send a whole number, without quotes."),
    "int_parsing": ("wrong-type", "must be a whole number", "Send a whole number."),
    "int_from_float": ("wrong-type", "must be a whole number", "Send a whole number."),
    "int_parsing_size": ("out-of-range", "must be a smaller whole number", "Choose another number."),
    "bool_type": ("wrong-type", "must be true or false", "Send true or false."),
    "string_type": ("wrong-type", "must be a text", "Send a text in quotes."),
    "string_unicode": ("invalid", "must be text that UTF-8 can carry", "Remove the broken character."),
    "list_type": ("wrong-type", "must be a list", "Send a JSON array."),
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
}


Kinds = Mapping[str, Iterable[str]]  # the names there are, each with its other spellings


def bad_input(
    error: ValidationError, what: str, known_fields: Iterable[str], kinds: Kinds = MappingProxyType({})
) -> BadInput:
    """The error to raise for a document that does not fit its model."""
    return rejected(what, problems_of(error.errors(include_url=False, include_input=False), known_fields, kinds))


def rejected(what: str, problems: tuple[Problem, ...]) -> BadInput:
    """One sentence for the first problem, with its fix as the hint; all of them go along."""
    first = problems[0]
    path = first.pointer.split("/")
    named = (
        path[2] if path[1:2] == ["query"] and len(path) > 2 else path[-1]
    )  # the parameter, not one of its several values
    field = named.replace("~1", "/").replace("~0", "~")
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return BadInput(f"{what}: {f'{field} ' if field else ''}{first.message}{more}", hint=first.fix, problems=problems)


def problems_of(
    details: Iterable[Mapping[str, Any]], known_fields: Iterable[str] = (), kinds: Kinds = MappingProxyType({})
) -> tuple[Problem, ...]:
    """One problem per finding. Where the model is a union of kinds, Pydantic puts their names first; people do not."""
    known = tuple(known_fields)
    return tuple(_problem(detail, known, kinds) for detail in details)


def unknown_kind(pointer: str, given: str, kinds: Kinds) -> Problem:
    meant = {spelling: name for name, others in kinds.items() for spelling in (name, *others)}
    near = difflib.get_close_matches(given.strip()[:100].casefold(), meant, n=1)
    fix = f"Did you mean {meant[near[0]]}?" if near else f"Use one of: {', '.join(kinds)}."
    return Problem(pointer, "unknown-kind", "is not a kind of connection", fix)


def unknown_field(pointer: str, name: str, known: Iterable[str]) -> Problem:
    near = difflib.get_close_matches(name[:100], known, n=1, cutoff=0.6)
    return Problem(pointer, "unknown-field", "is not a field", f"Did you mean {near[0]}?" if near else "Remove it.")


def pointer_to(*path: str) -> str:
    """A JSON pointer (RFC 6901). A field name from outside may be anything, and as long as anything."""
    return "".join(f"/{part[:100].replace('~', '~0').replace('/', '~1')}" for part in path)


def _problem(detail: Mapping[str, Any], known: tuple[str, ...], kinds: Kinds) -> Problem:
    kind, context = str(detail["type"]), detail.get("ctx", {})
    location = [str(part) for part in detail["loc"]]
    if location and location[0] in kinds:
        del location[0]
    if kind.startswith("union_tag"):
        location.append(str(context.get("discriminator", "")).strip("'"))
    pointer = pointer_to(*location)
    if kind == "extra_forbidden":
        return unknown_field(pointer, location[-1], known)
    if kind == "union_tag_invalid":
        return unknown_kind(pointer, str(context["tag"]), kinds)
    return Problem(pointer, *_explained(kind, context, str(detail["msg"])))


def _explained(kind: str, context: Mapping[str, Any], message: str) -> tuple[str, str, str]:
    """Code, message and fix of one finding."""
    must = message.removeprefix("Value error, ").replace("Input should", "must")
    if kind in _KNOWN:
        return _KNOWN[kind]
    if kind in _RANGE:
        return "out-of-range", must, "Choose another number."
    if kind in ("string_too_long", "too_long"):
        return "too-long", f"must have at most {context['max_length']} characters", "Shorten it."
    if kind in ("literal_error", "enum"):
        return "not-a-choice", "is none of the choices", f"Use {context['expected']}."
    if must == "must not be blank":
        return "empty", must, "Enter at least one character."
    return "invalid", must, "Remove it." if must.startswith("must not contain") else "Correct it."
