"""Text that people type, checked once: names, hosts, secrets."""

import ipaddress
import re
import unicodedata
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    SecretStr,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError

MASK = "********"
NAME_LENGTH = 120
# Bidirectional overrides and isolates can make one name look like another; letters of any script are fine.
_BIDI_CONTROLS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_HOST_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)


def no_control_characters(text: str) -> str:
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs") or character in _BIDI_CONTROLS:
            raise ValueError(f"must not contain the control character U+{ord(character):04X}")
    return text


def not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def host_name(text: str) -> str:
    """One host name or IP address, and nothing that a driver could read as more than that."""
    host = text.removeprefix("[").removesuffix("]") if text.startswith("[") else text
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    if "://" in text or "/" in text:
        raise ValueError("must be a host name alone, without a scheme or a path")
    if "," in text:
        raise ValueError("must be one host, not a list")
    if ":" in text:
        raise ValueError("must be a host name alone; the port has its own field")
    labels = host.removesuffix(".").encode("idna").decode() if not host.isascii() else host.removesuffix(".")
    if len(labels) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in labels.split(".")):
        raise ValueError("must be a host name such as db.example.com, or an IP address")
    return host


def _idna_errors_are_value_errors(value: Any) -> Any:
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode("idna")
        except UnicodeError:
            raise ValueError("must be a host name such as db.example.com, or an IP address") from None
    return value


def whole_number(value: Any) -> Any:
    """JSON knows one number type: 5432.0 is the whole number 5432."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _no_longer_than_a_name(value: Any) -> Any:
    """Outer spaces do not count for the name, but they do for its length: so says its schema."""
    if isinstance(value, str) and len(value) > NAME_LENGTH:
        raise PydanticKnownError("string_too_long", {"max_length": NAME_LENGTH})
    return value


def secret_without_controls(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if "\0" in text:
        raise ValueError("must not contain the control character U+0000")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be text that UTF-8 can carry") from None
    return secret


class Described:
    """Adds to a type's JSON schema what its validators check, so that forms and callers know it beforehand."""

    def __init__(self, **keywords: Any) -> None:
        self.keywords = keywords

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | self.keywords


# The same checks as patterns that every regular expression engine reads.
_CONTROLS = r"\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069"
_SPACES = r"\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_SHOWN = f"[^{_SPACES}{_CONTROLS}]"
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"

Plain = Annotated[str, AfterValidator(no_control_characters), Described(pattern=f"^[^{_CONTROLS}]*$")]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_LENGTH),
    BeforeValidator(_no_longer_than_a_name),
    AfterValidator(no_control_characters),
    Described(pattern=f"^[{_SPACES}]*{_SHOWN}([^{_CONTROLS}]*{_SHOWN})?[{_SPACES}]*$"),
]
Host = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=253),
    AfterValidator(no_control_characters),
    BeforeValidator(_idna_errors_are_value_errors),
    AfterValidator(host_name),
    # What IDNA can encode is beyond a pattern.
    Described(
        anyOf=[
            {"pattern": rf"^[{_SPACES}]*{_LABEL}(\.{_LABEL})*\.?[{_SPACES}]*$"},
            {"format": "ipv6"},
            {"pattern": r"[^\u0000-\u007f]"},
        ]
    ),
]
WHOLE = BeforeValidator(whole_number)  # behind the Field of a number, whose limits would not be documented else
Port = Annotated[int, Field(ge=1, le=65535), WHOLE]
# Names inside a database may hold spaces at their ends, so they are kept to the letter; so are paths.
_KEPT = (
    AfterValidator(not_blank),
    AfterValidator(no_control_characters),
    Described(pattern=f"^[^{_CONTROLS}]*{_SHOWN}[^{_CONTROLS}]*$"),
)
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=255), *_KEPT]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=1024), *_KEPT]
Secret = Annotated[
    SecretStr,
    AfterValidator(secret_without_controls),
    PlainSerializer(lambda _: MASK, return_type=str),
    Described(pattern=r"^[^\u0000]*$"),
]


def name_key(name: str) -> str:
    """What makes two names the same for a person: case, outer spaces and Unicode form do not count."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()
