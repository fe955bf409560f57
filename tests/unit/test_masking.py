"""A registered secret is taken out of every text, in whatever spelling a program gave it."""

import base64
import html
import json
import threading
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_engine import masking
from etl_engine.masking import MASK, Secrets, masked, masked_event

CANARY = "cän/ary?#@:%'\"\\ x+y=z"
SPELLINGS = {
    "as it is": CANARY,
    "quoted for a URL": quote(CANARY, safe=""),
    "quoted for a path": quote(CANARY),
    "quoted as SQLAlchemy does": quote(CANARY, safe=" +"),
    "quoted for a form": quote_plus(CANARY),
    "quoted in lower case": quote(CANARY, safe="").lower().replace("cän", "cän"),
    "quoted twice": quote(quote(CANARY, safe=""), safe=""),
    "in JSON": json.dumps(CANARY)[1:-1],
    "in JSON with letters": json.dumps(CANARY, ensure_ascii=False)[1:-1],
    "in JSON in JSON": json.dumps(json.dumps(CANARY))[3:-3],
    "in a Python literal": repr(CANARY)[1:-1],
    "in an ASCII literal": ascii(CANARY)[1:-1],
    "in a literal in a literal": repr(repr(CANARY))[3:-3],
    "as bytes": repr(CANARY.encode())[2:-1],
    "in SQL": CANARY.replace("'", "''"),
    "in HTML": html.escape(CANARY),
    "in hexadecimal": CANARY.encode().hex(),
    "in base64": base64.b64encode(CANARY.encode()).decode().rstrip("="),
    "in base64 for URLs": base64.urlsafe_b64encode(CANARY.encode()).decode().rstrip("="),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=list(SPELLINGS))
def test_every_spelling_is_masked(spelling: str) -> None:
    shown = Secrets([CANARY]).masked(f"before {spelling} after")
    assert shown.startswith("before ***")
    assert shown.endswith(" after")
    assert len(shown) <= len("before *** after") + 3  # what base64 leaves of the last character tells nothing


@pytest.mark.parametrize("user", ["", "u", "us", "usr", "user"])
def test_basic_authentication_is_masked_wherever_the_password_starts(user: str) -> None:
    encoded = base64.b64encode(f"{user}:{CANARY}".encode()).decode()
    shown = Secrets([CANARY]).masked(f"Authorization {encoded}")
    left = shown.removeprefix("Authorization ").replace(MASK, "")
    assert MASK in shown
    assert len(left) <= len(base64.b64encode(f"{user}:".encode())) + 4


def test_neighbours_and_repetitions_are_masked() -> None:
    secrets = Secrets(["correct horse", "battery staple"])
    assert secrets.masked("correct horsebattery staplecorrect horse") == MASK * 3


def test_the_longer_of_two_secrets_wins() -> None:
    assert Secrets(["hunter2secret", "hunter2secret-and-more"]).masked("hunter2secret-and-more!") == f"{MASK}!"


def test_a_short_secret_counts_only_as_a_whole_word() -> None:
    secrets = Secrets(["post", "root1"])
    assert secrets.masked("postgresql as root1, root12, post!") == f"postgresql as {MASK}, root12, {MASK}!"


@pytest.mark.parametrize("value", ["", "a", "abc", "\ud800abc", "x" * 200_000, "\n\n\n"])
def test_no_value_breaks_the_registry(value: str) -> None:
    Secrets([value, CANARY]).masked(f"{value} and {CANARY}")


def test_a_private_key_is_masked_line_by_line() -> None:
    lines = [base64.b64encode(bytes([number]) * 48).decode() for number in range(20)]
    pem = "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""])
    secrets = Secrets([pem])
    shown = secrets.masked(f"could not parse {pem!r}; near {lines[7]}")
    assert not any(line in shown for line in lines)


def test_the_registry_is_bounded_and_forgets_the_oldest_first() -> None:
    secrets = Secrets(capacity=10_000)
    for number in range(200):
        secrets.hide("used all the time")
        secrets.hide(f"secret number {number}")
    assert len(secrets) < 100
    assert secrets.masked("secret number 199") == MASK
    assert secrets.masked("secret number 0") == "secret number 0"
    assert secrets.masked("used all the time") == MASK


