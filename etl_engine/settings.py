"""Every setting: name, type, default, help. The only reader of the environment (and of `.env`)."""

import ipaddress
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from etl_engine import faultpoints
from etl_engine.errors import BadSetting, Problem
from etl_engine.masking import hide
from etl_engine.sealing import is_key

# The app's own ports (dev 3000 and 8000, by both loopback names) and the specifications' two.
DEFAULT_ORIGINS = (
    "http://localhost:3000",
    "http://127.0.0.1:3000",
    "http://localhost:8000",
    "http://127.0.0.1:8000",
    "http://localhost:5173",
)
# Never connected to, whatever the operator allows: link-local addresses and cloud metadata services.
ALWAYS_DENIED = ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32", "192.0.0.192/32")
# First parts of paths that the app, its pages and Reflex use themselves.
_TAKEN_PATHS = frozenset(
    {"docs", "health", "ping", "assets", "connections", "mappings", "overview", "runs", "schedules", "schemas"}
)
_SECRET_SETTINGS = frozenset({"encryption_key", "mongodb_url", "store_url", "webhook_secret", "webhook_url"})


class Settings(BaseSettings):
    """Values come from the environment first, then from `.env`, then from the defaults below."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True, frozen=True
    )

    data_dir: Annotated[Path, Field(description="Folder of the embedded store, its key and the files.")] = Path("data")
    store_url: Annotated[
        SecretStr | None,
        Field(
            description="Metadata store: sqlite:///…, postgresql+psycopg2://… or mongodb://…; wins over MONGODB_URL."
        ),
    ] = None
    mongodb_url: Annotated[SecretStr | None, Field(description="MongoDB server as metadata store: mongodb://…")] = None
    mongodb_db_name: Annotated[str, Field(description="Database in that MongoDB.")] = "etl_engine"
    encryption_key: Annotated[
        tuple[SecretStr, ...],
        NoDecode,
        Field(description="Fernet key(s) that wrap the data key; comma separated: the first wraps, all open."),
    ] = ()
    api_v1_prefix: Annotated[str, Field(description="Path of the REST API.")] = "/api/v1"
    cors_origins: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(description="Web origins that may call the API with credentials, and whose hosts it goes by; never *."),
    ] = DEFAULT_ORIGINS
    host: Annotated[str, Field(description="Address every port binds to.")] = "127.0.0.1"
    connect_deny: Annotated[
        tuple[str, ...], NoDecode, Field(description="Networks (CIDR) that connections must not reach.")
    ] = ()
    file_roots: Annotated[
        tuple[Path, ...], NoDecode, Field(description="Folders that file connections may use; default DATA_DIR/files.")
    ] = ()
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="What is worth a line in the log.")
    ] = "info"
    log_format: Annotated[Literal["console", "json"], Field(description="console for people, json for machines.")] = (
        "console"
    )
    worker_slots: Annotated[
        int,
        Field(
            ge=0,
            le=64,
            description="Executions at a time, each in a process of its own; 0: the web server does none.",
        ),
    ] = 4
    worker_port: Annotated[int, Field(ge=1, le=65535, description="Port of /health and /metrics of a worker.")] = 8001
    stall_minutes: Annotated[
        float, Field(gt=0, le=10_080, description="An execution in which nothing moves for so long is stopped.")
    ] = 60.0
    log_retention_days: Annotated[
        int, Field(ge=1, le=36_500, description="How long the log lines of executions are kept.")
    ] = 30
    webhook_url: Annotated[
        SecretStr | None,
        Field(description="Is told when an execution fails, recovers or is lost: https://… (signed, see docs)."),
    ] = None
    webhook_secret: Annotated[
        SecretStr | None, Field(description="Signs what is sent there: 16 characters at least.")
    ] = None
    faultpoints: Annotated[str, Field(description="For tests only: named points that fail.", exclude=True)] = ""

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("Settings are not pickled: they hold keys")

    @field_validator("data_dir")
    @classmethod
    def _folder(cls, folder: Path) -> Path:
        folder = folder.expanduser()
        if "?" in str(folder.absolute()):
            raise ValueError("must be a folder without a question mark: SQLite would read options there")
        if folder.exists() and not folder.is_dir():
            raise ValueError("must be a folder, or the name of one to be made")
        return folder

    @field_validator("mongodb_db_name")
    @classmethod
    def _database_name(cls, name: str) -> str:
        if not re.fullmatch(r'[^/\\. "$\x00]{1,63}', name):
            raise ValueError('must be a database name of 1 to 63 characters, without / \\ . " $ and spaces')
        return name

    @field_validator("api_v1_prefix")
    @classmethod
    def _path(cls, path: str) -> str:
        if not re.fullmatch(r"(/[a-z0-9_-]+)+", path):
            raise ValueError("must be a path such as /api/v1: lower-case letters, digits, _ and - behind each /")
        if path.split("/")[1].startswith("_") or path.split("/")[1] in _TAKEN_PATHS:
            raise ValueError("must begin with another word: that path is taken by the app itself")
        return path

    @field_validator("faultpoints")
    @classmethod
    def _fault_points(cls, spec: str) -> str:
        faultpoints.parse(spec)
        return spec

    @field_validator("encryption_key", "cors_origins", "connect_deny", "file_roots", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            try:
                return tuple(json.loads(value))
            except ValueError:
                raise ValueError('must be a comma separated list, or JSON such as ["one", "two"]') from None
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("encryption_key")
    @classmethod
    def _fernet_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for number, key in enumerate(keys, 1):
            if not is_key(key.get_secret_value()):
                raise ValueError(f"key {number} must be a Fernet key (make one with: etl-engine keys generate)")
        return keys

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not _is_origin(origin):
                raise ValueError(f"{origin!r} must be an exact origin such as http://localhost:3000")
        return origins

    @field_validator("connect_deny")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ValueError(f"{network!r} must be a network such as 10.0.0.0/8") from None
        return networks

    @field_validator("host")
    @classmethod
    def _address(cls, host: str) -> str:
        if host == "localhost":
            return "127.0.0.1"
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            raise ValueError("must be an IP address such as 127.0.0.1 or 0.0.0.0") from None

    @field_validator("store_url")
    @classmethod
    def _store_scheme(cls, url: SecretStr | None) -> SecretStr | None:
        if url and re.fullmatch(r"sqlite:/*(:memory:.*|\?.*)?", url.get_secret_value()):
            raise ValueError("must name a file: sqlite:////var/lib/etl-engine/store.db")
        return _with_scheme(url, "sqlite", "postgresql", "postgresql+psycopg2", "mongodb", "mongodb+srv")

    @field_validator("mongodb_url")
    @classmethod
    def _mongodb_scheme(cls, url: SecretStr | None) -> SecretStr | None:
        return _with_scheme(url, "mongodb", "mongodb+srv")

    @field_validator("webhook_url")
    @classmethod
    def _web_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
            raise ValueError("must be an address such as https://example.com/hooks/etl, without a login in it")
        return url

    @field_validator("webhook_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < 16:
            raise ValueError("must have 16 characters at least")
        return secret

    @model_validator(mode="after")
    def _webhooks_are_signed(self) -> Self:
        if self.webhook_url and not self.webhook_secret:
            raise ValueError("WEBHOOK_SECRET is not set, and what is sent to WEBHOOK_URL is signed with it: set both")
        return self

    @model_validator(mode="after")
    def _shared_stores_need_a_key(self) -> Self:
        if not self.embedded and not self.encryption_key:
            raise ValueError(
                "ENCRYPTION_KEY is not set, and a shared store needs a Fernet key of yours: "
                "make one with `etl-engine keys generate`, set it and keep a copy of it apart from the store"
            )
        return self

    @property
    def effective_store_url(self) -> str:
        """The one store that is used: STORE_URL, else MONGODB_URL, else SQLite in DATA_DIR."""
        url = self.store_url or self.mongodb_url
        return url.get_secret_value() if url else f"sqlite:///{(self.data_dir / 'etl_engine.db').absolute()}"

    @property
    def store_name(self) -> str:
        """Which store, for people: without user and password."""
        kind, _, rest = self.effective_store_url.partition("://")
        if self.embedded:
            return f"SQLite file {rest.removeprefix('/')}"
        place = rest.rpartition("@")[2].partition("?")[0]
        return f"{'MongoDB' if kind.startswith('mongodb') else 'PostgreSQL'} at {place}"

    @property
    def embedded(self) -> bool:
        return self.effective_store_url.startswith("sqlite")

    @property
    def store_files(self) -> tuple[Path, ...]:
        """The embedded store's file and what SQLite keeps beside it; empty for a server."""
        if not self.embedded:
            return ()
        file = Path(self.effective_store_url.partition("?")[0].removeprefix("sqlite:///")).absolute()
        return tuple(file.with_name(file.name + tail) for tail in ("", "-wal", "-shm", "-journal"))

    @property
    def store_variable(self) -> str:
        """Which variable says where the store is."""
        return "STORE_URL" if self.store_url else "MONGODB_URL" if self.mongodb_url else "DATA_DIR"

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(key.get_secret_value() for key in self.encryption_key)

    @property
    def denied_networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        return tuple(ipaddress.ip_network(network) for network in (*ALWAYS_DENIED, *self.connect_deny))

    @property
    def effective_file_roots(self) -> tuple[Path, ...]:
        return tuple(root.absolute() for root in self.file_roots) or ((self.data_dir / "files").absolute(),)


