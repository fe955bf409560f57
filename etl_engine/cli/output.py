"""How the command line answers: a JSON document or text on standard output, everything else on standard error."""

import contextlib
import datetime as dt
import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from etl_engine.errors import EtlError

Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON document on standard output.")]
_NO_INTEGER = "Input should be a valid integer, unable to parse string as an integer"
_WIDE = 500  # columns where nobody looks at a terminal: a pipe must not lose the ends of lines


def answers() -> "Console":
    """Where the answer goes."""
    return _console(sys.stdout, stderr=False)


def notes() -> "Console":
    """Where progress, questions and warnings go."""
    return _console(sys.stderr, stderr=True)


def _console(stream: Any, *, stderr: bool) -> "Console":
    from rich.console import Console

    # Values are data: no markup, no emoji codes, no guessing at what to colour in them.
    seen = stream.isatty()
    return Console(
        stderr=stderr, markup=False, emoji=False, highlight=False, width=None if seen else _WIDE, soft_wrap=not seen
    )


def document(value: Any) -> None:
    """The one JSON document of a command."""
    indent = 2 if sys.stdout.isatty() else None
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=indent, default=str) + "\n")
    sys.stdout.flush()


def plain(value: object) -> str:
    """Text from elsewhere, with control characters made visible: it may not steer the terminal."""
    from etl_engine.logs import escaped

    return escaped(str(value))


def age(moment: dt.datetime | None) -> str:
    """How long ago, in one word or two."""
    if moment is None:
        return ""
    seconds = max(0, int((dt.datetime.now(dt.UTC) - moment).total_seconds()))
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def failed(error: "EtlError", as_json: bool) -> None:
    if as_json:
        problems = [problem.as_dict() for problem in error.problems]
        document({"error": {"code": error.code, "message": error.message, "hint": error.hint, "problems": problems}})
        return
    console = notes()
    console.print(f"Error: {plain(error.message)}", style="red")
    for problem in error.problems[1:]:
        console.print(f"  {plain(problem.pointer)} {plain(problem.message)} {plain(problem.fix)}".rstrip())
    if error.hint:
        console.print(plain(error.hint))


def misused(error: typer.TyperException, as_json: bool) -> None:
    message = plain(error.format_message()).replace(_NO_INTEGER, "must be a whole number")
    if as_json:
        document({"error": {"code": "usage", "message": message, "hint": "Add --help.", "problems": []}})
        return
    usage = getattr(error, "ctx", None)
    console = notes()
    if usage is not None:
        console.print(usage.get_usage())
    console.print(f"Error: {message}", style="red")
    if usage is not None:
        console.print(f"Try: {usage.command_path} --help")


def close_quietly() -> None:
    """Python flushes standard output once more at its end; nobody reads it any more."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def defect(error: BaseException, as_json: bool) -> None:
    """Something we did not think of: the traceback without local variables and secrets, and where to send it."""
    import structlog

    from etl_engine import logs

    if not structlog.is_configured():
        logs.configure()
    structlog.get_logger().critical("this is a defect of ETL Engine", exc_info=error)
    if as_json:
        document({"error": {"code": "defect", "message": type(error).__name__, "hint": "See the log.", "problems": []}})
