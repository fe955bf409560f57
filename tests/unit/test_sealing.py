"""Seals: only the right key opens them, and only in the record and field they were made for."""

import base64
import json
import pickle

import pytest
import time_machine
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from etl_engine.errors import Locked
from etl_engine.masking import MASK, masked
from etl_engine.sealing import Vault, fingerprint, is_key, new_key, unwrap, wrap

RECORD, OTHER_RECORD = "0123456789abcdef01234567", "0123456789abcdef01234568"


@given(st.text())
def test_a_sealed_secret_opens_to_the_letter(secret: str) -> None:
    vault = Vault([new_key()])
    assert vault.unseal(vault.seal(secret, RECORD, "password"), RECORD, "password") == secret


def test_two_seals_of_one_secret_are_not_alike() -> None:
    vault = Vault([new_key()])
    assert vault.seal("secret", RECORD, "password") != vault.seal("secret", RECORD, "password")


def test_a_token_holds_nothing_in_the_clear() -> None:
    token = Vault([new_key()]).seal("a planted secret", RECORD, "password")
    raw = base64.urlsafe_b64decode(token)
    assert b"planted" not in raw
    assert RECORD.encode() not in raw


@pytest.mark.parametrize(("record", "field"), [(OTHER_RECORD, "password"), (RECORD, "tls_key"), ("", "")])
def test_a_token_moved_to_another_record_or_field_does_not_open(record: str, field: str) -> None:
    vault = Vault([new_key()])
    token = vault.seal("secret", RECORD, "password")
    with pytest.raises(Locked, match="belongs to another record"):
        vault.unseal(token, record, field)


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t[:40] + ("A" if t[40] != "A" else "B") + t[41:],
        lambda t: "",
        lambda t: "not a token",
        lambda t: t[10:],
    ],
)
def test_a_damaged_token_does_not_open_and_its_error_says_what_to_do(damage) -> None:  # type: ignore[no-untyped-def]
    vault = Vault([new_key()])
    with pytest.raises(Locked, match=f"The sealed password of {RECORD} does not open") as caught:
        vault.unseal(damage(vault.seal("secret", RECORD, "password")), RECORD, "password")
    assert caught.value.hint


def test_another_data_key_does_not_open() -> None:
    token = Vault([new_key()]).seal("secret", RECORD, "password")
    with pytest.raises(Locked):
        Vault([new_key()]).unseal(token, RECORD, "password")


def test_a_token_whose_content_is_something_else_does_not_open() -> None:
    key = new_key()
    for content in (b"[]", b"null", b"12", b'"text"', b"{}", b"not json"):
        with pytest.raises(Locked):
            Vault([key]).unseal(Fernet(key).encrypt(content).decode(), RECORD, "password")


def test_the_first_data_key_seals_and_every_one_opens() -> None:
    old, new = new_key(), new_key()
    token = Vault([old]).seal("secret", RECORD, "password")
    both = Vault([new, old])
    assert both.unseal(token, RECORD, "password") == "secret"
    assert not both.sealed_with_first(token)
    assert both.sealed_with_first(both.seal("secret", RECORD, "password"))


def test_the_data_key_is_wrapped_with_the_first_key_and_opened_by_any() -> None:
    data_key, old, new = new_key(), new_key(), new_key()
    token = wrap(data_key, [old])
    assert unwrap(token, [new, old]) == data_key
    assert unwrap(wrap(data_key, [new, old]), [new]) == data_key
    with pytest.raises(Locked, match="does not open this store"):
        unwrap(token, [new])


def test_claims_are_believed_only_while_fresh_and_only_by_their_own_vault() -> None:
    vault = Vault([new_key()])
    with time_machine.travel("2026-01-01T00:00:00Z", tick=False) as clock:
        token = vault.sign({"use": "tested"})
        assert vault.verify(token, 600) == {"use": "tested"}
        assert Vault([new_key()]).verify(token, 600) is None
        clock.shift(599)
        assert vault.verify(token, 600) == {"use": "tested"}
        clock.shift(2)
        assert vault.verify(token, 600) is None


@pytest.mark.parametrize("token", ["", "nonsense", "gAAAAA", "\x00", "ü"])
def test_a_foreign_claim_is_no_claim(token: str) -> None:
    assert Vault([new_key()]).verify(token, 600) is None


def test_a_sealed_secret_is_no_claim_and_a_claim_no_secret() -> None:
    vault = Vault([new_key()])
    assert vault.verify(vault.seal("secret", RECORD, "password"), 600) is None
    with pytest.raises(Locked):
        vault.unseal(vault.sign({"id": RECORD, "field": "password", "value": "x"}), RECORD, "password")


def test_a_digest_needs_the_data_key() -> None:
    vault = Vault([new_key()])
    assert vault.digest("text") == vault.digest("text") != vault.digest("other")
    assert vault.digest("text") != Vault([new_key()]).digest("text")


def test_a_key_is_told_from_nonsense_and_from_other_keys() -> None:
    key = new_key()
    assert is_key(key)
    assert not any(is_key(text) for text in ("", "short", key[:-1], key + "x", "ü" * 44, key.replace(key[0], "!")))
    assert fingerprint(key) == fingerprint(key) != fingerprint(new_key())
    assert fingerprint(key) not in key


def test_a_vault_shows_and_gives_away_no_key() -> None:
    key = new_key()
    vault = Vault([key])
    assert key not in repr(vault) + str(vault)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(vault)


def test_whatever_a_vault_touches_is_masked_from_then_on() -> None:
    key = new_key()
    vault = Vault([key])
    token = vault.seal("sealed / secret", RECORD, "password")
    assert masked(f"{key} and {json.dumps('sealed / secret')}") == f'{MASK} and "{MASK}"'
    assert token in masked(token)
