"""How plans and receipts of copies look at the terminal."""

from typing import TYPE_CHECKING

from etl_engine.cli import output

if TYPE_CHECKING:
    from etl_engine.model.copies import ColumnRule, CopyOutcome, CopyPlan, CopyReceipt, Reconciliation


def show_plan(plan: "CopyPlan") -> None:
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


def show_receipt(receipt: "CopyReceipt") -> None:
    from rich.filesize import decimal

    console = output.answers()
    if receipt.reconciliation:
        _show_reconciliation(receipt, receipt.reconciliation)
        return
    rows = f"{receipt.rows - receipt.rejected:,} of {receipt.rows:,}" if receipt.rejected else f"{receipt.rows:,}"
    speed = f", {receipt.rows / receipt.seconds:,.0f} rows/s" if receipt.seconds and receipt.rows else ""
    console.print(
        output.plain(
            f"Copied {rows} rows ({decimal(receipt.bytes)}) from {receipt.source} into {receipt.target} in "
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
    _show_rejects(receipt)
    for note in receipt.notes:
        console.print(f"Note: {output.plain(note)}")
    if receipt.checksum:
        console.print(f"Checksum {receipt.checksum}")
    _show_verification(receipt)


def _show_reconciliation(receipt: "CopyReceipt", found: "Reconciliation") -> None:
    console = output.answers()
    where = f"{receipt.source} and {receipt.target}, in {found.ranges:,} ranges of the key"
    if found.equal:
        console.print(output.plain(f"✓ Nothing differs between {where}; {found.seconds:.1f} s"), style="green")
    else:
        console.print(
            output.plain(
                f"{found.different:,} ranges differ between {where}: {found.missing:,} rows missing at the target, "
                f"{found.changed:,} with other values, {found.surplus:,} only there; {found.seconds:.1f} s"
            ),
            style="yellow",
        )
        for one in found.examples:
            console.print(output.plain(f"  {one.what}: {one.key}"))
        if found.applied:
            kept = found.surplus - found.deleted
            left = f"; {kept:,} that only the target has stay" if kept else ""
            console.print(
                f"{found.inserted:,} inserted, {found.updated:,} updated, {found.deleted:,} deleted{left}",
                style="green",
            )
        else:
            output.notes().print("Nothing was written.")
    for note in receipt.notes:
        console.print(f"Note: {output.plain(note)}")


def _show_rejects(receipt: "CopyReceipt") -> None:
    if not receipt.rejected:
        return
    console = output.answers()
    rows = "1 row was" if receipt.rejected == 1 else f"{receipt.rejected:,} rows were"
    console.print(f"{rows} kept apart in _etl_rejects beside the target:", style="yellow")
    for one in receipt.rejects:
        what = f"{one.column}: {one.value!r} " if one.column else ""
        console.print(output.plain(f"  row {one.row:,}: {what}{one.reason}"))
    if receipt.rejected > len(receipt.rejects):
        console.print(f"  and {receipt.rejected - len(receipt.rejects):,} more")


def show_outcomes(outcomes: "list[CopyOutcome]") -> None:
    """One line for each table, and what went wrong with some."""
    console = output.answers()
    for one in outcomes:
        done = one.receipt
        if done is None:
            console.print(output.plain(f"✗ {one.table} into {one.target}: {one.error}"), style="red")
            if one.hint:
                console.print(output.plain(f"  {one.hint}"))
            continue
        if done.reconciliation:
            _show_outcome_of_reconciling(one, done.reconciliation)
            continue
        found = done.verification
        kept = f", {done.rejected:,} kept apart" if done.rejected else ""
        same = "" if found is None else ", both sides equal" if found.equal else ", THE SIDES DIFFER"
        text = f"{done.rows:,} rows in {done.seconds:.1f} s, lane {done.lane}{kept}{same}"
        good = found is None or found.equal
        mark, style = ("✓", "green") if good else ("✗", "bold red")
        console.print(output.plain(f"{mark} {one.table} into {one.target}: {text}"), style=style)


def _show_outcome_of_reconciling(one: "CopyOutcome", found: "Reconciliation") -> None:
    done = (
        f"; {found.inserted:,} inserted, {found.updated:,} updated, {found.deleted:,} deleted" if found.applied else ""
    )
    text = f"{found.missing:,} rows missing, {found.changed:,} with other values, {found.surplus:,} only there{done}"
    good = found.equal or found.applied
    mark, style = ("✓", "green") if good else ("✗", "bold red")
    output.answers().print(output.plain(f"{mark} {one.table} and {one.target}: {text}"), style=style)


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
    where = ""
    if found.source_rows == found.target_rows:
        where = f": different values in {', '.join(found.columns)}" if found.columns else ": values in other rows"
    console.print(output.plain(f"✗ The sides differ: {rows}{where}"), style="bold red")
