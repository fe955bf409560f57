"""`etl-engine connections`: list, add, test, delete."""

import difflib
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from etl_engine.cli import output
from etl_engine.cli.output import Json
from etl_engine.errors import Conflict, NotFound

if TYPE_CHECKING:
    from rich.table import Table

    from etl_engine.model.connection import ConnectionConfig, TestResult
    from etl_engine.services.context import Context

Saved = Any  # the model of a stored connection is made at run time, one per kind
app = typer.Typer(help="List, add, test and delete connections.", no_args_is_help=True)

_SORTS = ("name", "db_type", "created_at", "updated_at", "last_tested_at", "last_test_status", "last_test_ms")
Which = Annotated[str, typer.Argument(metavar="NAME-OR-ID", help="Its name, its id, or the first digits of its id.")]


@app.command(
    "list",
    epilog="Example: etl-engine connections list --type postgresql --status failed --sort=-last_tested_at",
)
def list_(
    search: Annotated[str, typer.Option("--search", "-q", help="Part of name, host, port, database or user.")] = "",
    kind: Annotated[list[str] | None, typer.Option("--type", help="Only this kind; may be repeated.")] = None,
    status: Annotated[list[str] | None, typer.Option(help="Only success, failed or untested; may be repeated.")] = None,
    sort: Annotated[str, typer.Option(help=f"One of: {', '.join(_SORTS)}; with - in front downwards.")] = "-updated_at",
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0 is all.")] = 0,
    offset: Annotated[int, typer.Option(min=0, help="Leave out so many at the beginning.")] = 0,
    as_json: Json = False,
) -> None:
    """List connections, newest change first."""
    from etl_engine.cli.installation import open_context
    from etl_engine.services import connections
    from etl_engine.services.connection_documents import kind_meant

    field = sort.removeprefix("-")
    if field not in _SORTS:
        raise typer.BadParameter(f"{sort!r} is not one of: {', '.join(_SORTS)}.", param_hint="--sort")
    if wrong := set(status or ()) - set(get_args(connections.Status)):
        raise typer.BadParameter(f"{min(wrong)!r} is not success, failed or untested.", param_hint="--status")
    ctx = open_context()
    query = connections.Query(
        text=search,
        db_types=tuple(map(kind_meant, kind or ())),
        statuses=tuple(status or ()),  # type: ignore[arg-type] # checked above
        sort=field,  # type: ignore[arg-type] # checked above
        descending=sort.startswith("-"),
        limit=limit,
        offset=offset,
    )
    found = connections.list_(ctx, query)
    if as_json:
        output.document({"connections": [_as_document(one) for one in found.items], "total": found.total})
        return
    if found.items:
        output.answers().print(_table(found.items))
    output.notes().print(_counted(len(found.items), found.total, filtered=bool(search or kind or status)))


@app.command(
    "add",
    epilog="Examples:\n\netl-engine connections add shop --type postgresql --host db.example.com --database shop "
    "--username etl --tls-mode verify-full --option tls_ca=@ca.pem\n\n"
    "pass show shop | etl-engine connections add shop --type mysql --host db.example.com --database shop "
    "--username etl --password-stdin\n\netl-engine connections add files --type sqlite --database shop.db",
)
def add(  # noqa: PLR0913, PLR0917 - one for every option of the command
    name: Annotated[str, typer.Argument(help="How people will find it; unique.")],
    kind: Annotated[str, typer.Option("--type", help="Kind of connection, such as postgresql, mysql or sqlite.")],
    host: Annotated[str | None, typer.Option(help="Name or IP address of the server.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; the kind's own if left out.")] = None,
    database: Annotated[str | None, typer.Option(help="Database, or the file of a file kind.")] = None,
    username: Annotated[str | None, typer.Option(help="User to log in as.")] = None,
    tls_mode: Annotated[str | None, typer.Option(help="disable, prefer, require, verify-ca or verify-full.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Any other field; @FILE as value takes the text of a file."),
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking for it.")
    ] = False,
    untested: Annotated[bool, typer.Option("--untested", help="Save it without testing it first.")] = False,
    as_json: Json = False,
) -> None:
    """Test a new connection, and save it if the test succeeds.

    The password is asked for or read from standard input, and never an argument: every user of a machine sees those.
    """
    from etl_engine.cli import connection_input
    from etl_engine.cli.installation import open_context
    from etl_engine.services import connections

    common = {"name": name, "host": host, "port": port, "database": database, "username": username}
    draft = connection_input.draft(kind, common | {"tls_mode": tls_mode}, option or (), password_stdin=password_stdin)
    ctx = open_context(create=True)  # not before: what cannot be saved must not leave a store and a key behind
    tested = None if untested else _tested(ctx, draft, as_json)
    saved = connections.create(ctx, draft, receipt=(tested.details.receipt or "") if tested else "")
    if as_json:
        output.document({"connection": _as_document(saved), "test": _test_document(tested)})
    else:
        how = "tested" if tested else "untested"
        output.answers().print(f"Saved {output.plain(saved.name)} ({how}), id {saved.id}")


