"""Private real servers: a PostgreSQL and a MariaDB in folders of their own, on free loopback ports, stopped by pid.

Used by the fixtures in `conftest.py` and, for hand testing, by `scripts/services`.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pymysql
import trustme

HOST = "127.0.0.1"
START_SECONDS = 20.0
STOP_SECONDS = 20.0
TLS_REQUIRED = 3159
NAMES = ("localhost", "127.0.0.1", "::1", "db.test")


class MissingBinary(Exception):
    """A server program is not installed; the message names the Debian package that has it."""


def free_port(host: str = HOST) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Ask again and again, never longer than `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.02)


@dataclass
class Server:
    """One running server: where it is, who may do everything there, and how to stop it."""

    folder: Path
    port: int
    user: str
    password: str
    ca: str  # PEM of the authority that signed the server's certificate
    pid: int = 0
    host: str = HOST
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    authority: trustme.CA | None = None  # that issued its certificate, where it was made just now

    log_name = "server.log"
    stop_signal = signal.SIGTERM

    @property
    def log(self) -> str:
        return (self.folder / self.log_name).read_text(errors="replace")

    @property
    def alive(self) -> bool:
        if self.process:
            return self.process.poll() is None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, self.stop_signal)
        try:
            wait_until(lambda: not self.alive, STOP_SECONDS, f"the end of process {self.pid}")
        except TimeoutError:
            os.kill(self.pid, signal.SIGKILL)
        if self.process:
            self.process.wait(STOP_SECONDS)

    def sql(self, *statements: str, database: str = "") -> list[tuple[Any, ...]]:
        """Run statements as the superuser, each on its own; answers the rows of the last one."""
        raise NotImplementedError

    def wait_ready(self) -> None:
        def ready() -> bool:
            if not self.alive:
                raise RuntimeError(f"the server ended while starting:\n{self.log[-2000:]}")
            try:
                self.sql("SELECT 1")
            except psycopg2.OperationalError:
                return False
            except pymysql.err.OperationalError as error:
                return bool(error.args[0] == TLS_REQUIRED)  # up, and strict
            return True

        wait_until(ready, START_SECONDS, f"the start of the server on port {self.port}")


class PostgresServer(Server):
    """A PostgreSQL cluster with TLS; logins with a password, from IPv4 loopback, unless `hba` says otherwise."""

    stop_signal = signal.SIGINT  # fast shutdown: does not wait for clients

    def sql(self, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=database,
            sslmode="disable",
            connect_timeout=5,
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()


class MariadbServer(Server):
    """A MariaDB server with TLS; the superuser logs in from 127.0.0.1."""

    def sql(self, *statements: str, database: str = "mysql") -> list[tuple[Any, ...]]:
        connection = pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password.encode(),
            database=database,
            ssl_disabled=True,
            autocommit=True,
            connect_timeout=5,
        )
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()


# Order matters to PostgreSQL: the first line that fits decides.
HBA = """
host    all       rejected    127.0.0.1/32  reject
hostssl all       tls_only    127.0.0.1/32  scram-sha-256
hostssl all       with_cert   127.0.0.1/32  scram-sha-256 clientcert=verify-ca
host    all       trusted     127.0.0.1/32  trust
host    all       plain       127.0.0.1/32  password
host    all       all         127.0.0.1/32  scram-sha-256
"""
POSTGRES_SETTINGS = {
    "listen_addresses": "'127.0.0.1,::1'",
    "unix_socket_directories": "''",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "25",
    "shared_buffers": "16MB",
    "ssl": "on",
    "ssl_cert_file": "'server.crt'",
    "ssl_key_file": "'server.key'",
    "ssl_ca_file": "'ca.crt'",
    "autovacuum": "off",
}


def start_postgres(
    folder: Path,
    *,
    port: int = 0,
    hba: str = HBA,
    settings: Mapping[str, str] | None = None,
    authority: trustme.CA | None = None,
    standby: bool = False,
    dies_with_us: bool = True,
) -> PostgresServer:
    """Start the cluster in `folder`, making it first where there is none."""
    programs = _postgres_programs()
    data, password = folder / "data", "postgres-admin"
    owner = _owner("postgres")
    if not (data / "PG_VERSION").exists():
        _prepare(folder, owner)
        secret = _write(folder / "pw", password, owner)
        _run(
            [programs / "initdb", "-D", data, "-U", "postgres", "--pwfile", secret, "-A", "scram-sha-256"],
            ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"],
            user=owner,
        )
        authority = authority or trustme.CA()
        _certificates(data, authority, owner)
    lines = [f"{name} = {value}" for name, value in {**POSTGRES_SETTINGS, **(settings or {})}.items()]
    _write(data / "postgresql.auto.conf", "\n".join(lines) + "\n", owner)
    _write(data / "pg_hba.conf", hba, owner)
    if standby:
        _write(data / "standby.signal", "", owner)
    server = PostgresServer(folder, port or free_port(), "postgres", password, (data / "ca.crt").read_text())
    server.authority = authority
    _launch(server, [programs / "postgres", "-D", data, "-p", server.port], owner, dies_with_us)
    return server


def start_mariadb(
    folder: Path,
    *,
    port: int = 0,
    settings: Mapping[str, str] | None = None,
    authority: trustme.CA | None = None,
    dies_with_us: bool = True,
) -> MariadbServer:
    """Start the server in `folder`, making its system tables first where there are none."""
    daemon = _program("mariadbd", "mariadb-server-core", "/usr/sbin")
    install = _program("mariadb-install-db", "mariadb-server-core")
    data, password, owner = folder / "data", "mariadb-admin", _owner("mysql")
    passing = folder / "tmp"  # one that begins tidies up in it, also what another one has there
    if not (data / "mysql").exists():
        _prepare(folder, owner)
    _prepare(passing, owner)
    if not (data / "mysql").exists():
        _run(
            [install, "--no-defaults", f"--datadir={data}", f"--tmpdir={passing}"],
            [f"--user={owner or os.environ.get('USER', 'root')}"],
            ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"],
            user=None,
        )
        authority = authority or trustme.CA()
        _certificates(data, authority, owner)
    init = _write(
        folder / "init.sql",
        "DELETE FROM mysql.global_priv WHERE User = '';\n"
        "FLUSH PRIVILEGES;\n"
        f"CREATE USER IF NOT EXISTS 'admin'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
        "GRANT ALL ON *.* TO 'admin'@'127.0.0.1' WITH GRANT OPTION;\n",
        owner,
    )
    server = MariadbServer(folder, port or free_port(), "admin", password, (data / "ca.crt").read_text())
    server.authority = authority
    options = {
        "datadir": data,
        "tmpdir": passing,
        "socket": folder / "socket",
        "pid-file": folder / "pid",
        "port": server.port,
        "bind-address": HOST,
        "init-file": init,
        "ssl-cert": data / "server.crt",
        "ssl-key": data / "server.key",
        "ssl-ca": data / "ca.crt",
        "skip-name-resolve": 1,
        "innodb-flush-log-at-trx-commit": 0,
        "innodb-buffer-pool-size": "16M",
        "innodb-log-file-size": "8M",
        "performance-schema": 0,
        "disconnect-on-expired-password": 1,
        **(settings or {}),
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    _launch(server, [daemon, "--no-defaults", *arguments], owner, dies_with_us)
    return server


@contextlib.contextmanager
def temporary(start: Callable[..., Server], **options: Any) -> Iterator[Any]:
    """A server in a temporary folder, gone afterwards with everything in it."""
    # Not pytest's own folder: that one is closed to the account the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="etl-server-"))
    server = None
    try:
        server = start(folder, **options)
        yield server
    finally:
        if server:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _launch(server: Server, command: list[Any], owner: str | None, dies_with_us: bool) -> None:
    words = [str(word) for word in command]
    setpriv = shutil.which("setpriv")
    if dies_with_us and setpriv:  # a killed test run leaves no server behind
        words = [setpriv, f"--pdeathsig={server.stop_signal.name[3:]}", *words]
    with (server.folder / server.log_name).open("ab") as log:
        server.process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            user=owner,
            group=owner,
            cwd=server.folder,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
    server.pid = server.process.pid
    try:
        server.wait_ready()
    except BaseException:
        server.stop()
        raise


def _prepare(folder: Path, owner: str | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    if owner:
        shutil.chown(folder, owner, owner)


def _certificates(data: Path, authority: trustme.CA, owner: str | None) -> None:
    certificate = authority.issue_cert(*NAMES)
    _write(data / "ca.crt", authority.cert_pem.bytes().decode(), owner)
    _write(data / "server.crt", certificate.cert_chain_pems[0].bytes().decode(), owner)
    _write(data / "server.key", certificate.private_key_pem.bytes().decode(), owner)


def _write(path: Path, text: str, owner: str | None) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    if owner:
        shutil.chown(path, owner, owner)
    return path


def _run(*command: list[Any], user: str | None) -> None:
    words = [str(word) for part in command for word in part]
    done = subprocess.run(
        words,
        check=False,
        user=user,
        group=user,
        cwd="/",
        capture_output=True,
        text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/bin"},
    )
    if done.returncode:
        raise RuntimeError(f"{words[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def _owner(account: str) -> str | None:
    """These servers refuse to run as root; anybody else runs them as themselves."""
    return account if os.geteuid() == 0 else None


def _postgres_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    return _program("initdb", "postgresql").resolve().parent


def _program(name: str, package: str, folder: str = "/usr/bin") -> Path:
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), folder)))
    if not found:
        raise MissingBinary(f"{name} is not installed (Debian package {package})")
    return Path(found)
