"""Try it with sample data: a small shop in a SQLite file, and a tested connection to it."""

import os
from collections.abc import Callable
from pathlib import Path

from etl_engine.connectors import sample_file
from etl_engine.connectors.registry import Saved
from etl_engine.errors import Conflict, NotCapable
from etl_engine.model.collections import CONNECTIONS
from etl_engine.model.text import name_key
from etl_engine.services import access, connection_tests, connections
from etl_engine.services.connection_documents import as_config, saved
from etl_engine.services.context import Context

NAME = "Sample shop"
DATABASE = "sample/shop.db"  # below the first of the folders that file connections may use

OnProgress = Callable[[float, str], None]  # how much is done, from 0 to 1, and what is being made


def create_sample(ctx: Context, on_progress: OnProgress | None = None) -> Saved:
    """The connection to the sample shop. What is there already is used: the file, and the connection.

    Conflict where the file or the name is there and is something else; Rejected where the file cannot be written.
    """
    access.require(ctx, "connection:create")
    file = _file(ctx)
    existing = _connection_to(ctx, file)
    if os.path.lexists(file):
        if not sample_file.is_intact(file):
            raise Conflict(
                f"The file {file} is damaged, or is not the sample shop",
                hint="Move it away or delete it, and try again: it is then made anew.",
            )
    else:
        if existing is None:
            _insist_on_a_free_name(ctx)
        sample_file.make(file, on_progress or (lambda done, what: None))
    return existing or _connected(ctx, file)


def _file(ctx: Context) -> Path:
    """Where the shop belongs. A folder that a link leads out of the allowed ones is refused before anything is made."""
    if not ctx.surroundings.file_roots:
        raise NotCapable("No folder is allowed for files", hint="Set FILE_ROOTS to a folder.")
    root = ctx.surroundings.file_roots[0]
    file = root / DATABASE
    if not file.parent.resolve().is_relative_to(root.resolve()):
        raise Conflict(f"The folder {file.parent} is a link to another place", hint="Remove the link, and try again.")
    return file


def _connection_to(ctx: Context, file: Path) -> Saved | None:
    """The oldest connection to the file, whatever its name is by now."""
    where = {"db_type": "sqlite", "search": {"$has": DATABASE.casefold()}}
    found = ctx.store.find(CONNECTIONS.name, where, sort=[("created_at", 1)])
    return next((saved(one) for one in found if one["database"] in (DATABASE, str(file))), None)


def _insist_on_a_free_name(ctx: Context) -> None:
    """Asked before the file is made; the store has the last word."""
    for holder in ctx.store.find(CONNECTIONS.name, {"name_key": name_key(NAME)}, limit=1):
        raise Conflict(
            f"The name {NAME} is taken by another connection ({holder['_id']})",
            hint="Rename that connection, and try again.",
            context={"connection_id": holder["_id"]},
        )


def _connected(ctx: Context, file: Path) -> Saved:
    draft = as_config({"name": NAME, "db_type": "sqlite", "database": DATABASE})
    result = connection_tests.test_new(ctx, draft)
    if not result.success:
        fix = next((step.fix for step in result.details.steps if step.fix), "")
        raise Conflict(f"The sample shop was made and cannot be opened: {result.message}", hint=fix)
    try:
        return connections.create(ctx, draft, receipt=result.details.receipt or "")
    except Conflict:  # pressed twice at once: the other one was faster
        if (other := _connection_to(ctx, file)) is not None:
            return other
        raise
