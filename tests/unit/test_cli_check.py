"""`etl-engine check`: finds what is wrong, says how to repair it, and touches nothing."""

import os
import socket
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from command_line import Answer, CommandLine

from etl_engine import __version__
from etl_engine.cli import check, ports
from etl_engine.sealing import new_key

SERVER = ("--type", "postgresql", "--host", "127.0.0.1", "--database", "d", "--username", "u")


@pytest.fixture(autouse=True)
def ports_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others may use the product's own ports on this machine just now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setattr(check, "PORTS", {free.getsockname()[1]: "web app"})


def findings(answer: Answer) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in answer.document["checks"]}


def installed(etl: CommandLine) -> None:
    etl("connections", "add", "shop", *SERVER, "--password-stdin", "--untested", stdin="secret")


def test_a_healthy_installation_is_all_green(etl: CommandLine) -> None:
    installed(etl)
    answer = etl("check")
    assert (answer.code, answer.err) == (0, "")
    assert all(line.startswith("✓ ") for line in answer.out.splitlines())
    document = etl("check", "--json").document
    assert document["ok"] is True
    found = {one["name"]: one["detail"] for one in document["checks"]}
    assert found["etl-engine"] == __version__
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "SQLite 3." in found["store"]
    assert found["key"].startswith("opens the store")
    assert found["driver postgresql"].startswith("psycopg2 ")
    assert found["driver mysql"].startswith("pymysql ")
    assert found["driver sqlite"].startswith("sqlite3 3.")


def test_before_the_first_start_nothing_is_made_by_looking(etl: CommandLine) -> None:
    answer = etl("check", "--json")
    assert answer.code == 0
    assert findings(answer)["store"]["detail"].endswith("made by the first start")
    assert findings(answer)["key"]["detail"].endswith("made by the first start")
    assert list(etl.folder.iterdir()) == []