def test_a_spelling_shared_with_a_forgotten_value_stays_hidden() -> None:
    secrets = Secrets(["long/secret", "long%2Fsecret"], capacity=1)
    assert len(secrets) == 1
    assert secrets.masked("long%2Fsecret") == MASK


def test_nothing_of_a_value_shows_in_the_registry() -> None:
    assert CANARY not in repr(Secrets([CANARY]))


@given(st.text(min_size=4, max_size=40), st.text(max_size=60), st.text(max_size=60))
def test_whatever_stands_around_it_a_long_secret_never_shows(value: str, before: str, after: str) -> None:
    secret = f"S{value}ecret"
    assert secret not in Secrets([secret]).masked(f"{before}{secret}{after}")


@given(st.text(max_size=200))
def test_a_text_without_secrets_is_left_alone(text: str) -> None:
    assert Secrets(["a value that Hypothesis does not make up"]).masked(text) == text


def test_threads_may_hide_and_mask_at_once() -> None:
    secrets, shown = Secrets(capacity=20_000), []

    def work(thread: int) -> None:
        for number in range(200):
            secret = f"secret {thread} of {number} and more"
            secrets.hide(secret)
            shown.append(secrets.masked(secret))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(shown) == {MASK}


URLS = [
    ("postgresql://engine:p/w@127.0.0.1/etl", "postgresql://engine:***@127.0.0.1/etl"),
    ("mongodb+srv://engine:p@ss@h.example/?tls=true", "mongodb+srv://engine:***@h.example/?tls=true"),
    ("redis://:pw@127.0.0.1", "redis://:***@127.0.0.1"),
    ("could not open 'mysql://a:b#c?d@h/x', sorry", "could not open 'mysql://a:***@h/x', sorry"),
    ("http://localhost:3000/", "http://localhost:3000/"),
    ("postgresql://engine@127.0.0.1/etl", "postgresql://engine@127.0.0.1/etl"),
]


@pytest.mark.parametrize(("text", "shown"), URLS)
def test_passwords_in_urls_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


NAMED = [
    ("host=h password=hunter2 user=u", "host=h password=*** user=u"),
    ("password='two words' x", "password=*** x"),
    ('{"password": "hunter2", "name": "n"}', '{"password": ***, "name": "n"}'),
    ("{'api_key': 'hunter2'}", "{'api_key': ***}"),
    ("Authorization: Bearer abc.def", "Authorization: ***"),
    ("tls_password = hunter2", "tls_password = ***"),
    ("Access denied for user 'x'@'localhost' (using password: YES)",) * 2,
    ('password authentication failed for user "x"',) * 2,
    ("the token is missing",) * 2,
]


@pytest.mark.parametrize(("text", "shown"), NAMED)
def test_a_value_behind_a_telling_name_is_masked_and_ordinary_sentences_are_not(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_an_event_is_masked_down_to_the_last_nested_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_hidden", Secrets([CANARY, "12345678"]))

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    event = {
        "user": "ann",
        "Client-Secret": "x",
        "deep": [{"tokens": ["a"], "more": ({"x": CANARY},)}, {CANARY: 1}],
        "error": ValueError(f"no {CANARY}"),
        "number": 12345678,
        "raw": CANARY.encode(),
        "object": Broken(),
        "ok": True,
        "ms": 1.5,
        "none": None,
        "has_password": True,
    }
    assert masked_event(event) == {
        "user": "ann",
        "Client-Secret": MASK,
        "deep": [{"tokens": MASK, "more": [{"x": MASK}]}, {MASK: 1}],
        "error": f"ValueError: no {MASK}",
        "number": MASK,
        "raw": f"b'{MASK}'",
        "object": "<Broken>",
        "ok": True,
        "ms": 1.5,
        "none": None,
        "has_password": True,
    }


def test_an_event_that_contains_itself_ends() -> None:
    event: dict[str, object] = {}
    event["self"] = event
    assert "…" in str(masked_event(event))
