"""`etl-engine worker`: its help, and what stops it before it starts. What it does is in tests/faults/executions."""

import socket

from command_line import CommandLine


def test_its_help_says_what_it_does_and_how_it_ends(etl: CommandLine) -> None:
    answer = etl("worker", "--help")
    assert answer.code == 0
    for words in ("--slots", "--port", "SIGTERM", "/health"):
        assert words in answer.out


def test_a_port_that_is_taken_stops_it(etl: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = etl("worker", "--port", port)
    assert answer.code == 1
    assert f"Port {port} of 127.0.0.1 is taken" in answer.err
    assert not etl.folder.joinpath("data").exists(), "nothing was made"


def test_slots_are_one_at_least(etl: CommandLine) -> None:
    assert etl("worker", "--slots", "0").code == 2


def test_a_wrong_setting_is_one_sentence(etl: CommandLine) -> None:
    answer = etl.process("worker", WORKER_PORT="99999")
    assert answer.code == 1
    assert "WORKER_PORT" in answer.err
    assert "Traceback" not in answer.err
