"""Copies in a thread of their own, watched from the terminal; Ctrl-C and the wish to terminate arrive here."""

import signal
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from etl_engine.cli import output

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from etl_engine.engine.watching import Progress, Stop

Result = TypeVar("Result")
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


def watched(work: "Callable[[Stop], Result]", progress: "Sequence[Progress]", names: Sequence[str] = ()) -> Result:
    """Do it, and show how far it is. An interruption is passed on, and the end of the work waited for."""
    from etl_engine.engine.watching import Stop
    from etl_engine.errors import Cancelled

    stop = Stop()
    results: list[Result] = []
    errors: list[BaseException] = []
    ended = threading.Event()  # not join(): interrupted, it takes a thread that runs on for one that has ended

    def body() -> None:
        try:
            results.append(work(stop))
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    before = signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=body, daemon=True, name="copy").start()
    try:
        _watch(ended, progress, names)
    except KeyboardInterrupt:
        stop.wish()
        if not ended.wait(_ENDING_SECONDS) or (errors and isinstance(errors[0], Cancelled)):
            raise
    finally:
        signal.signal(signal.SIGTERM, before)
    if errors:
        raise errors[0]
    return results[0]


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _watch(ended: threading.Event, progress: "Sequence[Progress]", names: Sequence[str]) -> None:
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
        tasks = [bar.add_task("", total=None, rows="", visible=not names) for _ in progress]
        while not ended.wait(_LOOK_SECONDS):
            for number, (task, one) in enumerate(zip(tasks, progress, strict=True)):
                _show(bar, task, one, names[number] if names else "")


def _show(bar: "Bar", task: int, progress: "Progress", name: str) -> None:
    phase = _PHASES[progress.phase]
    bar.update(
        task,  # type: ignore[arg-type] # rich's TaskID is an int
        description=f"{name}: {phase.lower()}" if name else phase,
        completed=progress.bytes_done,
        total=progress.bytes_total,
        rows=_rows_so_far(progress),
        visible=not name or progress.phase not in ("connecting", "done"),
    )


def _rows_so_far(progress: "Progress") -> str:
    if progress.rows_total and progress.fraction is not None and not progress.rows_done:
        return f"about {int(progress.rows_total * progress.fraction):,} rows"
    return f"{progress.rows_done:,} rows" if progress.rows_done else ""
