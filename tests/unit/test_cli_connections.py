"""`etl-engine connections`: what is added is tested first, what is named is found, what is secret is no argument."""

import re
from pathlib import Path

import pytest
from command_line import CommandLine

from etl_engine.cli import connection_input
from etl_engine.model.collections import CONNECTIONS
from etl_engine.services import connections
from etl_engine.services.connection_documents import opened

SERVER = ("--type", "postgresql", "--host", "127.0.0.1", "--port", "9", "--database", "d", "--username", "u")
UNTESTED = ("--password-stdin", "--untested")


def add(etl: CommandLine, name: str, *options: str, stdin: str = "secret") -> str:
    """The id of an untested connection."""
    answer = etl("connections", "add", name, *(options or SERVER), *UNTESTED, "--json", stdin=stdin)
    assert answer.code == 0, answer.out + answer.err
    return str(answer.document["connection"]["_id"])


def stored_secret(etl: CommandLine, connection_id: str, field: str = "password") -> str:
    with etl.context() as ctx:
        document = ctx.store.get(CONNECTIONS.name, connection_id)
        assert document is not None
        return str(opened(ctx.keyring.vault(), document)[field])


def names(etl: CommandLine, *options: str) -> list[str]:
    return [one["name"] for one in etl("connections", "list", "--json", *options).document["connections"]]


# add


def test_a_connection_that_works_is_tested_and_saved(etl: CommandLine) -> None:
    etl.database()
    answer = etl("connections", "add", "shop", "--type", "sqlite", "--database", "shop.db")
    assert answer.code == 0
    assert "✓" in answer.out
    assert "Saved shop (tested), id " in answer.out
    (one,) = etl("connections", "list", "--json").document["connections"]
    assert one["last_test_status"] == "success"
    assert one["last_test_version"]


def test_the_same_as_json_is_one_document_and_the_ladder_is_elsewhere(etl: CommandLine) -> None:
    etl.database()
    answer = etl("connections", "add", "shop", "--type", "sqlite", "--database", "shop.db", "--json")
    assert answer.code == 0
    assert answer.document["connection"]["name"] == "shop"
    assert answer.document["test"]["success"] is True
    assert "receipt" not in answer.document["test"]["details"]
    assert "✓" in answer.err


def test_a_connection_that_does_not_work_is_not_saved_and_the_fix_is_shown(etl: CommandLine) -> None:
    answer = etl("connections", "add", "shop", *SERVER, "--password-stdin", stdin="secret")
    assert answer.code == 1
    assert "✗" in answer.out
    assert "Fix: " in answer.out
    assert "The connection does not work." in answer.out
    assert "--untested" in answer.err
    assert names(etl) == []
    as_json = etl("connections", "add", "shop", *SERVER, "--password-stdin", "--json", stdin="secret")
    assert as_json.code == 1
    assert as_json.document["connection"] is None
    failed = [step for step in as_json.document["test"]["details"]["steps"] if step["state"] == "fail"]
    assert failed[0]["cause"]
    assert failed[0]["fix"]


def test_untested_saves_without_a_test(etl: CommandLine) -> None:
    answer = etl("connections", "add", "shop", *SERVER, *UNTESTED, stdin="secret")
    assert answer.code == 0
    assert re.fullmatch(r"Saved shop \(untested\), id [0-9a-f]{24}\n", answer.out)
    (one,) = etl("connections", "list", "--json").document["connections"]
    assert one["last_test_status"] is None
    assert one["password"] == "********"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("p/w:x@#?%'\"ü x", "p/w:x@#?%'\"ü x"),
        ("with a line break\n", "with a line break"),
        ("with a DOS one\r\n", "with a DOS one"),
        (" spaces stay ", " spaces stay "),
        ("only the last\n\n", "only the last\n"),
    ],
)
def test_the_password_from_standard_input_is_kept_to_the_letter(etl: CommandLine, typed: str, kept: str) -> None:
    assert stored_secret(etl, add(etl, "shop", stdin=typed)) == kept


