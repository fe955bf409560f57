"""`etl-engine copy`: a table or a query of one connection into a table of another."""

import signal
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl_engine.cli import output
from etl_engine.cli.output import Json

if TYPE_CHECKING:
    from etl_engine.engine.watching import Progress
    from etl_engine.model.copies import ColumnRule, CopyOrder, CopyPlan, CopyReceipt
    from etl_engine.services.context import Context

_ENDING_SECONDS = 20.0
_LOOK_SECONDS = 0.1
_PHASES = {
    "connecting": "Connecting",
    "planning": "Planning",
    "copying": "Copying",
    "applying": "Applying",
    "committing": "Committing",
    "verifying": "Comparing",
    "waiting": "Trying again",
    "done": "Done",
}

EPILOG = (
    "Examples:\n\netl-engine copy shop orders warehouse public.orders --mode replace\n\n"
    "etl-engine copy shop orders warehouse public.orders --mode merge --key id --cursor updated_at\n\n"
    'etl-engine copy shop warehouse public.totals --query "SELECT day, sum(amount) AS total FROM orders GROUP BY day" '
    "--mode replace --key day"
)


def copy(  # noqa: PLR0913, PLR0917 - one for every option of the command
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE [TABLE] TARGET [TABLE]",
            help="Two connections, by name or id, each with its table; with --query the source has none. "
            "The target's table is named as the source's if left out.",
        ),
    ],
    mode: Annotated[str, typer.Option(help="append, replace or merge.")] = "append",
    query: Annotated[str, typer.Option(help="Copy the result of this SELECT.")] = "",
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
    plan: Annotated[bool, typer.Option("--plan", help="Show what would happen, and write nothing.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read both sides again afterwards, and compare.")] = False,
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
    something went wrong or --verify found a difference, 130 if it was interrupted.
    """
    from etl_engine.cli.installation import open_context
    from etl_engine.services import copies

    ctx = open_context()
    order = _order(
        ctx,
        words,
        {
            "mode": mode,
            "query": query,
            "columns": tuple(columns or ()),
            "key": tuple(key or ()),
            "cursor": cursor,
            "null_cursor": null_cursor,
            "look_back": look_back,
            "new_columns": new_columns,
            "allow_lossy": tuple(allow_lossy or ()),
            "verify": verify,
            "restart": restart,
            "take_over": take_over,
        }
        | ({} if slice_rows is None else {"slice_rows": slice_rows}),
    )
    if plan:
        planned = copies.plan(ctx, order)
        if as_json:
            output.document(planned.model_dump(mode="json"))
        else:
            _show_plan(planned)
        return
    receipt = _run(ctx, order)
    if as_json:
        output.document(receipt.model_dump(mode="json"))
    else:
        _show_receipt(receipt)
    if receipt.verification and not receipt.verification.equal:
        raise typer.Exit(1)


def _order(ctx: "Context", words: list[str], options: dict[str, Any]) -> "CopyOrder":
    from pydantic import ValidationError

    from etl_engine.cli.connections import resolved
    from etl_engine.model.copies import CopyOrder
    from etl_engine.model.problems import bad_input

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
    try:
        return CopyOrder.model_validate({**values, **options})
    except ValidationError as error:
        raise bad_input(error, "This copy cannot be ordered", CopyOrder.model_fields) from None


def _run(ctx: "Context", order: "CopyOrder") -> "CopyReceipt":
    """The copy in a thread of its own; Ctrl-C and the wish to terminate arrive here."""
    from etl_engine.engine.watching import Progress, Stop
    from etl_engine.errors import Cancelled
    from etl_engine.services import copies

    progress, stop = Progress(), Stop()
    outcome: dict[str, Any] = {}
    ended = threading.Event()  # not join(): interrupted, it takes a thread that runs on for one that has ended

    def work() -> None:
        try:
            outcome["receipt"] = copies.run(ctx, order, progress=progress, stop=stop)
        except BaseException as error:
            outcome["error"] = error
        finally:
            ended.set()

    before = signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=work, daemon=True, name="copy").start()
    try:
        _watch(ended, progress)
    except KeyboardInterrupt:
        stop.wish()
        if not ended.wait(_ENDING_SECONDS) or isinstance(outcome.get("error"), Cancelled):
            raise
    finally:
        signal.signal(signal.SIGTERM, before)
    error = outcome.get("error")
    if error is not None:
        raise error
    receipt: CopyReceipt = outcome["receipt"]
    return receipt


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _watch(ended: threading.Event, progress: "Progress") -> None:
    """Show how far it is while it runs; without a terminal only wait."""
    console = output.notes()
    if not console.is_terminal:
        while not ended.wait(_LOOK_SECONDS):
            pass
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    look = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeRemainingColumn(),
    )
    with Bar(*look, console=console, transient=True) as bar:
        task = bar.add_task(_PHASES[progress.phase], total=None, rows="")
        while not ended.wait(_LOOK_SECONDS):
            bar.update(
                task,
                description=_PHASES[progress.phase],
                completed=progress.bytes_done,
                total=progress.bytes_total,
                rows=_rows_so_far(progress),
            )


def _rows_so_far(progress: "Progress") -> str:
    if progress.rows_total and progress.fraction is not None and not progress.rows_done:
        return f"about {int(progress.rows_total * progress.fraction):,} rows"
    return f"{progress.rows_done:,} rows" if progress.rows_done else ""


def _show_plan(plan: "CopyPlan") -> None:
    console = output.answers()
    size = "" if plan.rows is None else f", about {plan.rows:,} rows"
    console.print(output.plain(f"{plan.mode.capitalize()} {plan.source} into {plan.target}{size}"))
    console.print(output.plain(f"Lane: {plan.lane}, {plan.form}: {plan.why}"))
    if plan.key:
        console.print(output.plain(f"Key: {', '.join(plan.key)}"))
    if plan.cursor:
        console.print(output.plain(f"Cursor: {plan.cursor}, from {plan.cursor_from or 'the beginning'}"))
    _show_rules(plan.columns)
    for statement in plan.statements:
        console.print(output.plain(statement).replace("\\n", "\n") + ";")
    for note in plan.notes:
        console.print(f"Note: {output.plain(note)}")
    output.notes().print("Nothing was written.")


def _show_rules(columns: "list[ColumnRule]") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for title in ("Column", "Source", "Target", "Rule", ""):
        table.add_column(title, overflow="fold")
    for one in columns:
        row = (one.name, one.source_type, one.target_type, one.rule.value, one.why)
        table.add_row(*(output.plain(cell) for cell in row))
    output.answers().print(table)


def _show_receipt(receipt: "CopyReceipt") -> None:
    from rich.filesize import decimal

    console = output.answers()
    speed = f", {receipt.rows / receipt.seconds:,.0f} rows/s" if receipt.seconds and receipt.rows else ""
    console.print(
        output.plain(
            f"Copied {receipt.rows:,} rows ({decimal(receipt.bytes)}) from {receipt.source} into {receipt.target} in "
            f"{receipt.seconds:.1f} s{speed}"
        )
    )
    changed = f", {receipt.written:,} inserted or updated" if receipt.mode == "merge" else ""
    parts = "part" if receipt.batches == 1 else "parts"
    console.print(f"{receipt.mode}{changed}, lane {receipt.lane} ({receipt.form}), {receipt.batches} {parts} committed")
    if receipt.cursor:
        reached = f"{receipt.cursor_from or 'the beginning'} to {receipt.cursor_to or 'nothing yet'}"
        console.print(output.plain(f"Cursor {receipt.cursor}: {reached}"))
    other = [one for one in receipt.columns if one.rule.value != "exact" or one.why]
    if other:
        _show_rules(other)
    else:
        console.print(f"{len(receipt.columns)} columns, all exact")
    for note in receipt.notes:
        console.print(f"Note: {output.plain(note)}")
    if receipt.checksum:
        console.print(f"Checksum {receipt.checksum}")
    _show_verification(receipt)


def _show_verification(receipt: "CopyReceipt") -> None:
    found = receipt.verification
    if not found:
        return
    console = output.answers()
    if found.equal:
        console.print(
            f"✓ Both sides are equal: {found.target_rows:,} rows, compared in {found.seconds:.1f} s", style="green"
        )
        return
    rows = f"{found.source_rows:,} rows at the source, {found.target_rows:,} at the target"
    where = f": different values in {', '.join(found.columns)}" if found.columns else ""
    console.print(output.plain(f"✗ The sides differ: {rows}{where}"), style="bold red")