@app.command("test", epilog="Example: etl-engine connections test shop")
def test(which: Which, as_json: Json = False) -> None:
    """Test a stored connection and record the result; exit code 1 if it does not work."""
    from etl_engine.cli import ladder
    from etl_engine.cli.installation import open_context
    from etl_engine.services import connection_tests

    ctx = open_context()
    found = resolved(ctx, which)
    result = ladder.climb(
        lambda report, cancelled: connection_tests.test_saved(ctx, found.id, on_step=report, cancelled=cancelled),
        output.notes() if as_json else output.answers(),
    )
    if as_json:
        output.document(_test_document(result))
    else:
        output.answers().print(ladder.summary(result))
    if not result.success:
        raise typer.Exit(1)


@app.command("delete", epilog="Example: etl-engine connections delete shop --yes")
def delete(
    which: Which,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete a connection, after asking."""
    from etl_engine.cli.installation import open_context
    from etl_engine.services import connections

    ctx = open_context()
    found = resolved(ctx, which)
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("nobody can be asked here: say that you mean it.", param_hint="--yes")
        what = f"Delete {output.plain(found.name)} ({_where(found)})?"
        if not typer.confirm(what, err=True):
            output.notes().print("Nothing was deleted.")
            raise typer.Exit(1)
    connections.delete(ctx, found.id, revision=found.revision)
    if as_json:
        output.document({"deleted": {"_id": found.id, "name": found.name}})
    else:
        output.answers().print(f"Deleted {output.plain(found.name)} ({found.id})")


def _tested(ctx: "Context", draft: "ConnectionConfig", as_json: bool) -> "TestResult":
    """The result of a test that succeeded; otherwise the command ends here."""
    from etl_engine.cli import ladder
    from etl_engine.services import connection_tests

    result = ladder.climb(
        lambda report, cancelled: connection_tests.test_new(ctx, draft, on_step=report, cancelled=cancelled),
        output.notes() if as_json else output.answers(),
    )
    if result.success:
        return result
    if as_json:
        output.document({"connection": None, "test": _test_document(result)})
    else:
        output.answers().print(ladder.summary(result))
        output.notes().print("Nothing was saved. To save it all the same, add --untested.")
    raise typer.Exit(1)


def resolved(ctx: "Context", text: str) -> Saved:
    """The one connection with that name, that id, or an id that begins so."""
    from etl_engine.model.text import name_key
    from etl_engine.services import connections

    every = connections.list_(ctx, connections.Query(sort="name", descending=False)).items
    digits = text.strip().lower()
    found = {one.id: one for one in every if name_key(one.name) == name_key(text)}
    if re.fullmatch("[0-9a-f]{24}", digits) or (not found and re.fullmatch("[0-9a-f]{4,23}", digits)):
        found |= {one.id: one for one in every if one.id.startswith(digits)}
    if len(found) == 1:
        return found.popitem()[1]
    if found:
        names = ", ".join(f"{one.name} ({one.id})" for one in list(found.values())[:5])
        raise Conflict(
            f"{text!r} means {len(found)} connections: {names}", hint="Use the whole id, or the name, of the one meant."
        )
    by_key = {name_key(one.name): one.name for one in every}
    near = difflib.get_close_matches(name_key(text), by_key, n=3, cutoff=0.6)
    raise NotFound(
        f"There is no connection {text!r}",
        hint=f"Did you mean {', '.join(by_key[key] for key in near)}?"
        if near
        else "See what there is with: etl-engine connections list",
    )


def _test_document(result: "TestResult | None") -> dict[str, Any] | None:
    """Without the receipt: it is for saving, and that happens here or not at all."""
    return result.model_dump(mode="json", exclude={"details": {"receipt"}}) if result else None


def _as_document(one: Saved) -> dict[str, Any]:
    document: dict[str, Any] = one.model_dump(mode="json", by_alias=True)
    return document


def _where(one: Saved) -> str:
    host, port, database = (getattr(one, field, None) for field in ("host", "port", "database"))
    shown = f"[{host}]" if host and ":" in host else host
    return output.plain(f"{shown}:{port}/{database}" if host else database or "")


def _status(one: Saved) -> str:
    if one.last_test_status is None:
        return "· untested"
    icon = "✓ works" if one.last_test_status == "success" else "✗ failed"
    return f"{icon}, {output.age(one.last_tested_at)}"


def _table(items: list[Saved]) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for title in ("Name", "Kind", "Where", "User", "Last test"):
        table.add_column(title, overflow="fold")
    table.add_column("Id", no_wrap=True, style="dim")
    for one in items:
        row = (one.name, one.db_type, _where(one), getattr(one, "username", ""), _status(one), one.id)
        table.add_row(*(output.plain(cell) for cell in row))
    return table


def _counted(shown: int, total: int, *, filtered: bool) -> str:
    if not total:
        return (
            "No connection matches." if filtered else "No connections yet. Add one: etl-engine connections add --help"
        )
    return f"{total} connection{'s' if total > 1 else ''}" + (f", {shown} shown" if shown != total else "")
