"""Column rules once more, value by value in plain Python: slow, and read at a glance. What the fast ones must equal."""

import datetime as dt
import decimal
import hashlib
import json
import re
from typing import Any

from etl_engine.model.mapping import Constant, Direct, Join, Rule, Split
from etl_engine.model.table import Column, Family, Type

SPACES = " \t\n\r\x0b\x0c"


class DoesNotFit(Exception):
    """A value that its field cannot hold."""


def row_of(rules: list[Rule], row: dict[str, str | None], target: tuple[Column, ...]) -> dict[str, Any] | None:
    """The row of the target; None where it is rejected."""
    types = {column.name: column.type for column in target}
    made: dict[str, Any] = {column.name: None for column in target}
    try:
        for rule in rules:
            for name, text in texts(rule, row).items():
                made[name] = None if text is None else value(text, types[name])
    except DoesNotFit:
        return None
    return None if any(made[column.name] is None and not column.nullable for column in target) else made


def texts(rule: Rule, row: dict[str, str | None]) -> dict[str, str | None]:
    if isinstance(rule, Constant):
        return {rule.target_fields[0]: rule.config.value}
    given = [stepped(row[name], rule) for name in rule.source_columns]
    if isinstance(rule, Direct):
        return {rule.target_fields[0]: given[0]}
    if isinstance(rule, Join):
        return {rule.target_fields[0]: joined(given, rule)}
    return dict(zip(rule.target_fields, split(given[0], rule), strict=True))


def joined(given: list[str | None], rule: Join) -> str | None:
    there = [text for text in given if text is not None]
    if rule.config.nulls == "null" and len(there) < len(given):
        return None
    if rule.config.nulls == "skip":
        return (rule.config.separator or "").join(there) if there else None
    return (rule.config.separator or "").join(text or "" for text in given)


def split(text: str | None, rule: Split) -> list[str | None]:
    wanted = len(rule.target_fields)
    if text is None:
        return [None] * wanted
    parts: list[str | None] = [*text.split(rule.config.delimiter)]
    if len(parts) < wanted and rule.config.fewer == "reject":
        raise DoesNotFit
    if len(parts) > wanted and rule.config.more == "reject":
        raise DoesNotFit
    if rule.config.more == "rest":
        parts = [*text.split(rule.config.delimiter, wanted - 1)]
    return (parts + [None] * wanted)[:wanted]


def stepped(text: str | None, rule: Any) -> str | None:
    for step in rule.config.steps:
        if step.op == "default":
            text = step.value if text is None else text
        elif text is not None:
            text = STEPS[step.op](text, step)
    return text


def masked(text: str, step: Any) -> str:
    kept = step.keep_start + step.keep_end
    if len(text) <= kept:
        return str(step.character) * len(text)
    stars = step.character * (len(text) - kept)
    return text[: step.keep_start] + stars + text[len(text) - step.keep_end :]


STEPS: dict[str, Any] = {
    "trim": lambda text, step: text.strip() if step.characters is None else text.strip(step.characters),
    "case": lambda text, step: {"upper": text.upper, "lower": text.lower}[step.to](),
    "replace": lambda text, step: text.replace(step.find, step.replacement),
    "regex": lambda text, step: re.sub(step.pattern, step.replacement, text),
    "null_if": lambda text, step: None if text in step.values else text,
    "hash": lambda text, step: hashlib.sha256((step.salt + text).encode()).hexdigest(),
    "mask": masked,
}


def value(text: str, type_: Type) -> Any:
    if type_.family is Family.TEXT:
        return text
    text = text.strip()
    if not text.isascii():
        raise DoesNotFit
    try:
        return READ[type_.family](text, type_)
    except (ValueError, decimal.DecimalException, OverflowError) as error:
        raise DoesNotFit from error


def whole(text: str, _type: Type) -> int:
    if not re.fullmatch(r"[+-]?\d+(\.0*)?", text):
        raise DoesNotFit
    number = int(text.partition(".")[0])
    if not -(2**63) <= number < 2**63:
        raise DoesNotFit
    return number


def exact(text: str, type_: Type) -> decimal.Decimal:
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text):
        raise DoesNotFit
    with decimal.localcontext() as context:
        context.prec = 2000
        context.traps[decimal.Inexact] = True
        number = decimal.Decimal(text).quantize(decimal.Decimal(1).scaleb(-(type_.scale or 0)))
    if len(number.as_tuple().digits) > (type_.precision or 0) and number:
        raise DoesNotFit
    return number


def truth(text: str, _type: Type) -> bool:
    if text.lower() in ("true", "t", "yes", "y", "on", "1"):
        return True
    if text.lower() in ("false", "f", "no", "n", "off", "0"):
        return False
    raise DoesNotFit


def day(text: str, _type: Type) -> dt.date:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d([ T]00:00(:00(\.0+)?)?)?", text):
        raise DoesNotFit
    return dt.date.fromisoformat(text[:10])


def moment(text: str, _type: Type) -> dt.datetime:
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6})0*)?)?)?", text)
    if not found:
        raise DoesNotFit
    date, hour, minute, second, fraction = found.groups()
    at = dt.time(int(hour or 0), int(minute or 0), int(second or 0), int((fraction or "0").ljust(6, "0")))
    return dt.datetime.combine(dt.date.fromisoformat(date), at)


def document(text: str, _type: Type) -> str:
    json.loads(text)
    return text


READ: dict[Family, Any] = {
    Family.INTEGER: whole,
    Family.DECIMAL: exact,
    Family.BOOLEAN: truth,
    Family.DATE: day,
    Family.TIMESTAMP: moment,
}
