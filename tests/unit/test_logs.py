"""The log: one event a line, nothing faked, nothing secret, whoever writes it."""

import asyncio
import io
import json
import logging
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from log_state import everything_as_it_was

from etl_engine import logs, masking
from etl_engine.masking import Secrets

CANARY = "cän/ary?#@:%'\" x"


@pytest.fixture(autouse=True)
def own_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(masking, "_hidden", Secrets([CANARY]))
    with everything_as_it_was():
        yield
    structlog.contextvars.clear_contextvars()


class Written:
    """What was written to standard error."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys, self._text = capsys, ""

    @property
    def text(self) -> str:
        self._text += self._capsys.readouterr().err
        return self._text

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Written:
    return Written(capsys)


HOSTILE = [
    "one\n2026-01-01T00:00:00.000Z info     faked",
    "one\r\nfaked",
    "one\x1b[2J\x1b[31mred",
    "one\u2028two\u2029three",
    "one\u202eeno",
    "one\x85two\x0btwo\x0cthree\x1ctwo",
    "one\x00\x08\x7f",
    "one\ud800",
]


@pytest.mark.parametrize("fmt", ["console", "json"])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_value_can_split_a_line_or_fake_one(written: Written, fmt: logs.Format, text: str) -> None:
    logs.configure("info", fmt)
    structlog.get_logger().info(text, value=text, deep={"a": [text], text: 1})
    logging.getLogger("library").warning("%s", text)
    assert len(written.text.split("\n")) == 3
    assert len(written.lines) == 2
    assert not any(character in written.text for character in "\r\x1b\u2028\u202e\x85\x0b\x0c\x00\x08\x7f\ud800")
    if fmt == "json":
        assert [event["event"] for event in written.events()] == [text, text]


@pytest.mark.parametrize("fmt", ["console", "json"])
def test_a_traceback_cannot_fake_a_line_and_has_no_local_variables(written: Written, fmt: logs.Format) -> None:
    logs.configure("info", fmt)
    log = structlog.get_logger()

    def fails() -> None:
        a_local_variable = "its value " * 2
        raise ValueError("\n2026-01-01T00:00:00.000Z info     faked" + a_local_variable[:0])

    try:
        fails()
    except ValueError:
        log.exception("it failed")
    assert "its value its value" not in written.text
    if fmt == "json":
        (event,) = written.events()
        assert event["event"] == "it failed"
        assert event["exception"].startswith("Traceback")
    else:
        assert all(line.startswith("    | ") for line in written.lines[1:])
        assert "in fails" in written.text


def test_people_get_time_level_event_and_facts_in_a_line(written: Written) -> None:
    logs.configure("info", "console")
    structlog.get_logger().warning("the store is away", url="sqlite:///x", note='two "words"', count=3, nothing=None)
    (line,) = written.lines
    stamp, rest = line.split(" ", 1)
    assert len(stamp) == len("2026-01-01T00:00:00.000Z")
    assert rest == r'warning  the store is away  url=sqlite:///x note="two \"words\"" count=3'


def test_machines_get_one_json_document_a_line(written: Written) -> None:
    logs.configure("info", "json")
    structlog.get_logger().info("started", version="1", deep={"ü": [1, None]})
    (event,) = written.events()
    assert list(event) == ["timestamp", "level", "event", "version", "deep"]
    assert event["deep"] == {"ü": [1, None]}
    assert "ü" in written.text


def test_the_request_id_is_on_every_line_of_its_request(written: Written) -> None:
    logs.configure("info", "json")
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger().info("one")
        logging.getLogger("library").warning("two")
    structlog.get_logger().info("three")
    assert [event.get("request_id") for event in written.events()] == ["r-1", "r-1", None]


def test_below_the_level_nothing_is_written(written: Written) -> None:
    logs.configure("warning", "json")
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [event["event"] for event in written.events()] == ["loud"]


def test_the_last_configuration_counts_for_loggers_that_exist_already(written: Written) -> None:
    logs.configure("error", "json")
    log = structlog.get_logger()
    log.info("quiet")
    logs.configure("debug", "json")
    log.debug("loud")
    assert [event["event"] for event in written.events()] == ["loud"]


@pytest.mark.parametrize(
    "name", ["uvicorn.access", "_granian", "granian.access", "reflex", "sqlalchemy.engine", "pymongo.command"]
)
def test_libraries_are_quiet_below_warning_and_keep_no_outlet_of_their_own(written: Written, name: str) -> None:
    own, elsewhere = logging.getLogger(name), io.StringIO()
    own.addHandler(logging.StreamHandler(elsewhere))
    own.setLevel(logging.DEBUG)
    own.propagate = False
    logs.configure("info", "json")
    own.debug("chatter")
    own.info("chatter")
    own.warning("worth a line")
    assert [(event["event"], event["logger"]) for event in written.events()] == [("worth a line", name)]
    assert elsewhere.getvalue() == ""


def test_at_level_debug_libraries_speak_and_stay_masked(written: Written) -> None:
    logs.configure("debug", "json")
    logging.getLogger("library").debug("INSERT %r", {"password": "x", "other": CANARY})
    (event,) = written.events()
    assert event["level"] == "debug"
    assert event["event"] == "INSERT {'password': ***, 'other': '***'}"


def test_documents_on_their_way_to_mongodb_are_not_written_down_on_debug_either(written: Written) -> None:
    logs.configure("debug", "json")
    logging.getLogger("pymongo.command").debug("insert %s", "a document")
    assert written.events() == []


def test_a_library_that_was_told_to_be_quiet_stays_quiet(written: Written) -> None:
    logging.getLogger("prints.rows").setLevel(logging.WARNING)
    logs.configure("debug", "json")
    logging.getLogger("prints.rows").info("a row")
    assert written.events() == []


def test_a_record_whose_arguments_do_not_fit_is_logged_without_them(written: Written) -> None:
    logs.configure("info", "json")
    logging.getLogger("library").error("%d things", CANARY)
    (event,) = written.events()
    assert event["event"] == "%d things"


@pytest.mark.parametrize("fmt", ["console", "json"])
def test_a_secret_shows_nowhere_in_an_event(written: Written, fmt: logs.Format) -> None:
    logs.configure("debug", fmt)
    log = structlog.get_logger()
    with structlog.contextvars.bound_contextvars(note=CANARY):
        log.info(
            f"saw {CANARY}", plain=CANARY, deep=[{"a": CANARY}], error=ValueError(CANARY), url=f"pg://u:{CANARY}@h"
        )
    error = RuntimeError(CANARY)
    error.__cause__ = KeyError(CANARY)
    log.error("failed", exc_info=error)
    logging.getLogger("library").error("no %s", CANARY, exc_info=ValueError(CANARY))
    for spelling in (CANARY, json.dumps(CANARY)[1:-1], repr(CANARY)[1:-1]):
        assert spelling not in written.text
    assert "cän" not in written.text
    assert "u00e4n" not in written.text


def test_a_long_value_is_cut_after_it_was_masked(written: Written) -> None:
    logs.configure("info", "json")
    padding = "x" * (logs.LONGEST_VALUE - 5) + " "
    structlog.get_logger().info("long", value=padding + CANARY * 3)
    (event,) = written.events()
    assert len(event["value"]) < logs.LONGEST_VALUE + 40
    assert "cän" not in event["value"]


def test_a_thread_that_crashes_is_one_event_without_its_secret(written: Written) -> None:
    logs.configure("info", "json")

    def crash() -> None:
        raise RuntimeError(CANARY)

    thread = threading.Thread(target=crash, name="worker-1")
    thread.start()
    thread.join()
    (event,) = written.events()
    assert (event["event"], event["thread"], event["level"]) == ("a thread crashed", "worker-1", "critical")
    assert event["exception"].endswith("RuntimeError: ***")


async def test_a_forgotten_task_that_crashes_shows_no_secret(written: Written) -> None:
    logs.configure("info", "json")
    loop = asyncio.get_running_loop()
    loop.call_exception_handler({"message": f"never awaited {CANARY}", "exception": ValueError(CANARY)})
    assert [event["logger"] for event in written.events() if event["level"] == "error"] == ["asyncio"]
    assert "cän" not in written.text


def test_an_error_in_a_finaliser_shows_no_secret(written: Written) -> None:
    logs.configure("info", "json")

    class Breaks:
        def __del__(self) -> None:
            raise ValueError(CANARY)

    Breaks()
    (event,) = written.events()
    assert event["event"] == "an error could not be raised"
    assert "cän" not in written.text


def test_a_warning_is_an_event(written: Written) -> None:
    logs.configure("info", "json")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn(f"old {CANARY}", UserWarning, stacklevel=1)
    assert "cän" not in written.text
    assert written.events()[-1]["logger"] == "py.warnings"


CRASHES = """
import sys
from etl_engine import logs, masking
logs.configure("info", sys.argv[1])
masking.hide(sys.argv[2])
def connect(password):
    raise ConnectionError("no answer to " + password)
