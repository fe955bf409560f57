"""Names with values, wherever they stand: what they say about one database, or about several."""

from collections.abc import Iterable
from dataclasses import dataclass

from etl_engine.model.pasted.fields import Found, kind_of
from etl_engine.model.pasted.names import Role, role_of
from etl_engine.model.pasted.urls import read_url

_MOST_PAIRS = 1500
_MOST_GROUPS = 40
_FIELDS = ("host", "port", "database", "username", "password")


@dataclass(frozen=True)
class Pair:
    """One setting as it stands in the text."""

    name: str
    value: str


def read_record(pairs: Iterable[Pair], form: str, *, prefix: str = "", strict: bool = False) -> Found:
    """One database from settings that belong together. With `strict`, names that mean nothing to us are remembered."""
    found = Found(form)
    urls: list[tuple[str, str]] = []
    roots: list[tuple[str, str]] = []
    weak: list[Pair] = []
    for pair in _bounded(pairs):
        role, source = role_of(pair.name), f"{prefix}{_short(pair.name)}"
        if role is None:
            if not found.put_tls(pair.name, pair.value, source) and strict:
                found.ignore(pair.name)
        elif pair.name.casefold() == "name":
            weak.append(pair)  # Django's NAME is the database; elsewhere a name may be any name
        elif role.field == "url":
            urls.append((pair.value, source))
        elif role.field == "root_password":
            roots.append((pair.value, source))
        else:
            _put(found, role, pair, source)
    for pair in weak:
        found.put("database", pair.value, f"{prefix}{_short(pair.name)}")
    for value, source in urls:
        _put_url(found, value, source)
    _put_root(found, roots)
    return found


def read_mixture(pairs: Iterable[Pair], form: str) -> list[Found]:
    """The databases in settings of all sorts, such as a whole `.env` file: told apart by the words before the field."""
    groups: dict[str, list[Pair]] = {}
    for pair in _bounded(pairs):
        role = role_of(pair.name)
        if role is not None:
            groups.setdefault(role.owner, []).append(pair)
        elif "://" in pair.value and (url := read_url(pair.value)) is not None and url.score > 1:
            groups.setdefault(f"url {pair.name}", []).append(Pair("url", pair.value))
    found: list[Found] = []
    for owner, members in list(groups.items())[:_MOST_GROUPS]:
        one = read_record(members, form)
        if one.score and (owner or whole(one)):
            _merge(found, one)
    return found


def _merge(found: list[Found], one: Found) -> None:
    """POSTGRES_PASSWORD and DB_HOST are one database unless they say different things about the same field."""
    for other in found:
        if one.agrees_with(other):
            other.take(one)
            return
    found.append(one)


def whole(found: Found) -> bool:
    """Bare words such as HOST and PORT are also how a web server is set; a database has more to it."""
    named = [name for name in _FIELDS if name in found.values]
    return (
        len(named) >= 2
        and not {"database", "username", "password", "host"}.isdisjoint(named)
        and named != ["host", "port"]
    )


def _put(found: Found, role: Role, pair: Pair, source: str) -> None:
    if role.field == "tls":
        found.put_tls(role.word, pair.value, source)
        found.put_kind(role.kind, source)
        return
    if role.field == "type":
        found.put_kind(kind_of(pair.value), source)
        return
    if role.field == "host" and "://" in pair.value:
        _put_url(found, pair.value, source)
        return
    value = pair.value.removeprefix("tcp:") if role.field == "host" else pair.value
    if role.field == "host" and "port" not in found.values and value.count(":") == 1 and value[-1:].isdigit():
        value, _, port = value.partition(":")
        found.put("port", port, source)
    found.put(role.field, value, source)
    found.put_kind(role.kind, source)


def _put_url(found: Found, value: str, source: str) -> None:
    url = read_url(value.strip())
    if url is None:
        return
    url.sources = dict.fromkeys(url.sources, source)
    # Separate settings for user and password go with a URL that has none; the parts of the URL come first.
    apart = Found(found.form, found.values, found.sources)
    found.values, found.sources = {}, {}
    found.take(url)
    found.take(apart)


def _put_root(found: Found, roots: list[tuple[str, str]]) -> None:
    for value, source in roots[:1]:
        if "username" in found.values and found.values["username"] != "root":
            found.note("A password of the user root is there too; it is not used.")
        else:
            found.put("username", "root", source)
            found.put("password", value, source)
            found.put_kind("mysql", source)


def _bounded(pairs: Iterable[Pair]) -> Iterable[Pair]:
    for number, pair in enumerate(pairs):
        if number >= _MOST_PAIRS:
            return
        yield pair


def _short(name: str) -> str:
    return "".join(character for character in name.strip() if character.isprintable())[:60]