@pytest.mark.parametrize(
    ("stdin", "sentence"),
    [
        ("", "There is no password on standard input"),
        ("\n", "There is no password on standard input"),
        (b"\xff\xfe", "The password on standard input is not UTF-8 text"),
        ("a\0b", "must not contain the control character U+0000"),
        ("x" * 2000, "must have at most 1024 characters"),
        ("********", "The password is the mask ********"),
    ],
)
def test_a_password_that_cannot_be_one_is_refused(etl: CommandLine, stdin: str | bytes, sentence: str) -> None:
    answer = etl("connections", "add", "shop", *SERVER, *UNTESTED, stdin=stdin)
    assert answer.code == 1
    assert sentence in answer.err
    add(etl, "another")
    assert names(etl) == ["another"]


@pytest.mark.parametrize(
    ("option", "advice"),
    [("password=hunter2secret", "--password-stdin"), ("tls_key=-----BEGIN hunter2secret", "tls_key=@FILE")],
)
def test_a_secret_as_an_argument_is_refused_and_not_repeated(etl: CommandLine, option: str, advice: str) -> None:
    answer = etl("connections", "add", "shop", *SERVER, *UNTESTED, "--option", option, stdin="x")
    assert answer.code == 2
    assert advice in answer.err
    assert "hunter2secret" not in answer.err + answer.out


def test_there_is_no_option_for_the_password(etl: CommandLine) -> None:
    answer = etl("connections", "add", "shop", *SERVER, "--password", "hunter2secret")
    assert answer.code == 2
    assert "hunter2secret" not in answer.err + answer.out


def test_other_fields_come_as_options_and_long_ones_from_files(etl: CommandLine) -> None:
    (etl.folder / "cert.pem").write_text("the certificate\n")
    (etl.folder / "key.pem").write_text("the client key\n")
    options = ["--tls-mode", "verify-full", "--option", "tls_server_name=db.test"]
    options += ["--option", "tls_cert=@cert.pem", "--option", f"tls_key=@{etl.folder}/key.pem"]
    made = add(etl, "shop", *SERVER, *options)
    (one,) = etl("connections", "list", "--json").document["connections"]
    assert (one["tls_mode"], one["tls_server_name"], one["tls_cert"]) == ("verify-full", "db.test", "the certificate\n")
    assert one["tls_key"] == "********"
    assert stored_secret(etl, made, "tls_key") == "the client key\n"


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("--option", "nonsense"), 2, "'nonsense' is not KEY=VALUE"),
        (("--option", "=x"), 2, "'' is not KEY=VALUE"),
        (("--option", "tls_mod=require"), 1, "Did you mean tls_mode?"),
        (("--option", "tls_ca=@missing.pem"), 1, "The file missing.pem cannot be read: No such file or directory"),
        (("--tls-mode", "sometimes"), 1, "Use 'disable', 'prefer', 'require', 'verify-ca' or 'verify-full'."),
        (("--port", "0"), 1, "port must be greater than or equal to 1"),
        (("--port", "65536"), 1, "port must be less than or equal to 65535"),
        (("--port", "3306abc"), 2, "Invalid value for '--port': must be a whole number"),
        (("--host", "a,b"), 1, "host must be one host, not a list"),
        (("--host", "/var/run"), 1, "host must be a host name alone"),
        (("--option", "port=abc"), 1, "port must be a whole number"),
    ],
)
def test_a_wrong_field_is_named(etl: CommandLine, options: tuple[str, ...], code: int, sentence: str) -> None:
    answer = etl("connections", "add", "shop", *SERVER, *options, *UNTESTED, stdin="secret")
    assert answer.code == code
    assert sentence in answer.err


def test_everything_else_is_checked_before_the_password_is_asked_for(
    etl: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_input, "_asked", lambda: pytest.fail("asked too early"))
    answer = etl("connections", "add", "shop", *SERVER, "--tls-mode", "sometimes")
    assert answer.code == 1
    assert "tls_mode" in answer.err


