"""`etl-engine keys`: generate and rotate."""

import pytest
from command_line import CommandLine

from etl_engine.model.collections import CONNECTIONS, KEYS
from etl_engine.sealing import fingerprint, is_key, new_key

SERVER = ("--type", "postgresql", "--host", "127.0.0.1", "--database", "d", "--username", "u")


def add(etl: CommandLine, name: str = "shop") -> str:
    answer = etl("connections", "add", name, *SERVER, "--password-stdin", "--untested", "--json", stdin="secret")
    return str(answer.document["connection"]["_id"])


def test_a_new_key_is_printed_alone_so_that_it_can_be_piped(etl: CommandLine) -> None:
    answer = etl("keys", "generate")
    assert answer.code == 0
    assert is_key(answer.out.removesuffix("\n"))
    assert "apart from the store" in answer.err
    assert etl("keys", "generate").out != answer.out
    document = etl("keys", "generate", "--json").document
    assert is_key(document["key"])
    assert document["fingerprint"] == fingerprint(document["key"])
    assert not (etl.folder / "data").exists()


def test_moving_from_the_key_file_to_a_key_of_your_own(etl: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    add(etl)
    key = new_key()
    file = etl.folder / "data" / "encryption.key"
    monkeypatch.setenv("ENCRYPTION_KEY", f"{key},{file.read_text().strip()}")
    answer = etl("keys", "rotate")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("Data keys re-wrapped: 1;")
    file.unlink()
    monkeypatch.setenv("ENCRYPTION_KEY", key)
    assert etl("connections", "list").code == 0
    with etl.context() as ctx:
        assert ctx.store.find(KEYS.name)[0]["wrapped_by"] == fingerprint(key)


def test_reseal_says_what_it_did(etl: CommandLine) -> None:
    for number in range(3):
        add(etl, f"shop {number}")
    answer = etl("keys", "rotate", "--reseal", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert answer.document == {"rewrapped": 2, "resealed": 3, "dropped": 0, "unreadable": []}
    again = etl("keys", "rotate", "--reseal")
    assert again.code == 0
    assert "Secrets sealed anew: 3" in again.out


def test_a_secret_that_no_key_opens_is_named_and_the_exit_code_says_so(etl: CommandLine) -> None:
    made = add(etl)
    with etl.context() as ctx:
        ctx.store.update(CONNECTIONS.name, {"_id": made}, {"password": "gAAAAA-damaged"})
    answer = etl("keys", "rotate", "--reseal")
    assert answer.code == 1
    assert f"No key opens the secret of shop ({made})" in answer.out
    assert "left as they are" in answer.err
    as_json = etl("keys", "rotate", "--reseal", "--json")
    assert as_json.code == 1
    assert as_json.document["unreadable"] == [f"shop ({made})"]


def test_a_key_that_does_not_fit_is_a_sentence(etl: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    add(etl)
    monkeypatch.setenv("ENCRYPTION_KEY", new_key())
    answer = etl("keys", "rotate", "--reseal")
    assert answer.code == 1
    assert answer.err.startswith("Error: The encryption key does not open this store")
    assert "set `new,old`" in answer.err


def test_there_is_nothing_to_rotate_without_a_store(etl: CommandLine) -> None:
    answer = etl("keys", "rotate")
    assert answer.code == 1
    assert "There is no store yet" in answer.err
    assert not (etl.folder / "data").exists()
