"""The command line as a whole: help, exit codes, errors for people and for programs, quick starts and clean ends."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pytest
import typer
from command_line import COMMAND, CommandLine
from ladders import stalls

from etl_engine import __version__, cli, wiring
from etl_engine.connectors.contract import CHECK_SECONDS

COMMANDS = [
    (),
    ("serve",),
    ("check",),
    ("connections",),
    ("connections", "list"),
    ("connections", "add"),
    ("connections", "test"),
    ("connections", "delete"),
    ("keys",),
    ("keys", "generate"),
    ("keys", "rotate"),
]
SERVER = ("--type", "postgresql", "--host", "127.0.0.1", "--database", "d", "--username", "u")


def test_the_version_is_one_line(etl: CommandLine) -> None:
    answer = etl("--version")
    assert (answer.code, answer.out, answer.err) == (0, f"etl-engine {__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_every_option(etl: CommandLine, command: tuple[str, ...]) -> None:
    answer = etl(*command, "--help")
    assert answer.code == 0
    assert "Usage: etl-engine" in answer.out
    assert etl(*command, "-h").out == answer.out
    found: Any = typer.main.get_command(cli.app)
    for name in command:
        found = found.commands[name]
    assert found.help
    for parameter in found.params:
        assert getattr(parameter, "help", None), f"{parameter.name} has no explanation"


@pytest.mark.parametrize("command", [command for command in COMMANDS if len(command) == 2], ids=" ".join)
def test_every_command_can_answer_with_json_and_shows_an_example(etl: CommandLine, command: tuple[str, ...]) -> None:
    text = etl(*command, "--help").out
    assert "--json" in text
    assert "Example" in text


def test_help_is_there_at_once() -> None:
    """Processor time, because a busy machine says nothing about us: 0.15 s measured."""
    seconds = []
    for _ in range(3):
        before = os.times()
        done = subprocess.run([*COMMAND, "--help"], capture_output=True, check=True)
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
        assert b"connections" in done.stdout
    assert min(seconds) < 0.5


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("connections", "nonsense"), ("connections", "list", "--nonsense"), ("connections", "test"),
     ("connections", "list", "--limit", "x"), ("connections", "list", "--limit", "-1"),
     ("connections", "list", "--sort", "size"), ("connections", "list", "--status", "good"),
     ("serve", "--port", "65536"), ("connections", "add", "x")],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2_for_people_and_for_programs(etl: CommandLine, arguments: tuple[str, ...]) -> None:
    answer = etl(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert "Error: " in answer.err
    assert "--help" in answer.err
    as_json = etl(*arguments, "--json")
    assert as_json.code == 2
    assert as_json.document["error"]["code"] == "usage"
    assert as_json.err == ""


def test_no_arguments_show_the_help(etl: CommandLine) -> None:
    answer = etl()
    assert answer.code == 2
    assert "Usage: etl-engine" in answer.out + answer.err


def test_a_known_error_is_a_sentence_and_a_hint_and_never_a_traceback(etl: CommandLine) -> None:
    answer = etl("connections", "list")
    store = etl.folder / "data" / "etl_engine.db"
    assert answer.code == 1
    assert answer.out == ""
    assert answer.err.splitlines() == [
        f"Error: There is no store yet: SQLite file {store}",
        "Run this in the folder of the app, set DATA_DIR, or start the app once.",
    ]
    assert not (etl.folder / "data").exists()
    as_json = etl("connections", "list", "--json")
    assert as_json.code == 1
    assert as_json.document["error"]["code"] == "not-found"
    assert as_json.document["error"]["hint"]


@pytest.mark.parametrize("arguments", [("connections", "list"), ("check",), ("keys", "rotate"), ("serve",)])
def test_a_wrong_setting_is_one_sentence(
    etl: CommandLine, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")
    (etl.folder / "rxconfig.py").write_text("")
    answer = etl(*arguments)
    assert answer.code == 1
    assert "LOG_LEVEL is 'loud', and must be 'debug', 'info', 'warning' or 'error'" in answer.out + answer.err
    assert "Traceback" not in answer.err


def test_a_defect_is_a_masked_traceback_without_locals(etl: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        a_local = "local value"
        raise RuntimeError("broken with password=hunter2" + a_local[:0])

    monkeypatch.setattr(wiring, "engine", broken)
    answer = etl("connections", "list", "--json")
    assert answer.code == 1
    assert answer.document["error"] == {
        "code": "defect",
        "message": "RuntimeError",
        "hint": "See the log.",
        "problems": [],
    }
    assert "this is a defect of ETL Engine" in answer.err
    assert "RuntimeError: broken with password=***" in answer.err
    assert "local value" not in answer.err
    assert "hunter2" not in answer.err


def test_logs_go_to_standard_error_and_leave_the_document_alone(etl: CommandLine) -> None:
    answer = etl("connections", "add", "one", *SERVER, "--password-stdin", "--untested", "--json", stdin="secret")
    assert answer.code == 0
    assert answer.document["connection"]["name"] == "one"
    assert "made a new key in" in answer.err
    assert answer.err.count("\n") == 1


def test_a_reader_that_has_seen_enough_is_no_error(etl: CommandLine) -> None:
    etl("connections", "add", "one", *SERVER, "--password-stdin", "--untested", stdin="secret")
    with subprocess.Popen(
        [*COMMAND, "connections", "list"], cwd=etl.folder, env=etl.variables(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


class Silent:
    """A server that accepts connections and says nothing."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["for people", "json"])