@pytest.mark.parametrize("kind", ["postgres", "PostgreSQL"])
def test_a_kind_may_be_called_by_its_other_names(etl: CommandLine, kind: str) -> None:
    add(etl, "shop", *("--type", kind), *SERVER[2:])
    assert etl("connections", "list", "--json").document["connections"][0]["db_type"] == "postgresql"


def test_an_unknown_kind_is_answered_with_those_that_exist(etl: CommandLine) -> None:
    answer = etl("connections", "add", "shop", "--type", "oracle", *UNTESTED, stdin="x")
    assert answer.code == 1
    assert "'oracle' is not a kind of connection" in answer.err
    assert "lake, mysql, postgresql, s3, sqlite" in answer.err
    near = etl("connections", "add", "shop", "--type", "mariadbb", *UNTESTED, stdin="x")
    assert "Did you mean mysql?" in near.err


@pytest.mark.parametrize("wrong", [("--type", "orakel"), ("--port", "0"), ("--option", "no=field"), ()])
def test_what_cannot_be_saved_leaves_no_store_and_no_key_behind(etl: CommandLine, wrong: tuple[str, ...]) -> None:
    """As in the wrong folder; without an option, it is the password that is wrong."""
    answer = etl("connections", "add", "shop", *SERVER, *wrong, *UNTESTED, stdin="secret" if wrong else "")
    assert answer.code == 1
    assert list(etl.folder.iterdir()) == []


def test_a_name_that_is_taken_names_who_has_it(etl: CommandLine) -> None:
    made = add(etl, "Shop")
    answer = etl("connections", "add", " shop ", *SERVER, *UNTESTED, "--json", stdin="x")
    assert answer.code == 1
    assert answer.document["error"]["code"] == "conflict"
    assert made in answer.document["error"]["message"]


# list


def test_a_list_can_be_searched_filtered_sorted_and_cut(etl: CommandLine) -> None:
    etl.database()
    add(etl, "b orders")
    add(etl, "A orders", "--type", "mysql", *SERVER[2:])
    etl("connections", "add", "c shop", "--type", "sqlite", "--database", "shop.db")
    assert names(etl) == ["c shop", "A orders", "b orders"]
    assert names(etl, "--sort", "name") == ["A orders", "b orders", "c shop"]
    assert names(etl, "--sort=-name", "--limit", "2") == ["c shop", "b orders"]
    assert names(etl, "--sort", "name", "--offset", "1", "--limit", "1") == ["b orders"]
    assert names(etl, "-q", "ORDERS", "--sort", "name") == ["A orders", "b orders"]
    assert names(etl, "--type", "mysql", "--type", "sqlite", "--sort", "name") == ["A orders", "c shop"]
    assert names(etl, "--type", "mariadb") == ["A orders"]
    assert names(etl, "--status", "success") == ["c shop"]
    assert names(etl, "--status", "untested", "--status", "failed", "--sort", "name") == ["A orders", "b orders"]
    assert etl("connections", "list", "--json", "--limit", "1").document["total"] == 3


def test_the_table_says_what_matters_and_no_secret(etl: CommandLine) -> None:
    made = add(etl, "shop", stdin="hunter2secret")
    answer = etl("connections", "list")
    assert answer.code == 0
    assert "127.0.0.1:9/d" in answer.out
    assert made in answer.out
    assert "· untested" in answer.out
    assert answer.err == "1 connection\n"
    assert "hunter2secret" not in answer.out
    assert etl("connections", "list", "-q", "nothing").err == "No connection matches.\n"


def test_names_are_data_and_not_markup(etl: CommandLine) -> None:
    add(etl, "[bold]x[/] :smile: \u05d0")
    assert "[bold]x[/] :smile: \u05d0" in etl("connections", "list").out


# test and delete


