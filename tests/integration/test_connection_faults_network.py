"""What can be wrong between here and a server: names, addresses, ports, silence. And the one budget of five seconds."""

import concurrent.futures
import contextlib
import errno
import ipaddress
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ladders import LATE, Climb, climb, connector, fault
from scripted import (
    OK,
    Certificates,
    Script,
    Scripted,
    answers,
    black_hole,
    closes,
    drips,
    my_greeting,
    my_packet,
    my_read,
    my_session,
    my_start,
    pg_session,
    pg_start,
    says,
    silent,
)
from servers import MariadbServer, PostgresServer, free_port

from etl_engine.connectors.contract import CHECK_SECONDS, Deadline, Surroundings, Who
from etl_engine.errors import Cancelled
from etl_engine.settings import ALWAYS_DENIED

KINDS = ("postgresql", "mysql")
DENIED = tuple(ipaddress.ip_network(network) for network in ALWAYS_DENIED)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Answers of the system's resolver by host: addresses, an error, or an event to wait for."""
    answers: dict[str, Any] = {}
    release = threading.Event()

    def look_up(host: str, *_: Any, **__: Any) -> list[Any]:
        answer = answers.get(host, socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
        if isinstance(answer, Exception):
            raise answer
        if answer == "hangs":
            release.wait(30)
            return []
        return [(socket.AF_INET6 if ":" in each else socket.AF_INET, 1, 6, "", (each, 0)) for each in answer]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield answers
    release.set()


# Names


def test_a_host_that_does_not_exist(kind: str, resolver: dict[str, Any]) -> None:
    fault(climb(kind, host="no-such-host.test"), "dns", "host-not-found", Who.YOU, "no-such-host.test")


def test_a_name_server_that_gives_up(kind: str, resolver: dict[str, Any]) -> None:
    resolver["db.test"] = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    fault(climb(kind, host="db.test"), "dns", "dns-unavailable", Who.NETWORK, "db.test")


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_FAIL, "broken"), RuntimeError("bug"), UnicodeError("x")])
def test_a_resolver_that_fails_in_its_own_way(error: Exception, resolver: dict[str, Any]) -> None:
    resolver["db.test"] = error
    done = climb("postgresql", host="db.test")
    assert done.health.failure and done.health.failure.key == "dns"
    assert done.health.failure.code in ("dns-failed", "host-not-found")


def test_a_name_without_addresses(resolver: dict[str, Any]) -> None:
    resolver["db.test"] = []
    fault(climb("postgresql", host="db.test"), "dns", "host-not-found", Who.YOU, "db.test")


def test_a_slow_name_server_uses_up_the_budget_and_no_more(resolver: dict[str, Any]) -> None:
    resolver["slow.test"] = "hangs"
    done = climb("postgresql", host="slow.test", seconds=0.5)
    fault(done, "dns", "dns-timeout", Who.NETWORK, "slow.test")
    assert done.health.ms >= 500  # of the clock; `seconds` are less by what the machine stood still


def test_many_checks_of_a_name_that_hangs_share_one_thread(resolver: dict[str, Any]) -> None:
    resolver["slow.test"] = "hangs"
    before = threading.active_count()
    for _ in range(5):
        climb("mysql", host="slow.test", seconds=0.05)
    assert threading.active_count() <= before + 1


