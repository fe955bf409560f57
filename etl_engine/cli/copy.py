"""`etl-engine copy`: a table, several tables or a query of one connection into tables of another."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl_engine.cli import output
from etl_engine.cli.copy_receipts import show_outcomes, show_plan, show_receipt
from etl_engine.cli.copy_running import watched
from etl_engine.cli.output import Json

if TYPE_CHECKING:
    from etl_engine.model.copies import CopyOrder, CopyReceipt
    from etl_engine.services.context import Context

EPILOG = (
    "Examples:\n\netl-engine copy shop orders warehouse public.orders --mode replace\n\n"
    "etl-engine copy shop orders warehouse public.orders --mode merge --key id --cursor updated_at\n\n"
    'etl-engine copy shop warehouse public.totals --query "SELECT day, sum(amount) AS total FROM orders GROUP BY day" '
    "--mode replace --key day\n\n"
    "etl-engine copy shop lake --tables 'public.*' --mode replace --at-once 4"
)


def copy(  # noqa: PLR0913, PLR0917 - one for every option of the command
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE [TABLE] TARGET [TABLE]",
            help="Two connections, by name or id, each with its table; with --query the source has none, with --table "
            "or --tables neither has. The target's table is named as the source's if left out.",
        ),
    ],
    mode: Annotated[str, typer.Option(help="append, replace or merge.")] = "append",
    query: Annotated[str, typer.Option(help="Copy the result of this SELECT.")] = "",
    table: Annotated[
        list[str] | None, typer.Option("--table", help="Copy this table, one of several; may be repeated.")
    ] = None,
    tables: Annotated[
        list[str] | None, typer.Option("--tables", help="Copy all tables named like 'public.*'; may be repeated.")
    ] = None,
    into: Annotated[str, typer.Option(help="Schema of the target for --table and --tables.")] = "",
    at_once: Annotated[int, typer.Option(min=1, max=16, help="Tables of --table and --tables at a time.")] = 2,
    columns: Annotated[list[str] | None, typer.Option("--column", help="Only this column; may be repeated.")] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="Column that tells rows apart; may be repeated. Default: the primary key.")
    ] = None,
    cursor: Annotated[str, typer.Option(help="Column that only grows: the next run reads what is new.")] = "",
    null_cursor: Annotated[
        str, typer.Option(help="Rows without a cursor value: raise, include (every time) or exclude.")
    ] = "raise",
    look_back: Annotated[
        float | None, typer.Option(min=0, help="Seconds behind the cursor to read again; default 300.")
    ] = None,
    new_columns: Annotated[
        str, typer.Option(help="Columns that the target lacks: fail, evolve (add them) or ignore.")
    ] = "fail",
    allow_lossy: Annotated[
        list[str] | None, typer.Option(help="Let values of this column change on the way; may be repeated.")
    ] = None,
    slice_rows: Annotated[
        int | None, typer.Option(min=1, help="Rows to commit at a time in large tables; default 5 million.")
    ] = None,
    readers: Annotated[
        int | None, typer.Option(min=1, max=16, help="Sessions that read a large table at once; default: chosen.")
    ] = None,
    on_reject: Annotated[
        str, typer.Option(help="Rows that cannot be loaded: stop at the first, or quarantine in _etl_rejects.")
    ] = "stop",
    reject_limit: Annotated[
        int | None, typer.Option(min=-1, help="Rejected rows that a run may have; default 1000, -1 for any number.")
    ] = None,
    reject_percent: Annotated[
        float | None, typer.Option(min=0, max=100, help="Share of a batch's rows that may be rejected.")
    ] = None,
    lane: Annotated[
        str, typer.Option(help="The road to take: relay, text or typed; auto is the cheapest exact one.")
    ] = "auto",
    plan: Annotated[bool, typer.Option("--plan", help="Show what would happen, and write nothing.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read both sides again afterwards, and compare.")] = False,
    reconcile: Annotated[
        str, typer.Option(help="Compare both sides by their key: report what differs, or repair it; with --mode merge.")
    ] = "",
    delete_surplus: Annotated[
        bool, typer.Option("--delete-surplus", help="A repair deletes rows that the source does not have.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget the cursor, and a run that was broken off.")
    ] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Displace a run of this copy that is at work.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy rows from one connection to another: losslessly, and each exactly once.

    It can be killed at any moment and run again: what was committed is known in the target itself. Exit code 1 if
    something went wrong or --verify or a report found a difference, 130 if it was interrupted.
    """
    from etl_engine.cli.installation import open_context
    from etl_engine.services import copies

    ctx = open_context()
    options: dict[str, Any] = {
        "mode": mode,
        "query": query,
        "columns": tuple(columns or ()),
        "key": tuple(key or ()),
        "cursor": cursor,
        "null_cursor": null_cursor,
        "look_back": look_back,
        "new_columns": new_columns,
        "allow_lossy": tuple(allow_lossy or ()),
        "on_reject": on_reject,
        "reject_percent": reject_percent,
        "lane": lane,
        "readers": readers,
        "verify": verify,
        "reconcile": reconcile,
        "surplus": "delete" if delete_surplus else "keep",
        "restart": restart,
        "take_over": take_over,
    }
    if slice_rows is not None:
        options["slice_rows"] = slice_rows
    if reject_limit is not None:
        options["reject_limit"] = None if reject_limit < 0 else reject_limit
    if table or tables:
        _many(ctx, _orders(ctx, words, options, table or [], tables or [], into), at_once, plan=plan, as_json=as_json)
        return
    order = _order(ctx, words, options)
    if plan:
        planned = copies.plan(ctx, order)
        if as_json:
            output.document(planned.model_dump(mode="json"))
        else:
            show_plan(planned)
        return
    receipt = _run(ctx, order)
    if as_json:
        output.document(receipt.model_dump(mode="json"))
    else:
        show_receipt(receipt)
    if _differs(receipt):
        raise typer.Exit(1)