connect(sys.argv[2])
"""


@pytest.mark.parametrize("fmt", ["console", "json"])
def test_a_process_that_crashes_prints_a_masked_traceback(fmt: str) -> None:
    died = subprocess.run([sys.executable, "-c", CRASHES, fmt, CANARY], capture_output=True, text=True, check=False)
    assert died.returncode == 1
    assert "ConnectionError: no answer to ***" in died.stderr
    assert "cän" not in died.stdout + died.stderr


def test_nobody_reading_the_log_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    logs.configure("info", "console")
    closed = io.StringIO()
    closed.close()
    for stream in (closed, None):
        monkeypatch.setattr(sys, "stderr", stream)
        structlog.get_logger().info("unheard")


def test_lines_of_many_threads_do_not_mix(written: Written) -> None:
    logs.configure("info", "json")
    log = structlog.get_logger()

    def work(number: int) -> None:
        for _ in range(50):
            log.info("x" * 500, number=number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(written.events()) == 300


def _seconds_per_event() -> float:
    log, best = structlog.get_logger(), 1.0
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(100):
            log.info("request", method="GET", path="/api/v1/connections/64f0c0ffee64f0c0ffee0001", status=200, ms=1.25)
        best = min(best, (time.perf_counter() - started) / 100)
    return best


def test_a_thousand_secrets_make_an_event_hardly_dearer(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured: 27 µs with none, 29 µs with a thousand. The bound leaves room for a busy machine."""
    logs.configure("info", "json")
    monkeypatch.setattr(masking, "_hidden", Secrets())
    none = _seconds_per_event()
    monkeypatch.setattr(masking, "_hidden", Secrets(f"secret/{number}?@{number * 7919}" for number in range(1000)))
    assert _seconds_per_event() < 4 * none + 0.0002