def test_a_name_is_resolved_once(resolver: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that changes its answer in between (DNS rebinding) cannot lead a check astray."""
    asked: list[str] = []
    original = socket.getaddrinfo

    def count(host: str, *more: Any, **other: Any) -> Any:
        asked.append(host)
        resolver[host] = ["169.254.169.254"] if len(asked) > 1 else ["127.0.0.1"]
        return original(host, *more, **other)

    monkeypatch.setattr(socket, "getaddrinfo", count)
    with Scripted(pg_session("PostgreSQL 15.3")) as server:
        done = climb("postgresql", Surroundings(deny=DENIED), host="db.test", port=server.port)
    assert len(asked) == 1
    assert done.step("dns").evidence == "127.0.0.1"


# Addresses


NOT_ALLOWED = [
    "169.254.169.254",
    "169.254.0.1",
    "2852039166",
    "0xa9fea9fe",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.16689662",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "::ffff:0:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:5601:5601",
    "fe80::1",
    "fe80::5efe:169.254.169.254",
    "2001:db8::5efe:169.254.169.254",
    "2001:db8::200:5efe:169.254.169.254",
    "fd00:ec2::254",
    "100.100.100.200",
    "1684301000",
    "192.0.0.192",
    "0.0.0.0",
    "0",
    "0x0",
    "0.1.2.3",
    "::",
    "::ffff:0.0.0.0",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "ff02::1",
    "::ffff:224.0.0.1",
]


@pytest.fixture
def no_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", never)


@pytest.mark.parametrize("host", NOT_ALLOWED)
def test_a_forbidden_address_gets_no_packet_however_it_is_spelled(host: str, no_packets: None) -> None:
    done = climb("postgresql", Surroundings(deny=DENIED), host=host)
    fault(done, "tcp", "address-denied", Who.NETWORK)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "::1", "::ffff:127.0.0.1"]
)
def test_loopback_can_be_forbidden(host: str, kind: str, no_packets: None) -> None:
    loopback = tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "::1/128")))
    fault(climb(kind, Surroundings(deny=loopback), host=host), "tcp", "address-denied", Who.NETWORK, "CONNECT_DENY")


@pytest.mark.parametrize("addresses", [["10.1.2.3"], ["127.0.0.1", "10.1.2.3"], ["::1", "::ffff:10.1.2.3"]])
def test_a_name_with_one_forbidden_address_is_not_trusted(
    addresses: list[str], kind: str, resolver: dict[str, Any], no_packets: None
) -> None:
    resolver["db.test"] = addresses
    done = climb(kind, Surroundings(deny=(ipaddress.ip_network("10.0.0.0/8"),)), host="db.test")
    fault(done, "tcp", "address-denied", Who.NETWORK, "10.1.2.3", "10.0.0.0/8", "db.test")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "::ffff:127.0.0.1"])
def test_loopback_is_allowed_otherwise_in_every_spelling(host: str) -> None:
    with Scripted(pg_session("PostgreSQL 15.3")) as server:
        done = climb("postgresql", Surroundings(deny=DENIED), host=host, port=server.port)
    assert done.step("tcp").evidence


# Ports


def test_a_closed_port(kind: str) -> None:
    port = free_port()
    done = climb(kind, port=port)
    fault(done, "tcp", "connection-refused", Who.YOU, f"127.0.0.1:{port}", "Nothing listens")
    assert done.seconds < 0.5


def test_a_machine_without_a_route(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: errno.EHOSTUNREACH)
    fault(climb(kind), "tcp", "network-unreachable", Who.NETWORK, "No route to host", "VPN")


def test_a_machine_without_ipv6(resolver: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    original = socket.socket

    def no_ipv6(family: int = -1, *more: Any, **other: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return original(family, *more, **other)

    with Scripted(pg_session("PostgreSQL 15.3")) as server:
        resolver["db.test"] = ["::1", "127.0.0.1"]
        monkeypatch.setattr("etl_engine.connectors.wire.socket.socket", no_ipv6)
        done = climb("postgresql", host="db.test", port=server.port)
    assert done.health.ok, done.health.failure


def test_the_next_address_is_tried_when_the_first_is_refused(resolver: dict[str, Any]) -> None:
    with Scripted(pg_session("PostgreSQL 15.3")) as server:
        resolver["db.test"] = ["::1", "127.0.0.1"]
        done = climb("postgresql", host="db.test", port=server.port)
    assert done.step("tcp").evidence.startswith(f"127.0.0.1:{server.port}")


def test_a_broken_first_address_does_not_use_up_the_budget(resolver: dict[str, Any]) -> None:
    with Scripted(pg_session("PostgreSQL 15.3")) as server, black_hole("::1", server.port):
        resolver["db.test"] = ["::1", "127.0.0.1"]
        done = climb("postgresql", host="db.test", port=server.port)
    assert done.step("tcp").evidence.startswith(f"127.0.0.1:{server.port}")
    assert done.seconds < 1


def test_all_refused_addresses_are_named(resolver: dict[str, Any], kind: str) -> None:
    port = free_port()
    resolver["db.test"] = ["127.0.0.1", "127.0.0.2"]
    done = climb(kind, host="db.test", port=port)
    fault(done, "tcp", "connection-refused", Who.YOU, f"127.0.0.1:{port} and 127.0.0.2:{port}")


# Other services


OTHERS: dict[str, tuple[Script, str]] = {
    "SSH": (says(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"), "SSH"),
    "a web server": (answers(b"HTTP/1.1 400 Bad Request\r\nServer: planted-detail\r\n\r\n"), "HTTP"),
    "Redis": (answers(b"-ERR wrong number of arguments for 'get' command planted-detail\r\n"), "Redis"),
    "a mail server": (says(b"220 planted-detail ESMTP Postfix\r\n"), "SMTP"),
    "MongoDB": (answers(b"It looks like you are trying to access MongoDB over HTTP planted-detail"), "MongoDB"),
    "VNC": (says(b"RFB 003.008\n"), "VNC"),
    "memcached": (answers(b"ERROR\r\n"), "memcached"),
}


@pytest.mark.parametrize("service", OTHERS)
def test_a_port_that_speaks_something_else(kind: str, service: str) -> None:
    script, name = OTHERS[service]
    with Scripted(script) as server:
        done = climb(kind, against=server)
    failure = fault(done, "tls", "wrong-service", Who.YOU, f"127.0.0.1:{server.port}", f"speaks {name}")
    assert "planted-detail" not in repr(failure)
    assert done.seconds < 4


def test_a_port_that_speaks_tls_from_the_first_byte(kind: str) -> None:
    certificates = Certificates()
    context = certificates.server()

    def script(client: socket.socket) -> None:
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(client, server_side=True) as stream:
            stream.recv(1)

    with Scripted(script) as server:
        done = climb(kind, against=server)
    fault(done, "tls", "wrong-service", Who.YOU, "TLS from the first byte")


def test_the_other_database(postgres_server: PostgresServer, mariadb_server: MariadbServer) -> None:
    done = climb("postgresql", port=mariadb_server.port)
    fault(done, "tls", "wrong-service", Who.YOU, "speaks MySQL or MariaDB, not PostgreSQL", "5432")
    done = climb("mysql", port=postgres_server.port)
    fault(done, "tls", "wrong-service", Who.YOU, "speaks PostgreSQL, not MySQL or MariaDB", "3306")


# Silence: every moment at which a server can stop answering, all at once, so that the test takes five seconds in all.


def stops(kind: str, moment: str) -> Script:
    """A server that stops answering at that moment."""

    def before_tls(client: socket.socket) -> None:
        if kind == "postgresql":
            client.recv(8)
            client.sendall(b"S")
        else:
            client.sendall(my_greeting(tls=True))
        silent(client)

    def in_the_login(client: socket.socket) -> None:
        if kind == "postgresql":
            client, _ = pg_start(client)
        else:
            my_start(client)
        silent(client)

    def in_the_password(client: socket.socket) -> None:
        if kind == "postgresql":
            client, _ = pg_start(client)
            client.sendall(b"R" + struct.pack("!ii", 8, 3))
        else:
            client, sequence = my_start(client)
            client.sendall(my_packet(sequence, b"\xfemysql_native_password\0saltsaltsaltsaltsalt\0"))
        silent(client)

    def after_the_login(client: socket.socket) -> None:
        client, sequence = my_start(client)
        client.sendall(my_packet(sequence, OK))
        my_read(client)
        silent(client)

    good = {"postgresql": "PostgreSQL 15.3", "mysql": "8.0.35"}[kind]
    session = {"postgresql": pg_session, "mysql": my_session}[kind]
    drip = {"postgresql": b"R\0\0\0\x32" + bytes(50), "mysql": my_greeting()}[kind]
    scripts: dict[str, Script] = {
        "before a word": silent,
        "before the handshake": before_tls,
        "in the login": in_the_login,
        "in the password": in_the_password,
        "in the first query": session(good, silent_after="version()") if kind == "postgresql" else after_the_login,
        "in the last query": session(good, silent_after="rolsuper" if kind == "postgresql" else "grants"),
        "one byte a second": drips(drip) if kind == "mysql" else _drips_in_the_login(drip),
    }
    return scripts[moment]


def _drips_in_the_login(words: bytes) -> Script:
    def script(client: socket.socket) -> None:
        client, _ = pg_start(client)
        drips(words)(client)

    return script


EXPECTED = {
    "before a word": ("tls", "silent-server", Who.NETWORK),
    "before the handshake": ("tls", "tls-timeout", Who.DBA),
    "in the login": ("login", "login-timeout", Who.DBA),
    "in the password": ("login", "login-timeout", Who.DBA),
    "in the first query": ("login", "login-timeout", Who.DBA),
    "in the last query": ("privileges", "query-timeout", Who.DBA),
    "one byte a second": (None, None, None),
    "every packet is dropped": ("tcp", "connection-timeout", Who.NETWORK),
    "slow name server": ("dns", "dns-timeout", Who.NETWORK),
}
MOMENTS = [(kind, moment) for kind in KINDS for moment in EXPECTED]


def at(kind: str, moment: str, use: Callable[..., Any]) -> Any:
    """Use a server of that kind that stops answering at that moment."""
    if moment == "slow name server":
        return use(kind, host="hangs.test")
    if moment == "every packet is dropped":
        with black_hole() as port:
            return use(kind, port=port)
    with Scripted(stops(kind, moment)) as server:
        return use(kind, against=server)


def all_at_once(use: Callable[..., Any], moments: list[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    original = socket.getaddrinfo
    release = threading.Event()

    def look_up(host: str, *more: Any, **other: Any) -> Any:
        return release.wait(30) if host == "hangs.test" else original(host, *more, **other)

    with pytest.MonkeyPatch.context() as patch, concurrent.futures.ThreadPoolExecutor(len(moments)) as pool:
        patch.setattr(socket, "getaddrinfo", look_up)
        try:
            futures = {each: pool.submit(at, *each, use) for each in moments}
            return {each: future.exception() or future.result() for each, future in futures.items()}
        finally:
            release.set()


@pytest.fixture(scope="module")
def silences() -> dict[tuple[str, str], Climb]:
    return all_at_once(climb, MOMENTS)


@pytest.mark.parametrize(("kind", "moment"), MOMENTS)
def test_silence_ends_with_the_budget(silences: dict[tuple[str, str], Any], kind: str, moment: str) -> None:
    done = silences[kind, moment]
    if isinstance(done, BaseException):
        raise done
    step, code, who = EXPECTED[moment]
    if step:
        fault(done, step, code, who)
    assert done.health.failure and done.health.failure.code.endswith(("-timeout", "silent-server"))
    assert CHECK_SECONDS - 0.2 <= done.seconds <= CHECK_SECONDS + LATE


def cancel_soon(kind: str, against: Scripted | None = None, **values: Any) -> float:
    """Cancel a check that hangs; answers the seconds from the cancellation to the end of the check."""
    cancelled = threading.Event()
    moment: list[float] = []

    def cancel() -> None:
        moment.append(time.monotonic())
        cancelled.set()

    timer = threading.Timer(0.4, cancel)
    timer.start()
    with pytest.raises(Cancelled):
        climb(kind, against=against, cancelled=cancelled, **values)
    took = time.monotonic() - moment[0]
    timer.join()
    if against:
        against.wait_until_all_have_gone(1.0)
    return took


@pytest.fixture(scope="module")
def cancellations() -> dict[tuple[str, str], float]:
    return all_at_once(cancel_soon, MOMENTS)


@pytest.mark.parametrize(("kind", "moment"), MOMENTS)
def test_a_check_can_be_cancelled_at_any_moment(cancellations: dict[Any, Any], kind: str, moment: str) -> None:
    took = cancellations[kind, moment]
    if isinstance(took, BaseException):
        raise took
    assert took <= 0.2


def test_a_check_that_is_cancelled_before_it_starts_does_nothing(kind: str, no_packets: None) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        climb(kind, cancelled=cancelled)


def test_a_budget_that_is_gone_before_it_starts(kind: str) -> None:
    done = climb(kind, seconds=0)
    assert done.health.failure and done.health.failure.code == "connection-timeout"


# What is left behind


def test_nothing_is_left_behind(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    certificates = Certificates()
    mine = certificates.client("etl")
    session = {"postgresql": pg_session("PostgreSQL 15.3"), "mysql": my_session("8.0.35")}[kind]
    threads = threading.active_count()
    for script in (session, silent, closes, says(b"SSH-2.0-x\r\n")):
        with Scripted(script) as server:
            climb(kind, against=server, seconds=0.5, **mine)
    assert list(tmp_path.iterdir()) == []
    for _ in range(100):
        if threading.active_count() <= threads:
            break
        time.sleep(0.01)
    assert threading.active_count() <= threads


def test_close_without_a_check_is_fine(kind: str) -> None:
    values = {"host": "127.0.0.1", "database": "shop", "username": "etl", "password": "x"}
    connector(kind, **values).close()


def test_a_connector_can_be_checked_again(kind: str) -> None:
    session = {"postgresql": pg_session("PostgreSQL 15.3"), "mysql": my_session("8.0.35")}[kind]
    with Scripted(session) as server:
        values = {"host": server.host, "port": server.port, "database": "shop", "username": "etl", "password": "x"}
        made = connector(kind, **values)
        for _ in range(3):
            assert made.check(Deadline(CHECK_SECONDS), lambda _: None).version
        made.close()
