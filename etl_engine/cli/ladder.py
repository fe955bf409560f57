"""A connection test at the terminal: every step as it happens, and Ctrl-C stops it."""

import queue
import threading
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.text import Text

from etl_engine.cli import output
from etl_engine.model.connection import StepReport, TestResult

Test = Callable[[Callable[[StepReport], None], threading.Event], TestResult]

_LOOK = {
    "pending": ("·", "dim"),
    "running": ("…", "cyan"),
    "pass": ("✓", "green"),
    "warn": ("!", "yellow"),
    "fail": ("✗", "bold red"),
    "skipped": ("-", "dim"),
}
_WHO = {"dba": "your database administrator", "network": "your network administrator"}
_STOPPING_SECONDS = 2.0


def climb(test: Test, console: Console) -> TestResult:
    """Run the test in a thread of its own and show its steps here, where Ctrl-C arrives."""
    reports: queue.Queue[StepReport | None] = queue.Queue()
    cancelled, outcome = threading.Event(), _Outcome()
    thread = threading.Thread(target=_work, args=(test, reports, cancelled, outcome), daemon=True)
    thread.start()
    try:
        _show(reports, console)
    except KeyboardInterrupt:
        cancelled.set()
        thread.join(_STOPPING_SECONDS)
        raise
    thread.join()
    return outcome.get()


class _Outcome:
    """What the thread leaves: a result, or the error it ended with."""

    def __init__(self) -> None:
        self.result: TestResult | None = None
        self.error: BaseException | None = None

    def get(self) -> TestResult:
        if self.error is not None:
            raise self.error
        if self.result is None:
            raise RuntimeError("the test ended without a result")
        return self.result


def _work(test: Test, reports: "queue.Queue[StepReport | None]", cancelled: threading.Event, outcome: _Outcome) -> None:
    try:
        outcome.result = test(reports.put, cancelled)
    except BaseException as error:
        outcome.error = error
    finally:
        reports.put(None)


def _show(reports: "queue.Queue[StepReport | None]", console: Console) -> None:
    steps: dict[str, StepReport] = {}
    if not console.is_terminal:
        while (step := reports.get()) is not None:
            if step.state not in ("pending", "running"):
                console.print(_line(step))
        return
    with Live(console=console, refresh_per_second=12, transient=False) as live:
        while (step := reports.get()) is not None:
            steps[step.key] = step
            live.update(Text("\n").join(_line(one) for one in steps.values()))


def _line(step: StepReport) -> Text:
    icon, style = _LOOK[step.state]
    line = Text().append(f"{icon} {step.title:<26}", style)
    if step.state in ("pass", "warn", "fail"):
        line.append(f"{step.ms:>7.0f} ms  ", "dim")
    line.append(output.plain(step.evidence))
    for row in (*step.cause.splitlines(), *_indented("Fix: ", step.fix)):
        line.append(f"\n    {output.plain(row)}")
    if step.who and step.who != "you":
        line.append(f"\n    To be done by {_WHO[step.who]}.", "dim")
    return line


def _indented(label: str, text: str) -> list[str]:
    rows = text.splitlines()
    return [f"{label if not number else ' ' * len(label)}{row}" for number, row in enumerate(rows)]


def summary(result: TestResult) -> Text:
    details = result.details
    if result.success:
        version = f", {output.plain(details.version)}" if details.version else ""
        return Text(f"The connection works: {details.ms:.0f} ms{version}", style="green")
    return Text(f"The connection does not work. {output.plain(result.message)}", style="red")
