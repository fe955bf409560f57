"""The log: one event a line on standard error, for people or for machines, quiet about libraries, silent about secrets.

`configure` is called once per process, by whoever starts it. Everything that can print from then on goes through the
same chain: structlog, the standard library's loggers of every dependency, and crashes of threads and of the process.
"""

import datetime as dt
import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Literal, TextIO

import structlog

from etl_engine.masking import masked_event

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["console", "json"]
Event = MutableMapping[str, Any]

LONGEST_VALUE = 4_000
LONGEST_TRACEBACK = 40_000
# C0, C1 and DEL, line and paragraph separators, bidirectional controls, lone surrogates: whatever could end a line,
# move the cursor or make a line look like another one.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_BARE = re.compile(r"[^\s\"'=\\]+")
_COLOURS = {"debug": "2", "info": "36", "warning": "33", "error": "31", "critical": "1;31"}
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_writing = threading.Lock()


def configure(level: Level = "info", fmt: Format = "console") -> None:
    """Set up every log of this process. May be called again; the last call counts."""
    structlog.configure(
        processors=[*_CHAIN, _as_json if fmt == "json" else _as_text],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=_Output,
        cache_logger_on_first_use=False,  # so that a second call counts for loggers that exist already
    )
    _take_over_the_standard_library(level)
    sys.excepthook = _crash
    threading.excepthook = _thread_crash
    sys.unraisablehook = _unraisable


class _Output:
    """Writes to whatever standard error is now, a whole line at a time."""

    def __init__(self, *_: Any) -> None: ...

    def msg(self, line: str) -> None:
        stream = sys.stderr
        if stream is None:
            return
        with _writing:
            try:
                stream.write(line + "\n")
                stream.flush()
            except (OSError, ValueError):  # nobody reads it any more: not a reason to fail
                pass

    debug = info = warning = error = critical = msg


class _FromStandardLibrary(logging.Handler):
    """Passes the records of other people's code on as events."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:  # its arguments do not fit; logging itself would print them, secrets included
            message = str(record.msg)
        level = next((name for name in ("error", "warning", "info") if record.levelno >= _LEVELS[name]), "debug")
        facts = {"exc_info": record.exc_info} if record.exc_info else {}
        getattr(structlog.get_logger(), level)(message, logger=record.name, **facts)


def _take_over_the_standard_library(level: Level) -> None:
    """One handler at the root; libraries keep no handlers of their own, and levels only where they are quieter."""
    root = logging.getLogger()
    root.handlers = [_FromStandardLibrary()]
    root.setLevel(logging.DEBUG if level == "debug" else max(logging.WARNING, _LEVELS[level]))
    for logger in list(root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            logger.handlers.clear()
            logger.setLevel(logger.level if logger.level >= logging.WARNING else logging.NOTSET)
            logger.propagate = True
    # On debug it writes down every command with its documents, and a heartbeat every ten seconds.
    logging.getLogger("pymongo").setLevel(max(root.level, logging.INFO))
    logging.captureWarnings(True)


def _crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _report_crash("crashed", error, trace)


def _thread_crash(args: Any) -> None:
    if args.exc_type is not SystemExit:
        _report_crash("a thread crashed", args.exc_value, args.exc_traceback, thread=getattr(args.thread, "name", ""))


def _unraisable(args: Any) -> None:
    what = type(args.object).__name__ if args.object is not None else ""
    _report_crash("an error could not be raised", args.exc_value, args.exc_traceback, where=what)


def _report_crash(event: str, error: BaseException | None, trace: TracebackType | None, **facts: str) -> None:
    info = (type(error), error, trace) if error is not None else None
    structlog.get_logger().critical(event, exc_info=info, **facts)


def _in_order(_: Any, level: str, event: Event) -> Event:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"timestamp": now, "level": level, "event": event.pop("event", ""), **event}


def _traceback(_: Any, __: str, event: Event) -> Event:
    """The traceback as text. Never with local variables: they hold the passwords of every driver."""
    info = event.pop("exc_info", None)
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    elif info and not isinstance(info, tuple):
        info = sys.exc_info()
    if info and info[1] is not None:
        event["exception"] = "".join(traceback.format_exception(*info)).rstrip()
    return event


def _without_secrets(_: Any, __: str, event: Event) -> Event:
    return {name: _cut(masked_event(value, name), name) for name, value in event.items()}


def _cut(value: Any, name: str) -> Any:
    """Only after masking, so that no half of a secret is left at the cut."""
    longest = LONGEST_TRACEBACK if name == "exception" else LONGEST_VALUE
    if isinstance(value, str) and len(value) > longest:
        return f"{value[:longest]}… ({len(value)} characters)"
    return value


def escaped(text: str) -> str:
    return _CONTROLS.sub(lambda match: json.dumps(match[0])[1:-1] if ord(match[0]) != 0x7F else "\\u007f", text)


def _as_json(_: Any, __: str, event: Event) -> str:
    # Letters of all languages stay readable; json leaves some controls as they are, and escaped they are still JSON.
    return escaped(json.dumps(event, ensure_ascii=False, default=str))


def _as_text(_: Any, level: str, event: Event) -> str:
    """`time level event  name=value …`, a traceback below it with a margin that no event line has."""
    time, level, trace = event.pop("timestamp"), event.pop("level"), event.pop("exception", "")
    head, tail = (f"\x1b[{_COLOURS[level]}m", "\x1b[0m") if _in_colour(sys.stderr) else ("", "")
    line = f"{time} {head}{level:<8}{tail} {escaped(str(event.pop('event', '')))}"
    facts = "".join(f" {escaped(name)}={_quoted(value)}" for name, value in event.items() if value not in ("", None))
    margin = "".join(f"\n    | {escaped(row)}" for row in trace.split("\n")) if trace else ""
    return f"{line} {facts}{margin}" if facts else f"{line}{margin}"


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if _BARE.fullmatch(text) or not isinstance(value, str):
        return escaped(text)
    return '"' + escaped(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _in_colour(stream: TextIO | None) -> bool:
    try:
        return bool(stream and stream.isatty())
    except ValueError:
        return False


_CHAIN: list[Any] = [
    structlog.contextvars.merge_contextvars,
    _in_order,
    _traceback,
    _without_secrets,
]
