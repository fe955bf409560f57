"""From the options of `connections add` to the fields of a connection; secrets come from a prompt, a pipe or a file."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from etl_engine.errors import BadInput

if TYPE_CHECKING:
    from etl_engine.model.connection import ConnectionConfig

_LONGEST_SECRET_INPUT = 100_000


def draft(kind: str, common: Mapping[str, Any], options: Iterable[str], *, password_stdin: bool) -> "ConnectionConfig":
    """The connection as typed. A password that is needed is asked for last, when everything else is right."""
    from etl_engine.services.connection_documents import as_config, config_types, kind_meant

    db_type = kind_meant(kind)
    config = config_types()[db_type]
    values = {"db_type": db_type} | {field: value for field, value in common.items() if value is not None}
    values |= _options(config, options)
    if password_stdin:
        values["password"] = _from_standard_input()
    elif "password" in config.secret_fields():
        as_config(values | {"password": "stands in until the real one is typed"})
        values["password"] = _asked()
    return as_config(values)


def _options(config: "type[ConnectionConfig]", options: Iterable[str]) -> dict[str, Any]:
    """`key=value` as the field's own type."""
    fields, secret = config.model_json_schema()["properties"], config.secret_fields()
    values: dict[str, Any] = {}
    for text in options:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{key[:40]!r} is not KEY=VALUE.", param_hint="--option")
        if key in secret and not value.startswith("@"):
            way = "use --password-stdin" if key == "password" else f"put it in a file and use {key}=@FILE"
            raise typer.BadParameter(
                f"{key} is secret, and every user of this machine sees arguments: {way}.", param_hint="--option"
            )
        values[key] = _text_of(value[1:]) if value.startswith("@") else _typed(fields.get(key, {}), value)
    return values


def _typed(schema: Mapping[str, Any], value: str) -> Any:
    if schema.get("type") in ("integer", "number", "boolean"):
        try:
            return json.loads(value)
        except ValueError:
            return value  # the model says what is wrong with it
    return value


def _text_of(file: str) -> str:
    try:
        return Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise BadInput(
            f"The file {file} cannot be read: {reason}", hint="Name a text file that you may read."
        ) from None


def _from_standard_input() -> str:
    """Everything up to the end, without the line break that `echo` and editors put there."""
    try:
        text = sys.stdin.buffer.read(_LONGEST_SECRET_INPUT).decode()
    except UnicodeDecodeError:
        raise BadInput("The password on standard input is not UTF-8 text", hint="Send it as UTF-8.") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise BadInput("There is no password on standard input", hint="Pipe it in, or leave out --password-stdin.")
    return text


def _asked() -> str:
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask for the password.", param_hint="--password-stdin")
    return str(typer.prompt("Password", hide_input=True, err=True))
