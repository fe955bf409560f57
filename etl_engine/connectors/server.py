"""The check that all database servers share: name, port, encryption, login, database, version, privileges."""

import contextlib
import datetime as dt
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import structlog
from cryptography import x509

from etl_engine.connectors import guess, names, tls
from etl_engine.connectors.addresses import SLICE_SECONDS, Address, allow, resolve
from etl_engine.connectors.contract import Connector, Deadline, Health, Step, Surroundings, Who
from etl_engine.connectors.fault import Fault, OutOfTime
from etl_engine.connectors.ladder import Ladder
from etl_engine.connectors.sql import Dialect, need_driver, session, unknown_version, version
from etl_engine.connectors.wire import Closed, Silent, Wire, connect, too_late_to_connect
from etl_engine.model.connection import ConnectionConfig, ServerConfig

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = structlog.get_logger(__name__)

RUNGS = (
    Step("dns", "Host name"),
    Step("tcp", "Port"),
    Step("tls", "Encryption"),
    Step("login", "Login"),
    Step("database", "Database"),
    Step("version", "Version"),
    Step("privileges", "Privileges"),
)


class ServerCheck(ABC):
    """One climb to one server. A kind says how its protocol starts, how its driver logs in, and what errors mean."""

    dialect: ClassVar[Dialect]
    product: ClassVar[str]
    usual_port: ClassVar[int]
    speaks: ClassVar[str]  # the name `guess` has for this protocol

    def __init__(
        self, config: ServerConfig, surroundings: Surroundings, deadline: Deadline, on_step: Callable[[Step], None]
    ) -> None:
        self.config = config
        self.password = config.password.get_secret_value()
        self.wish = tls.Wish.of(config)
        self.deadline = deadline
        self.ladder = Ladder(RUNGS, deadline, on_step, self._too_late)
        self.address: Address | None = None
        self.encrypted = False
        self._deny = surroundings.deny
        self._addresses: tuple[Address, ...] = ()
        self._open = contextlib.ExitStack()

    @abstractmethod
    def secure(self, wire: Wire) -> None:
        """Climb the `tls` rung on a fresh connection, and begin `login`."""

    @abstractmethod
    def offered_tls(self, wire: Wire) -> bool:
        """Speak the protocol up to where TLS can start; False where the server offers none."""

    @abstractmethod
    def log_in(self) -> Any:
        """The driver's connection. Raises Fault."""

    @abstractmethod
    def explain(self, error: BaseException) -> Fault:
        """What an error of the driver means."""

    @abstractmethod
    def describe_database(self, connection: "Connection") -> str: ...

    @abstractmethod
    def describe_privileges(self, connection: "Connection") -> tuple[str, bool, str]:
        """Evidence, whether it is a warning, and what would help."""

    def run(self) -> Health:
        with self._open:
            return self.ladder.climb(self._climb)

    def close(self) -> None:
        self._open.close()

    def _climb(self) -> None:
        ladder = self.ladder
        ladder.begin("dns")
        self._addresses = resolve(self.config.host, self.deadline)
        ladder.finish(", ".join(map(str, self._addresses)))
        ladder.begin("tcp")
        allow(self.config.host, self._addresses, self._deny)
        plain, self.address = connect(self._addresses, self.config.port, self.deadline)
        wire = Wire(plain, self.deadline)
        self._open.callback(wire.close)
        ladder.finish(f"{self.where} accepts connections")
        ladder.begin("tls")
        with self._explained():
            self.secure(wire)
            need_driver(self.dialect)
            with session(self.dialect, self.log_in) as connection:
                ladder.finish(f'User "{self.config.username}" is logged in')
                self._look_around(connection)

    def _look_around(self, connection: "Connection") -> None:
        ladder = self.ladder
        ladder.begin("database")
        ladder.finish(self.describe_database(connection))
        ladder.begin("version")
        text = version(connection, self.dialect)
        ladder.finish(text)
        ladder.version = text
        ladder.begin("privileges")
        evidence, warn, fix = self.describe_privileges(connection)
        ladder.finish(evidence, warn=warn, fix=fix)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        try:
            yield
        except DBAPIError as error:
            if self.deadline.left() <= 0:  # what the driver says of a connection that we have given up
                raise OutOfTime from error
            raise self._on_its_rung(self.explain(error.orig or error)) from error
        except AssertionError as error:  # SQLAlchemy reads the version while it connects
            raise self._on_its_rung(unknown_version(self.dialect)) from error
        except Fault as fault:
            raise self._on_its_rung(fault) from fault.__cause__
        except (Closed, OSError) as error:
            raise closed_at_once(self.where, "during the check") from error
        except (SQLAlchemyError, ValueError, TypeError, LookupError) as error:
            if self.ladder.listener_failed:
                raise
            raise self._strange_answer(error) from error

    def _strange_answer(self, error: Exception) -> Fault:
        log.warning("check.strange-answer", product=self.product, step=self.ladder.current, exc_info=error)
        return Fault(
            "answer-not-understood",
            f"{self.where} answers a question about itself in another way than {self.product} does",
            f"Connect to a {self.product} server; products that only speak its protocol are not supported.",
            Who.YOU,
        )

    def _on_its_rung(self, fault: Fault) -> Fault:
        """A server says in one breath that the login is fine and that what comes after it is not."""
        held = {
            "tls": "The server answered before encryption was agreed",
            "login": f'User "{self.config.username}" is accepted',
            "database": f'Database "{self.config.database}" is open',
        }
        keys = [step.key for step in RUNGS]
        while fault.step and keys.index(self.ladder.current) < keys.index(fault.step):
            self.ladder.finish(held[self.ladder.current])
            self.ladder.begin(keys[keys.index(self.ladder.current) + 1])
        return fault

    # What the kinds build `secure` from.

    @property
    def where(self) -> str:
        address = self.address
        if address is None:
            return f"{self.config.host}:{self.config.port}"
        return f"[{address}]:{self.config.port}" if address.version == 6 else f"{address}:{self.config.port}"

    def open_wire(self) -> Wire:
        """One more connection to the address that was checked and answered."""
        assert self.address is not None  # noqa: S101 - the tcp rung comes first
        plain, _ = connect((self.address,), self.config.port, self.deadline)
        wire = Wire(plain, self.deadline)
        self._open.callback(wire.close)
        return wire

    def hear(self, listen: Callable[[float], bytes]) -> bytes:
        """The first words of the server; where none come soon, find out what stands there instead."""
        started = time.monotonic()
        try:
            try:
                return listen(min(guess.SOON_SECONDS, self.deadline.left() / 3))
            except Silent:
                other = self._other_service()
                if other:
                    raise other from None
                return listen(self.deadline.left() - SLICE_SECONDS)
        except Silent:
            raise guess.silent(self.where, time.monotonic() - started) from None
        except (Closed, OSError) as error:
            raise self._other_service() or closed_at_once(self.where) from error

    def not_this_service(self, first: bytes = b"") -> Fault:
        speaks = guess.name_of(first) or guess.ask(self.open_wire)
        speaks = "" if speaks == self.speaks else speaks
        return guess.wrong_service(self.where, self.product, self.usual_port, speaks)

    def _other_service(self) -> Fault | None:
        speaks = guess.ask(self.open_wire)
        if not speaks or speaks == self.speaks:
            return None
        return guess.wrong_service(self.where, self.product, self.usual_port, speaks)

    def add_nearest(self, facts: dict[str, str], known: list[str]) -> None:
        """What to say about a missing database when these are there."""
        facts["nearest"] = names.instead(self.config.database, known)
        near = names.nearest(self.config.database, known)
        if near:
            facts["missing_fix"] = f'Use the database "{near[0]}".'

    def stay_plain(self, *, offered: bool) -> None:
        """Finish the `tls` rung without TLS, or fail it where the mode insists."""
        if self.wish.mode == "disable":
            self.ladder.finish("Not encrypted, as chosen" + (", though the server offers TLS" if offered else ""))
        elif self.wish.needs_tls:
            raise Fault(
                "tls-not-offered",
                f"{self.where} offers no TLS, and the mode is {self.wish.mode}",
                "Switch TLS on at the server, or choose the mode prefer if the network is trusted.",
                Who.DBA,
            )
        else:
            local = self.address is not None and self.address.is_loopback
            self.ladder.finish("Not encrypted: the server offers no TLS", warn=not local)

    def encrypt(self, wire: Wire) -> None:
        """Handshake as the mode wants it, and finish the `tls` rung."""
        context = tls.context(self.wish)
        try:
            wire.start_tls(context, self.wish.name)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError) as error:
            raise self._other_service() or closed_at_once(self.where, "in the middle of the TLS handshake") from error
        except ssl.SSLError as error:
            verify = isinstance(error, ssl.SSLCertVerificationError)
            fault = tls.explain(error, self.wish, self._shown_certificate() if verify else None)
            raise fault or self.not_this_service() from error
        self.encrypted = True
        assert wire.tls is not None  # noqa: S101 - start_tls succeeded
        evidence, warn = tls.evidence(wire.tls, self.wish, dt.datetime.now(dt.UTC))
        self.ladder.finish(evidence, warn=warn)

    def _shown_certificate(self) -> x509.Certificate | None:
        """The certificate that was not accepted, to say what is in it; nothing is sent over this connection."""
        with contextlib.suppress(ssl.SSLError, OSError, Closed, Fault):
            wire = self.open_wire()
            if self.offered_tls(wire):
                wire.start_tls(tls.unverified_context(), self.wish.name)
                return tls.certificate(wire.tls) if wire.tls else None
        return None

    def _too_late(self, key: str) -> Fault:
        where, host = self.where, self.config.host
        if key == "tcp":
            return too_late_to_connect(" and ".join(f"{address}:{self.config.port}" for address in self._addresses))
        causes = {
            "dns": ("dns-timeout", f"The name server did not answer the question for {host} in time"),
            "tls": ("tls-timeout", f"{where} began to answer and then stopped"),
            "login": ("login-timeout", f"{where} stopped answering during the login"),
        }
        code, cause = causes.get(key, ("query-timeout", f"{where} accepted the login and then stopped answering"))
        if key == "dns":
            return Fault(code, cause, "Check the DNS servers of the machine this engine runs on.", Who.NETWORK)
        return Fault(code, cause, "Look at the load and the log of the server, and of any proxy before it.", Who.DBA)


def closed_at_once(where: str, when: str = "at once") -> Fault:
    return Fault(
        "connection-closed",
        f"{where} accepts the connection and closes it {when}",
        "Check what stands there: a proxy without its server, an address filter, or a server that is full.",
        Who.NETWORK,
    )


class ServerConnector(Connector):
    """A connection to a server: each check is a climb of its own."""

    check_type: ClassVar[type[ServerCheck]]

    def __init__(self, config: ConnectionConfig, surroundings: Surroundings) -> None:
        if not isinstance(config, ServerConfig):
            raise TypeError(f"{type(config).__name__} is not the config of a server")
        self._config = config
        self._surroundings = surroundings
        self._running: ServerCheck | None = None

    def check(self, deadline: Deadline, on_step: Callable[[Step], None]) -> Health:
        self._running = self.check_type(self._config, self._surroundings, deadline, on_step)
        return self._running.run()

    def close(self) -> None:
        if self._running:
            self._running.close()
