"""Addresses of databases: URLs of every driver family, JDBC, PDO and Go's MySQL driver."""

import re
import urllib.parse
from collections.abc import Iterator
from typing import Literal

from etl_engine.model.pasted.fields import FILE_KINDS, KIND_TITLES, Found, kind_of
from etl_engine.model.pasted.names import role_of

Style = Literal["url", "jdbc", "go"]

_SCHEME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-")
_LONGEST_SCHEME = 40
_URLS_LOOKED_AT = 20
_HOST = re.compile(r"(?:\[[0-9a-fA-F:.%]{2,60}\]|[^\s:/?#@\[\],=&()]{1,253})(?::[0-9]{1,5})?")
_IN_PARENTHESES = re.compile(r"(\w{1,20})=([^,()]{0,255})")
# Words between `jdbc:` and the kind, or behind it: wrappers and ways to balance load.
_JDBC_WORDS = frozenset({"aws-wrapper", "otel", "p6spy", "log4jdbc", "tracing", "tc", "loadbalance", "replication"})
_JDBC_MODES = frozenset({"loadbalance", "replication", "failover", "sequential", "aurora", "load-balance-read"})


def read_urls(text: str) -> list[Found]:
    """Every database URL in the text, in order. The whole text may be one, or it may stand in quotes in a program."""
    whole = text.strip()
    if whole[:5].casefold() == "jdbc:" and len(whole.split()) == 1:
        return [found] if (found := _jdbc(whole[5:])) else []
    return [found for address in _addresses(text) if (found := read_url(address))][:_URLS_LOOKED_AT]


def read_url(address: str) -> Found | None:
    """One address, or None where its scheme is not one of ours."""
    if address[:5].casefold() == "jdbc:":
        return _jdbc(address[5:])
    scheme, separator, rest = address.partition("://")
    kind = kind_of(scheme) if separator else None
    if kind is None:
        return None
    if kind in FILE_KINDS:
        return database_file(rest[1:] if rest.startswith("/") else rest, "URL", kind)
    found = Found(f"{KIND_TITLES[kind]} URL")
    found.put_kind(kind, "the URL")
    _server(found, rest, "url")
    return found


def read_go_dsn(text: str) -> list[Found]:
    """`user:password@tcp(host:port)/database?options`, as Go's MySQL driver takes it."""
    before, separator, behind = text.strip().rpartition("@tcp(")
    address, closed, rest = behind.partition(")/")
    if not separator or not closed or "\n" in text:
        return []
    found = Found("Go MySQL data source")
    found.put_kind("mysql", "the data source")
    username, _, password = before.partition(":")
    found.put("username", username, "the data source")
    found.put("password", password, "the data source")
    _hosts(found, address)
    _path_and_query(found, "/" + rest, "go")
    return [found]


def database_file(path: str, form: str, kind: str = "sqlite") -> Found:
    """A database that is a file, by its path; what a driver puts behind a question mark is left out."""
    file, _, options = path.partition("?")
    found = Found(f"{KIND_TITLES[kind]} {form}" if form in ("URL", "JDBC URL", "file") else form)
    found.put_kind(kind, "the URL" if form == "URL" else "the file")
    file = urllib.parse.unquote(file.removeprefix("file:"))
    if file in ("", ":memory:", "/:memory:"):
        found.note("A database in memory lives only inside its own program: enter the path of a file.")
    else:
        found.put("database", file, "the path")
    for option in filter(None, options.split("&")):
        found.ignore(option.partition("=")[0])
    return found


def _addresses(text: str) -> Iterator[str]:
    """Pieces of the text that start with a scheme; one in quotes ends with its quote, others at white space."""
    position = 0
    for _ in range(_URLS_LOOKED_AT * 5):
        mark = text.find("://", position)
        if mark < 0:
            return
        start = mark
        while start > 0 and mark - start < _LONGEST_SCHEME and text[start - 1] in _SCHEME_CHARACTERS:
            start -= 1
        lead = text[max(0, start - _LONGEST_SCHEME) : start].casefold()
        if (jdbc := lead.rfind("jdbc:")) >= 0 and _SCHEME_CHARACTERS.issuperset(lead[jdbc:].replace(":", "")):
            start -= len(lead) - jdbc
        quote = text[start - 1] if start and text[start - 1] in "\"'`" else ""
        end = text.find(quote, mark) if quote else -1
        if end < 0:
            blank = re.compile(r"\s").search(text, mark)
            end = blank.start() if blank else len(text)
        address = text[start:end]
        yield address if quote else address.rstrip(",;")
        position = max(end, mark + 3)


