"""What people type into names and hosts."""

import pytest
from pydantic import BaseModel, ValidationError

from etl_engine.model.text import Host, Identifier, Name, Secret, name_key


class Typed(BaseModel):
    name: Name = "n"
    host: Host = "h"
    identifier: Identifier = "i"
    secret: Secret | None = None


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("db.example.com", "db.example.com"),
        (" localhost ", "localhost"),
        ("10.0.0.1", "10.0.0.1"),
        ("[::1]", "::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("my_host-1", "my_host-1"),
        ("db.example.com.", "db.example.com."),
        ("bücher.example", "bücher.example"),
    ],
)
def test_a_host_is_one_name_or_address(typed: str, kept: str) -> None:
    assert Typed(host=typed).host == kept


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("a,b", "one host"),
        ("/var/run/postgresql", "without a scheme or a path"),
        ("postgres://h", "without a scheme or a path"),
        ("h:5432", "the port has its own field"),
        ("h dbname=x", "host name such as"),
        ("h?host=/tmp", "without a scheme or a path"),
        ("user@h", "host name such as"),
        ("-h", "host name such as"),
        ("h%00", "host name such as"),
        ("h\0", "U+0000"),
        ("\\\\server\\share", "host name such as"),
        ("a" * 64, "host name such as"),
        ("..", "host name such as"),
        ("ü" * 300, "host name such as"),
        ("a." * 150, "at most 253"),
        ("", "at least 1"),
        ("   ", "at least 1"),
    ],
)
def test_nothing_else_passes_as_a_host(typed: str, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Typed(host=typed)
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["Orders 🚚", "حجوزات", "заказы", "a" * 120, "注文", "O'Brien; DROP TABLE x"])
def test_a_name_may_be_in_any_script(name: str) -> None:
    assert Typed(name=name).name == name


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "a\nb", "a\u202eb", "\u2066a", "a" * 121, "\x1b[31mred"])
def test_a_name_that_hides_or_breaks_something_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Typed(name=name)


@pytest.mark.parametrize(
    ("one", "other"), [("Orders", " orders "), ("STRASSE", "straße"), ("ﬁle", "file"), ("Å", "A\u030a")]
)
def test_names_that_a_person_takes_for_the_same_have_one_key(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


def test_spaces_inside_an_identifier_are_kept() -> None:
    assert Typed(identifier=" my db ").identifier == " my db "


def test_a_secret_shows_itself_nowhere() -> None:
    typed = Typed.model_validate({"secret": "hunter2 is long"})
    assert "hunter2" not in repr(typed) + str(typed) + typed.model_dump_json() + str(typed.model_dump())