def test_ctrl_c_stops_a_test_at_once_with_130(etl: CommandLine, as_json: tuple[str, ...]) -> None:
    with Silent() as silent:
        address = ("--type", "postgresql", "--host", "127.0.0.1", "--port", str(silent.port), "--database", "d")
        etl("connections", "add", "one", *address, "--username", "u", "--password-stdin", "--untested", stdin="secret")
        process = subprocess.Popen(
            [*COMMAND, "connections", "test", "one", *as_json], cwd=etl.folder, env=etl.variables(PYTHONUNBUFFERED="1"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        shown = process.stderr if as_json else process.stdout
        assert shown is not None
        first = shown.readline()
        started = time.monotonic()
        with stalls() as stalled:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        assert process.returncode == 130
        assert time.monotonic() - started - sum(stalled) < CHECK_SECONDS - 1
        assert "✓" in first
        assert "Traceback" not in out + err
        assert err.endswith("Interrupted.\n")


def test_a_password_is_asked_for_without_showing_it(etl: CommandLine) -> None:
    """At a real terminal: the one thing that cannot be tested through a pipe."""
    arguments = ["connections", "add", "one", *SERVER, "--untested", "--json"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(etl.folder)
        os.execve(COMMAND[0], [*COMMAND, *arguments], etl.variables())
    shown = b""
    while b"Password: " not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, b"typed s3cret\n")
    try:
        while chunk := os.read(terminal, 1000):
            shown += chunk
    except OSError:  # the other end is closed: Linux says so with an error
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    text = shown.decode().replace("\r\n", "\n")
    assert "typed s3cret" not in text
    assert json.loads(text[text.index("{") :])["connection"]["name"] == "one"


def test_without_a_terminal_the_password_is_not_waited_for(etl: CommandLine) -> None:
    answer = etl.process("connections", "add", "one", *SERVER)
    assert answer.code == 2
    assert "there is no terminal to ask for the password" in answer.err
    assert "--password-stdin" in answer.err


def test_serve_needs_the_folder_of_the_app(etl: CommandLine) -> None:
    answer = etl("serve")
    assert answer.code == 1
    assert answer.err.startswith(f"Error: There is no rxconfig.py in {etl.folder}")


def test_serve_names_who_has_the_port(etl: CommandLine) -> None:
    (etl.folder / "rxconfig.py").write_text("")
    with Silent() as silent:
        answer = etl("serve", "--port", str(silent.port))
    assert answer.code == 1
    assert f"Port {silent.port} of 127.0.0.1 is taken by " in answer.err
    assert f"(process {os.getpid()})" in answer.err
    assert "--port" in answer.err


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_serve_refuses_an_address_of_another_machine(etl: CommandLine, host: str) -> None:
    (etl.folder / "rxconfig.py").write_text("")
    answer = etl("serve", "--host", host)
    assert answer.code == 1
    assert f"Error: {host} is not an address of this machine" in answer.err


def test_serve_refuses_a_key_that_does_not_fit_before_anything_starts(etl: CommandLine) -> None:
    (etl.folder / "rxconfig.py").write_text("")
    etl("connections", "add", "one", *SERVER, "--password-stdin", "--untested", stdin="secret")
    (etl.folder / "data" / "encryption.key").unlink()
    answer = etl("serve")
    assert answer.code == 1
    assert "its key file" in answer.err
    assert "Put the key file back" in answer.err


def test_serve_becomes_the_server_with_the_address_it_was_given(
    etl: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (etl.folder / "rxconfig.py").write_text("")
    with Silent() as silent:
        port = silent.port  # free again once the listener is closed
    became: list[list[str]] = []
    monkeypatch.setattr(cli.serve, "_become", became.append)
    monkeypatch.setenv("HOST", "127.0.0.1")
    answer = etl("serve", "--host", "127.0.0.2", "--port", str(port))
    assert (answer.code, became) == (
        0,
        [
            [
                sys.executable,
                "-m",
                "reflex",
                "run",
                "--env",
                "prod",
                "--backend-host",
                "127.0.0.2",
                "--frontend-port",
                str(port),
            ]
        ],
    )
    assert os.environ["HOST"] == "127.0.0.2"
