"""The only place that picks the concrete store and keys: Settings in, Context out, once per process."""

import contextlib
import ipaddress
import os
import sys
import tempfile
import threading
from pathlib import Path

import structlog

from etl_engine import __version__, faultpoints, logs, settings
from etl_engine.connectors import addresses
from etl_engine.connectors.contract import Deadline, Surroundings
from etl_engine.connectors.fault import Fault, OutOfTime
from etl_engine.dispatch.local import LocalDispatch
from etl_engine.errors import BadSetting, Locked, Rejected, StoreUnavailable, Unreachable
from etl_engine.model import collections
from etl_engine.notify.contract import Notifier
from etl_engine.notify.webhook import Webhook
from etl_engine.sealing import is_key, new_key
from etl_engine.services import execution_claims
from etl_engine.services.context import Context
from etl_engine.services.keyring import Keyring
from etl_engine.settings import Settings
from etl_engine.store.contract import Store
from etl_engine.store.opening import Opening

KEY_FILE = "encryption.key"
_LOOKUP_SECONDS = 5.0
WORKER_MODULE = "etl_engine.workers.slot"
NEW_KEY = "made a new key in {} (mode 0600): back it up, apart from the store"


class Engine:
    """One process's hold on the store. Nothing opens before the first `context()`: workers are forked or spawned."""

    def __init__(self, config: Settings) -> None:
        self.config = config
        self.made_key_file: Path | None = None
        self.dispatch = LocalDispatch((sys.executable, "-m", WORKER_MODULE), self._work_is_waiting)
        self.notifier = _notifier(config)
        self._store = _store(config)
        self._opening = Opening(self._open)

    @property
    def key_file(self) -> Path:
        return self.config.data_dir.absolute() / KEY_FILE

    @property
    def store_exists(self) -> bool:
        """Whether the file of the embedded store is there."""
        return any(file.exists() for file in self.config.store_files[:1])

    def context(self) -> Context:
        """The Context of this process. Opens the store the first time, and tries again while it cannot be reached.

        Raises StoreUnavailable while there is no store, Locked when the key does not open it.
        """
        return self._opening.get()

    def close(self) -> None:
        self._opening.forget()
        self._store.close()

    def _open(self) -> Context:
        config = self.config
        faultpoints.arm(config.faultpoints)
        self._store.open(collections.ALL)
        keyring = Keyring(self._store, config.keys or self._local_keys())
        keyring.vault()  # a key that does not fit is found now, not at the first secret
        for root in config.effective_file_roots:
            with contextlib.suppress(OSError):
                root.mkdir(parents=True, exist_ok=True)
        surroundings = Surroundings(
            deny=config.denied_networks,
            file_roots=config.effective_file_roots,
            forbidden_paths=(self.key_file, *config.store_files),
            lake=config.data_dir.absolute() / "lake",
        )
        return Context(self._store, keyring, surroundings, self.dispatch)

    def _work_is_waiting(self) -> bool:
        return execution_claims.waiting(self.context())

    def _local_keys(self) -> tuple[str, ...]:
        """The key file of the embedded store; made once, unless the store is already sealed with another key."""
        path = self.key_file
        sealed = Keyring(self._store, ()).exists()  # asked first: whoever seals a store has made its key file before
        if not path.exists():
            if sealed:
                raise Locked(
                    f"The embedded store is sealed, and its key file {path} is gone",
                    hint="Put the key file back, or set ENCRYPTION_KEY to the key it held. Nothing was changed.",
                )
            self.made_key_file = _make_key_file(path)
        try:
            key = path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadSetting(
                f"The key file {path} cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}",
                hint="Let this user read it, or set ENCRYPTION_KEY to the key it holds.",
            ) from error
        if not is_key(key):
            raise BadSetting(
                f"The key file {path} does not hold a Fernet key",
                hint="Restore it from a backup, or set ENCRYPTION_KEY to the key it held.",
            )
        return (key,)


_engine: Engine | None = None
_engine_lock = threading.Lock()


def engine() -> Engine:
    """This process's engine, from its settings."""
    global _engine  # noqa: PLW0603 - one per process is what this module is for
    # Read by Arrow when it is loaded. Its other allocators keep what copies have given back: 15 to 60 MB more.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
    with _engine_lock:
        if _engine is None:
            _engine = Engine(settings.load())
        return _engine


def context() -> Context:
    return engine().context()


def start(process: str, port: int | None = None) -> Engine:
    """The beginning of a process: settings, logs, a line about what runs where, and the store opened.

    Raises BadSetting or Locked, and then the process must not go on. A store that is away is a warning: every later
    use tries again.
    """
    running = engine()
    config = running.config
    logs.configure(config.log_level, config.log_format)
    log = structlog.get_logger()
    address = f"[{config.host}]" if ":" in config.host else config.host
    log.info(
        f"{process} started",
        version=__version__,
        address=f"{address}:{port}" if port else address,
        store=config.store_name,
        data_dir=str(config.data_dir.absolute()),
        key="ENCRYPTION_KEY" if config.keys else str(running.key_file),
    )
    if not ipaddress.ip_address(config.host).is_loopback:
        log.warning("anyone who reaches this address can use it: there are no users yet", address=config.host)
    try:
        running.context()
    except StoreUnavailable as error:
        log.warning(error.message, hint=error.hint)
    if running.made_key_file:
        log.warning(NEW_KEY.format(running.made_key_file))
    return running


def _notifier(config: Settings) -> Notifier | None:
    if config.webhook_url is None or config.webhook_secret is None:
        return None

    def vetted(host: str) -> list[str]:
        deadline = Deadline(_LOOKUP_SECONDS)
        try:
            found = addresses.resolve(host, deadline)
            addresses.allow(host, found, config.denied_networks)
        except OutOfTime:
            raise Unreachable(f"The name server did not answer the question for {host}") from None
        except Fault as fault:
            if fault.code == "address-denied":
                raise Rejected(f"The webhook must not be sent: {fault.cause}", hint=fault.fix) from fault
            raise Unreachable(f"The webhook cannot be sent: {fault.cause}", hint=fault.fix) from fault
        return [str(address) for address in found]

    return Webhook(config.webhook_url.get_secret_value(), config.webhook_secret.get_secret_value(), vetted)


def _store(config: Settings) -> Store:
    try:
        return _store_at(config, config.effective_store_url)
    except BadSetting as error:
        raise BadSetting(f"{config.store_variable} cannot be used: {error.message}", hint=error.hint) from error


def _store_at(config: Settings, url: str) -> Store:
    if url.startswith("mongodb"):
        from etl_engine.store.mongo import MongoStore

        return MongoStore(url, config.mongodb_db_name)
    from etl_engine.store.sql import SqlStore

    return SqlStore(url)


def _make_key_file(path: Path) -> Path | None:
    """Write a fresh key with mode 0600, complete or not at all; None where another process was first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".key")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(new_key() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)
    except FileExistsError:
        return None
    finally:
        Path(name).unlink()
    return path