def test_a_stored_connection_is_tested_and_the_result_kept(etl: CommandLine) -> None:
    etl.database()
    etl("connections", "add", "Shop", "--type", "sqlite", "--database", "shop.db", "--untested")
    answer = etl("connections", "test", "  sHOP ")
    assert answer.code == 0
    assert "The connection works: " in answer.out
    assert names(etl, "--status", "success") == ["Shop"]
    (Path(etl.folder) / "data" / "files" / "shop.db").unlink()
    answer = etl("connections", "test", "shop", "--json")
    assert answer.code == 1
    assert answer.document["success"] is False
    assert answer.document["details"]["recorded"] is True
    assert "✗" in answer.err
    assert names(etl, "--status", "failed") == ["Shop"]


def test_a_connection_is_found_by_name_id_and_beginning_of_its_id(etl: CommandLine) -> None:
    made = [add(etl, name) for name in ("one", "two", "Straße")]
    beginning = next(made[0][:n] for n in range(4, 25) if not any(m.startswith(made[0][:n]) for m in made[1:]))
    for which, expected in ((made[1], "two"), (beginning, "one"), (made[0].upper(), "one"), ("STRASSE", "Straße")):
        answer = etl("connections", "delete", which, "--yes", "--json")
        if answer.code:
            assert answer.document["error"]["code"] == "not-found"  # deleted by another of its names just before
        else:
            assert answer.document["deleted"]["name"] == expected
    assert names(etl) == []


def test_an_ambiguous_id_is_explained(etl: CommandLine) -> None:
    made = [add(etl, name) for name in ("one", "two")]
    answer = etl("connections", "delete", made[0][:6], "--yes")
    assert answer.code == 1
    assert f"'{made[0][:6]}' means 2 connections: one ({made[0]}), two ({made[1]})" in answer.err
    assert sorted(names(etl)) == ["one", "two"]


def test_a_name_that_looks_like_the_id_of_another_is_explained(etl: CommandLine) -> None:
    one = add(etl, "one")
    other = add(etl, one)
    answer = etl("connections", "delete", one, "--yes")
    assert answer.code == 1
    assert "means 2 connections" in answer.err
    assert other in answer.err


def test_an_unknown_connection_gets_near_names(etl: CommandLine) -> None:
    add(etl, "Orders")
    answer = etl("connections", "test", "ordrs")
    assert answer.code == 1
    assert answer.err.splitlines() == ["Error: There is no connection 'ordrs'", "Did you mean Orders?"]
    assert "etl-engine connections list" in etl("connections", "test", "zzz").err


def test_deleting_needs_a_yes(etl: CommandLine) -> None:
    made = add(etl, "shop")
    refused = etl("connections", "delete", "shop")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert names(etl) == ["shop"]
    answer = etl("connections", "delete", "shop", "--yes")
    assert (answer.code, answer.out) == (0, f"Deleted shop ({made})\n")
    assert names(etl) == []


@pytest.mark.parametrize(
    ("typed", "code", "left"), [("y\n", 0, []), ("n\n", 1, ["shop"]), ("\n", 1, ["shop"]), ("", 130, ["shop"])]
)
def test_at_a_terminal_deleting_asks(etl: CommandLine, typed: str, code: int, left: list[str]) -> None:
    add(etl, "shop")
    answer = etl("connections", "delete", "shop", stdin=typed, terminal=True)
    assert answer.code == code
    assert "Delete shop (127.0.0.1:9/d)?" in answer.err
    assert names(etl) == left


def test_a_connection_that_changed_since_it_was_named_is_not_deleted(
    etl: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = add(etl, "shop")
    delete = connections.delete

    def too_late(ctx, connection_id, **more):  # type: ignore[no-untyped-def]
        connections.update(ctx, connection_id, {"database": "another"})
        return delete(ctx, connection_id, **more)

    monkeypatch.setattr(connections, "delete", too_late)
    answer = etl("connections", "delete", made, "--yes", "--json")
    assert answer.code == 1
    assert answer.document["error"]["code"] == "stale"
    assert names(etl) == ["shop"]
