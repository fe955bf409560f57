"""Addresses: what is one, what it carries, and what may not be reached."""

import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_engine.connectors.addresses import allow, denied, resolve
from etl_engine.connectors.contract import Deadline
from etl_engine.connectors.fault import Fault

PRIVATE = (ipaddress.ip_network("10.0.0.0/8"),)


def test_an_address_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("the resolver was asked")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    for spelling in ("10.0.0.1", "167772161", "0xa.1", "012.0.0.1", "10.1", "0x0a000001"):
        assert resolve(spelling, Deadline(1)) == (ipaddress.ip_address("10.0.0.1"),)
    assert resolve("::1", Deadline(1)) == (ipaddress.ip_address("::1"),)


def test_a_name_keeps_the_order_of_the_system_and_loses_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(0, 0, 0, "", (each, 0)) for each in ("::1", "127.0.0.1", "::1", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert list(map(str, resolve("db.test", Deadline(1)))) == ["::1", "127.0.0.1", "10.0.0.1"]


@given(st.ip_addresses(v=4))
def test_every_ipv6_dress_of_an_ipv4_address_is_seen_through(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    deny = (ipaddress.ip_network(f"{address}/32"),)
    dresses = [
        f"::ffff:{address}",
        f"64:ff9b::{address}",
        f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1",
        f"2001:db8::5efe:{address}",
        f"2001:0:{number >> 16:x}:{number & 0xFFFF:x}::",
        f"2001:0:1:1:8000:1:{(number >> 16) ^ 0xFFFF:x}:{(number & 0xFFFF) ^ 0xFFFF:x}",
    ]
    for dress in dresses:
        assert denied(ipaddress.ip_address(dress), deny), dress


@given(st.ip_addresses())
def test_without_a_list_only_what_is_no_address_of_a_machine_is_denied(address: Any) -> None:
    found = denied(address, ())
    if found:
        inside, network = found
        assert inside in network
    elif address.version == 4:
        assert not (address.is_multicast or address.is_unspecified or address.is_reserved)


def test_a_scope_does_not_hide_an_address() -> None:
    assert denied(ipaddress.ip_address("fe80::1%eth0"), (ipaddress.ip_network("fe80::/10"),))


def test_loopback_is_nobody_else_in_disguise() -> None:
    assert not denied(ipaddress.ip_address("::1"), (ipaddress.ip_network("127.0.0.0/8"),))


def test_one_forbidden_address_forbids_the_name() -> None:
    good, bad = ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("10.0.0.1")
    allow("db.test", [good], PRIVATE)
    with pytest.raises(Fault) as caught:
        allow("db.test", [good, bad], PRIVATE)
    assert caught.value.code == "address-denied"
    assert "10.0.0.1" in caught.value.cause and "db.test" in caught.value.cause