def test_every_wrong_setting_is_a_finding_and_the_rest_is_looked_at(
    etl: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST", "x")
    monkeypatch.setenv("LOG_LEVEL", "y")
    answer = etl("check", "--json")
    assert answer.code == 1
    wrong = [one["detail"] for one in answer.document["checks"] if one["name"] == "settings"]
    assert [sentence.split(" ")[0] for sentence in wrong] == ["HOST", "LOG_LEVEL"]
    assert findings(answer)["driver postgresql"]["status"] == "ok"


@pytest.mark.parametrize(
    ("setting", "url", "says"),
    [
        ("STORE_URL", "sqlite:///x.db?mode=ro", "takes no options"),
        ("MONGODB_URL", "mongodb://u:hu/nter22@127.0.0.1/x?foo=bar", "The MongoDB URL cannot be understood"),
    ],
)
def test_a_store_url_that_the_store_refuses_is_a_finding_with_its_hint(
    etl: CommandLine, monkeypatch: pytest.MonkeyPatch, setting: str, url: str, says: str
) -> None:
    monkeypatch.setenv(setting, url)
    monkeypatch.setenv("ENCRYPTION_KEY", new_key())
    answer = etl("check", "--json")
    assert (answer.code, answer.document["ok"]) == (1, False)
    found = findings(answer)["settings"]
    assert found["status"] == "fail"
    assert says in found["detail"] and found["fix"]
    assert "nter22" not in answer.out + answer.err


def test_a_key_that_is_gone_or_does_not_fit_is_a_finding_with_a_fix(
    etl: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(etl)
    monkeypatch.setenv("ENCRYPTION_KEY", new_key())
    key = findings(etl("check", "--json"))["key"]
    assert key["status"] == "fail"
    assert "does not open this store" in key["detail"]
    assert key["fix"]
    monkeypatch.delenv("ENCRYPTION_KEY")
    (etl.folder / "data" / "encryption.key").unlink()
    answer = etl("check")
    assert answer.code == 1
    assert "✗ key" in answer.out
    assert "Fix: Put the key file back" in answer.out


def test_files_that_others_can_read_are_findings(etl: CommandLine) -> None:
    installed(etl)
    key, store = etl.folder / "data" / "encryption.key", etl.folder / "data" / "etl_engine.db"
    key.chmod(0o644)
    store.chmod(0o640)
    (etl.folder / ".env").write_text("")
    (etl.folder / ".env").chmod(0o644)
    answer = etl("check", "--json")
    assert answer.code == 1
    found = findings(answer)
    assert (found["key file mode"]["status"], found["key file mode"]["fix"]) == ("fail", f"chmod 600 {key}")
    assert (found["store file mode"]["status"], found["store file mode"]["fix"]) == ("warn", f"chmod 600 {store}")
    assert found[".env mode"]["status"] == "warn"


@pytest.mark.parametrize("scheme", ["postgresql", "mongodb"])
def test_a_store_that_is_away_is_a_finding_without_its_password(
    etl: CommandLine, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("STORE_URL", f"{scheme}://engine:pl4nted@127.0.0.1:9/etl")
    monkeypatch.setenv("ENCRYPTION_KEY", new_key())
    answer = etl("check", "--json")
    assert answer.code == 1
    assert findings(answer)["store"]["status"] == "fail"
    assert "127.0.0.1:9" in findings(answer)["store"]["detail"]
    assert findings(answer)["store"]["fix"]
    assert "pl4nted" not in answer.out + answer.err


def test_an_address_that_others_reach_is_a_warning(etl: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "0.0.0.0")
    answer = etl("check", "--json")
    assert answer.code == 0
    assert findings(answer)["address"]["status"] == "warn"


@pytest.mark.parametrize(("free", "status"), [(5_000_000_000, "ok"), (500_000_000, "warn"), (5_000_000, "fail")])
def test_scarce_disk_space_is_a_finding(
    etl: CommandLine, monkeypatch: pytest.MonkeyPatch, free: int, status: str
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**12, 0, free))
    answer = etl("check", "--json")
    assert findings(answer)["disk space"]["status"] == status
    assert answer.code == (1 if status == "fail" else 0)


def test_a_data_folder_that_cannot_be_written_is_a_finding(etl: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # these tests may run as root, who may write anywhere
    answer = etl("check", "--json")
    assert answer.code == 1
    assert findings(answer)["data folder"]["fix"] == f"Let this user write in {etl.folder}."


def test_a_driver_that_is_not_installed_is_a_finding_with_the_command(
    etl: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pymysql", None)
    answer = etl("check", "--json")
    assert answer.code == 1
    driver = findings(answer)["driver mysql"]
    assert driver["status"] == "fail"
    assert driver["fix"] == 'Install it: pip install "etl-engine[mysql]"'


def test_a_port_that_is_taken_names_who_has_it(etl: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(check, "PORTS", {port: "web app"})
        ours = findings(etl("check", "--json"))[f"port {port}"]
        assert ours["status"] == "ok"  # a server from this very folder is the product itself
        assert f"(process {os.getpid()})" in ours["detail"]
        monkeypatch.chdir("/")
        other = ports.who_has(port)
        assert other is not None
        monkeypatch.setattr(ports, "who_has", lambda _: ports.Holder(1, "init", "/elsewhere"))
        found = findings(etl("check", "--json"))[f"port {port}"]
        assert found["status"] == "warn"
        assert "taken by init (process 1)" in found["detail"]


def test_a_port_that_is_taken_is_no_mystery_where_nobody_says_by_whom(
    etl: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "who_has", lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(check, "PORTS", {taken.getsockname()[1]: "web app"})
        found = findings(etl("check", "--json"))[f"port {taken.getsockname()[1]}"]
    assert found["status"] == "warn"
    assert "Address already in use" in found["detail"]


def test_nothing_that_listens_is_nobody(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert ports.who_has(port) is None
