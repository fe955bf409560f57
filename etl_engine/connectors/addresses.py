"""From a host name to addresses that may be connected to: resolved once, each checked before any packet."""

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import ClassVar

from etl_engine.connectors.contract import Deadline, Network, Who
from etl_engine.connectors.fault import Fault, OutOfTime

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

SLICE_SECONDS = 0.05  # how long a wait may go on before it looks at the cancellation again
# Never the address of a server, whatever the operator allows: "this machine", multicast, reserved and broadcast.
_NEVER = tuple(ipaddress.ip_network(text) for text in ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8"))
# IPv6 ranges that carry an IPv4 address which gateways deliver to: how many bits to drop at its right.
_CARRIERS = (
    (ipaddress.IPv6Network("::/96"), 0),  # IPv4-compatible
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),  # IPv4-translated
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (ipaddress.IPv6Network("64:ff9b:1::/48"), 0),  # NAT64 of a site
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4
)


def resolve(host: str, deadline: Deadline) -> tuple[Address, ...]:
    """Every address of the host, in the order the system prefers them; asks no resolver where `host` is one."""
    literal = _literal(host)
    if literal:
        return (literal,)
    lookup = _Lookup.of(host)
    while not lookup.done.wait(min(SLICE_SECONDS, deadline.left())):
        if deadline.left() <= 0:
            raise OutOfTime
    if lookup.error or not lookup.addresses:
        raise _unresolved(host, lookup.error) from lookup.error
    return lookup.addresses


def denied(address: Address, deny: Sequence[Network]) -> tuple[Address, Network] | None:
    """The network that forbids this address, and the address in it: the same, or one that it carries inside."""
    for spelling in _spellings(address):
        for network in (*_NEVER, *deny):
            if spelling in network:
                return spelling, network
    return None


def allow(host: str, addresses: Sequence[Address], deny: Sequence[Network]) -> None:
    """Raises unless every address may be connected to: a name with one forbidden address is not trusted at all."""
    for address in addresses:
        found = denied(address, deny)
        if found:
            meant, network = found
            meaning = "" if host == str(meant) else f" ({host})"
            raise Fault(
                "address-denied",
                f"The address {meant}{meaning} lies in {network}, where connections are not allowed to go",
                "Use another host, or have the operator change CONNECT_DENY if this network is meant to be reached.",
                Who.NETWORK,
            )


def _literal(host: str) -> Address | None:
    """An address as people and system calls spell it: 10.0.0.1, ::1, and also 2130706433, 0x7f.1 or 0177.0.0.1."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host)
    with contextlib.suppress(OSError):
        return ipaddress.IPv4Address(socket.inet_aton(host))
    return None


def _spellings(address: Address) -> Iterator[Address]:
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            address = ipaddress.IPv6Address(int(address))
            yield address
        for carrier, shift in _CARRIERS:
            if address in carrier and int(address) > 1:
                yield ipaddress.IPv4Address((int(address) >> shift) & 0xFFFFFFFF)
        if address.teredo:
            yield from address.teredo
        if (int(address) >> 32) & 0xFDFFFFFF == 0x5EFE:  # ISATAP
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


class _Lookup:
    """One question to the system's resolver, in a thread of its own: getaddrinfo can neither be bounded nor stopped.

    Who asks for a name that is still being looked up joins that lookup, so a resolver that hangs holds at most one
    thread per name, and each ends by the resolver's own timeout.
    """

    _running: ClassVar[dict[str, "_Lookup"]] = {}
    _lock = threading.Lock()

    def __init__(self, host: str) -> None:
        self.host = host
        self.addresses: tuple[Address, ...] = ()
        self.error: Exception | None = None
        self.done = threading.Event()

    @classmethod
    def of(cls, host: str) -> "_Lookup":
        with cls._lock:
            lookup = cls._running.get(host)
            if lookup is None:
                lookup = cls._running[host] = cls(host)
                threading.Thread(target=lookup._ask, name=f"resolve {host}", daemon=True).start()
            return lookup

    def _ask(self) -> None:
        try:
            answers = socket.getaddrinfo(self.host, None, type=socket.SOCK_STREAM)
            # A dict keeps the order and drops what a resolver lists twice.
            self.addresses = tuple({ipaddress.ip_address(str(answer[4][0])): None for answer in answers})
        except Exception as error:  # whatever it is, the asker must hear of it
            self.error = error
        finally:
            with self._lock:
                del self._running[self.host]
            self.done.set()


def _unresolved(host: str, error: Exception | None) -> Fault:
    number = error.errno if isinstance(error, socket.gaierror) else None
    if number == socket.EAI_AGAIN:
        return Fault(
            "dns-unavailable",
            f"The name server did not answer the question for {host}",
            "Check the DNS servers of the machine this engine runs on.",
            Who.NETWORK,
        )
    unknown = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None))
    if error is None or number in unknown or isinstance(error, UnicodeError):
        return Fault(
            "host-not-found",
            f"There is no host named {host}",
            "Check the spelling of the host name; a name of a private network needs that network's DNS.",
            Who.YOU,
        )
    return Fault(
        "dns-failed",
        f"The name {host} cannot be resolved: {error.strerror if isinstance(error, OSError) else 'invalid answer'}",
        "Check the DNS servers of the machine this engine runs on.",
        Who.NETWORK,
    )