def _jdbc(address: str) -> Found | None:
    words = address.split(":", 6)
    while words and (words[0].casefold() in _JDBC_WORDS):
        words.pop(0)
    if not words or (kind := kind_of(words[0])) is None:
        return None
    modes = 1
    while modes < len(words) and words[modes].casefold() in _JDBC_MODES:
        modes += 1
    rest = ":".join(words[modes:])
    if kind in FILE_KINDS:
        return database_file(rest, "JDBC URL", kind)
    found = Found(f"{KIND_TITLES[kind]} JDBC URL")
    found.put_kind(kind, "the JDBC URL")
    if rest.startswith("//"):
        _server(found, rest[2:], "jdbc")
    else:  # jdbc:postgresql:shop is the database shop on this machine
        found.put("host", "localhost", "the JDBC URL, which names no host")
        _path_and_query(found, "/" + rest.lstrip("/"), "jdbc")
    return found


def _server(found: Found, rest: str, style: Style) -> None:
    """Fill from `user:password@host:port/database?options`. A password may hold anything, encoded or not."""
    userinfo, hosts, tail = _split(rest)
    username, _, password = userinfo.partition(":")
    found.put("username", _decoded(username), "the URL")
    found.put("password", _decoded(password), "the URL")
    _hosts(found, hosts)
    _path_and_query(found, tail, style)


def _split(rest: str) -> tuple[str, str, str]:
    """User and password, hosts, and what follows.

    By the rules a password with / ? # @ is percent-encoded, and people paste it raw. So unless the text is fine by the
    rules, the password goes up to the last @ that a host can follow.
    """
    end = min((at for mark in "/?#" if (at := rest.find(mark)) >= 0), default=len(rest))
    head, tail = rest[:end], rest[end:]
    userinfo, _, hosts = head.rpartition("@")
    if _fine_tail(tail) and all(not host or _HOST.fullmatch(host) for host in _listed(hosts)):
        return userinfo, hosts, tail
    for at in _last_ats(rest):
        behind = rest[at + 1 :]
        end = min((place for mark in "/?#" if (place := behind.find(mark)) >= 0), default=len(behind))
        if all(_HOST.fullmatch(host) for host in _listed(behind[:end])):
            return rest[:at], behind[:end], behind[end:]
    return userinfo, hosts, tail


def _last_ats(text: str) -> Iterator[int]:
    at = len(text)
    for _ in range(20):
        at = text.rfind("@", 0, at)
        if at < 0:
            return
        yield at


def _listed(hosts: str) -> list[str]:
    return hosts.split(",") if "(" not in hosts else []


def _fine_tail(tail: str) -> bool:
    """Whether what follows the hosts has no @ but in the values of options that we know."""
    if "@" not in tail:
        return True
    path, _, query = tail.partition("?")
    if "@" in path or "#" in path:
        return False
    options = [item.partition("=") for item in query.split("&") if "@" in item]
    return all(mark and option.isidentifier() and role_of(option) is not None for option, mark, _ in options)


def _hosts(found: Found, hosts: str) -> None:
    if "(" in hosts:  # MySQL's JDBC driver: address=(host=db)(port=3306)
        for name, value in _IN_PARENTHESES.findall(hosts):
            if name.casefold() in ("host", "port"):
                found.put(name.casefold(), value, "the URL")
        return
    several = hosts.split(",")
    if len(several) > 1:
        found.note(f"{len(several)} hosts are named: the first one is used.")
    host, port = several[0], ""
    if host.startswith("["):
        host, _, port = host.partition("]")
        port = port.removeprefix(":")
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    found.put("host", _decoded(host), "the URL")
    found.put("port", port, "the URL")


def _path_and_query(found: Found, tail: str, style: Style) -> None:
    path, _, query = tail.partition("?")
    found.put("database", _decoded(path.partition("#")[0].removeprefix("/").removesuffix("/")), "the URL")
    for item in filter(None, query.replace("&amp;", "&").split("&")):
        option, told, value = item.partition("=")
        value = _decoded(value if style == "url" else value.replace("+", " "))
        # PostgreSQL's JDBC driver and Go's MySQL driver check certificate and name when told just "true".
        checks = (style, option, found.values.get("db_type")) in (("jdbc", "ssl", "postgresql"), ("go", "tls", "mysql"))
        if found.put_tls(option, value, f"{option} in the URL", true_checks=checks):
            continue
        role = role_of(option)
        if role is not None and role.field in ("host", "port", "database", "username", "password"):
            found.put(role.field, value, f"{option} in the URL")
        else:
            found.ignore(option if told else "")


def _decoded(text: str) -> str:
    try:
        return urllib.parse.unquote(text, errors="strict")
    except UnicodeDecodeError:  # a raw % that happens to look like an escape
        return text
