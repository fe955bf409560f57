"""What is done to the text of a column before it is split, joined or read as a type."""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl_engine.engine.mapping_sql import sha256
from etl_engine.model.mapping import Case, Default, Hash, Mask, NullIf, Regex, Replace, Step, Trim


def stepped(text: pa.Array, steps: Sequence[Step]) -> pa.Array:
    """The text after every step, in their order."""
    for step in steps:
        text = _DONE[type(step)](text, step)
    return text


def unusable(pattern: str, replacement: str) -> str:
    """What RE2 says against an expression or its replacement; "" for nothing."""
    try:
        pc.replace_substring_regex(pa.array([""]), pattern, replacement)
    except pa.ArrowInvalid as error:
        return str(error).removeprefix("Invalid regular expression: ").splitlines()[0][:200]
    return ""


def _trim(text: pa.Array, step: Trim) -> pa.Array:
    side = {"both": "", "start": "l", "end": "r"}[step.side]
    if step.characters is None:
        return getattr(pc, f"utf8_{side}trim_whitespace")(text)
    return getattr(pc, f"utf8_{side}trim")(text, step.characters)


def _case(text: pa.Array, step: Case) -> pa.Array:
    return {"upper": pc.utf8_upper, "lower": pc.utf8_lower, "title": pc.utf8_title}[step.to](text)


def _replace(text: pa.Array, step: Replace) -> pa.Array:
    return pc.replace_substring(text, step.find, step.replacement)


def _regex(text: pa.Array, step: Regex) -> pa.Array:
    return pc.replace_substring_regex(text, step.pattern, step.replacement)


def _null_if(text: pa.Array, step: NullIf) -> pa.Array:
    return pc.if_else(pc.is_in(text, pa.array(step.values, pa.string())), pa.scalar(None, pa.string()), text)


def _default(text: pa.Array, step: Default) -> pa.Array:
    return pc.fill_null(text, step.value)


def _hash(text: pa.Array, step: Hash) -> pa.Array:
    return sha256(text, step.salt)


def _mask(text: pa.Array, step: Mask) -> pa.Array:
    length = pc.utf8_length(text)
    kept = step.keep_start + step.keep_end
    whole = pc.less_equal(length, kept)
    hidden = pc.if_else(whole, length, pc.subtract(length, kept))
    stars = pc.binary_repeat(pa.scalar(step.character), hidden)
    head = pc.utf8_slice_codeunits(text, 0, step.keep_start)
    tail = pc.utf8_slice_codeunits(text, -step.keep_end) if step.keep_end else pa.scalar("")
    return pc.if_else(whole, stars, pc.binary_join_element_wise(head, stars, tail, ""))


_DONE: dict[type, Callable[[pa.Array, Any], pa.Array]] = {
    Trim: _trim,
    Case: _case,
    Replace: _replace,
    Regex: _regex,
    NullIf: _null_if,
    Default: _default,
    Hash: _hash,
    Mask: _mask,
}
