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
    from etl_engine.services.context import Context
    from etl_engine.services.kinds import KindInfo

_LONGEST_SECRET_INPUT = 100_000


def draft(
    info: "KindInfo", common: Mapping[str, Any], options: Iterable[str], *, password_stdin: bool
) -> "ConnectionConfig":
    """The connection as typed. A password that is needed is asked for last, when everything else is right."""
    from etl_engine.services.connection_documents import as_config

    values = {"db_type": info.db_type} | {field: value for field, value in common.items() if value is not None}
    values |= _options(info, options)
    if password_stdin:
        values["password"] = _from_standard_input()
    elif "password" in info.secret_fields:
        as_config(values | {"password": "stands in until the real one is typed"})
        values["password"] = _asked()
    return as_config(values)


def kind(ctx: "Context", name: str) -> "KindInfo":
    from etl_engine.services import kinds

    every = kinds.list_(ctx)
    for info in every:
        if name.lower() in (info.db_type, *info.aliases):
            return info
    raise BadInput(f"{name!r} is not a kind of connection", hint=f"Use one of: {', '.join(k.db_type for k in every)}.")


def _options(info: "KindInfo", options: Iterable[str]) -> dict[str, Any]:
    """`key=value` as the field's own type."""
    values: dict[str, Any] = {}
    for text in options:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{key[:40]!r} is not KEY=VALUE.", param_hint="--option")
        if key in info.secret_fields and not value.startswith("@"):
            way = "use --password-stdin" if key == "password" else f"put it in a file and use {key}=@FILE"
            raise typer.BadParameter(
                f"{key} is secret, and every user of this machine sees arguments: {way}.", param_hint="--option"
            )
        values[key] = _text_of(value[1:]) if value.startswith("@") else _typed(info, key, value)
    return values


def _typed(info: "KindInfo", key: str, value: str) -> Any:
    wanted = info.config_schema.get("properties", {}).get(key, {}).get("type")
    if wanted in ("integer", "number", "boolean"):
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