def load(**overrides: Any) -> Settings:
    """The settings, or BadSetting: one sentence per wrong variable, naming it, what it got and what it wants."""
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        problems = tuple(_problem(dict(detail)) for detail in error.errors(include_url=False))
        raise BadSetting("; ".join(problem.message for problem in problems), problems=problems) from None
    except UnicodeDecodeError:
        raise BadSetting("The file .env is not UTF-8 text", hint="Save it as UTF-8.") from None
    for secret in (*settings.keys, *_url_passwords(settings)):
        hide(secret)
    if settings.webhook_secret:
        hide(settings.webhook_secret.get_secret_value())
    return settings


def _problem(detail: dict[str, Any]) -> Problem:
    field = str(detail["loc"][0]) if detail["loc"] else ""
    wants = str(detail["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    if not field:
        return Problem("", "bad-setting", wants)
    name = field.upper()
    got = "" if field in _SECRET_SETTINGS else f" is {str(detail['input'])[:80]!r}, and"
    return Problem(f"/{field}", "bad-setting", f"{name}{got} {wants}")


def _url_passwords(settings: Settings) -> list[str]:
    """As typed and as meant; between the first colon and the last @, whatever stands there."""
    urls = [url.get_secret_value() for url in (settings.store_url, settings.mongodb_url) if url]
    typed = [match[1] for url in urls if (match := re.search(r"://[^:/@]*:(.+)@", url, re.DOTALL))]
    return [*typed, *map(unquote, typed)]


def _is_origin(text: str) -> bool:
    """Scheme, host and perhaps a port, to the letter as a browser sends them."""
    try:
        parts = urlsplit(text)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return False
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    exact = re.fullmatch(r"[a-z0-9.:\[\]-]+", f"{host}{port}") is not None
    return exact and parts.scheme in ("http", "https") and text == f"{parts.scheme}://{host}{port}"


def _with_scheme(url: SecretStr | None, *schemes: str) -> SecretStr | None:
    if url and url.get_secret_value().partition("://")[0] not in schemes:
        raise ValueError(f"must start with one of: {', '.join(scheme + '://' for scheme in schemes)}")
    return url