def _run(ctx: "Context", order: "CopyOrder") -> "CopyReceipt":
    from etl_engine.engine.watching import Progress
    from etl_engine.services import copies

    progress = Progress()
    return watched(lambda stop: copies.run(ctx, order, progress=progress, stop=stop), [progress])


def _many(ctx: "Context", orders: "list[CopyOrder]", at_once: int, *, plan: bool, as_json: bool) -> None:
    from etl_engine.engine.watching import Progress
    from etl_engine.services import copies

    if plan:
        plans = [copies.plan(ctx, order) for order in orders]
        if as_json:
            output.document({"plans": [one.model_dump(mode="json") for one in plans]})
        for one in () if as_json else plans:
            show_plan(one)
        return
    progress = [Progress() for _ in orders]
    outcomes = watched(
        lambda stop: copies.run_many(ctx, orders, at_once=at_once, progress=progress, stop=stop),
        progress,
        [order.table for order in orders],
    )
    if as_json:
        output.document({"copies": [one.model_dump(mode="json") for one in outcomes]})
    else:
        show_outcomes(outcomes)
    if any(one.receipt is None or _differs(one.receipt) for one in outcomes):
        raise typer.Exit(1)


def _differs(receipt: "CopyReceipt") -> bool:
    """Whether somebody looked, and the sides are not equal now. What a repair leaves in the target is meant to stay."""
    looked, found = receipt.verification, receipt.reconciliation
    return bool((looked and not looked.equal) or (found and not found.applied and not found.equal))


def _orders(
    ctx: "Context", words: list[str], options: dict[str, Any], named: list[str], patterns: list[str], into: str
) -> "list[CopyOrder]":
    from etl_engine.cli.connections import resolved
    from etl_engine.model.table import TableName, parse_name
    from etl_engine.services import copies

    if len(words) != 2 or options["query"]:
        raise typer.BadParameter("needs SOURCE TARGET with --table or --tables, and no --query.", param_hint="copy")
    source, target = (resolved(ctx, word) for word in words)
    found = copies.tables(ctx, source.id, patterns) if patterns else []
    orders = []
    for table in dict.fromkeys([*named, *found]):
        try:
            schema, name = ("", *parse_name(table))[-2:]
        except ValueError as error:
            raise typer.BadParameter(f"{table!r} {error}.", param_hint="--table") from None
        kept = schema if source.db_type == target.db_type else ""
        to = str(TableName(into or kept, name))
        orders.append(
            _validated({"source_id": source.id, "target_id": target.id, "table": table, "target": to} | options)
        )
    return orders


def _order(ctx: "Context", words: list[str], options: dict[str, Any]) -> "CopyOrder":
    from etl_engine.cli.connections import resolved

    expected = (3,) if options["query"] else (3, 4)
    if len(words) not in expected:
        shape = "SOURCE TARGET TABLE with --query" if options["query"] else "SOURCE TABLE TARGET [TABLE]"
        raise typer.BadParameter(f"needs {shape}, and got {len(words)} words.", param_hint="copy")
    if options["query"]:
        source, target, into = words
        table = ""
    else:
        source, table, target = words[:3]
        into = words[3] if len(words) == 4 else table
    values = {
        "source_id": resolved(ctx, source).id,
        "target_id": resolved(ctx, target).id,
        "table": table,
        "target": into,
    }
    return _validated(values | options)


def _validated(values: dict[str, Any]) -> "CopyOrder":
    from pydantic import ValidationError

    from etl_engine.model.copies import CopyOrder
    from etl_engine.model.problems import bad_input

    try:
        return CopyOrder.model_validate(values)
    except ValidationError as error:
        raise bad_input(error, "This copy cannot be ordered", CopyOrder.model_fields) from None
