"""A connection: what a person types, what is stored, what a test says about it."""

import datetime as dt
import functools
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, model_validator

from etl_engine.model.text import Host, Identifier, Name, Port, Secret

TESTS_KEPT = 20


class TestStatus(StrEnum):
    """How the last test of a connection ended."""

    __test__ = False  # not a test class, whatever its name says

    SUCCESS = "success"
    FAILED = "failed"


class ConnectionConfig(BaseModel):
    """What every kind of connection has; a kind adds its own fields."""

    model_config = ConfigDict(extra="forbid", str_max_length=100_000, hide_input_in_errors=True, strict=True)

    name: Annotated[Name, Field(title="Connection name", description="How people find it; unique.")]
    db_type: str

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"{type(self).__name__} is not pickled: it holds secrets")

    @classmethod
    @functools.cache
    def secret_fields(cls) -> tuple[str, ...]:
        """Fields that are sealed in the store and masked in every answer."""
        return tuple(name for name, field in cls.model_fields.items() if _is_secret(field.annotation))

    def revealed(self) -> dict[str, Any]:
        """Plain values, secrets included: for sealing and for drivers, never for an answer or a log."""
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in ((name, getattr(self, name)) for name in type(self).model_fields)
        }


TlsMode = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]
_TLS = {"group": "tls"}


_NEITHER_OR_BOTH: list[JsonValue] = [
    {"properties": {"tls_cert": {"type": "null"}, "tls_key": {"type": "null"}}},
    {
        "properties": {"tls_cert": {"type": "string"}, "tls_key": {"type": "string"}},
        "required": ["tls_cert", "tls_key"],
    },
]


class ServerConfig(ConnectionConfig):
    """A database server reached over TCP, with a login and optional TLS."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _NEITHER_OR_BOTH})

    host: Annotated[
        Host,
        Field(title="Host", description="Name or IP address.", json_schema_extra={"placeholder": "db.example.com"}),
    ]
    port: Annotated[Port, Field(title="Port")]
    database: Annotated[Identifier, Field(title="Database")]
    username: Annotated[Identifier, Field(title="Username")]
    password: Annotated[Secret, Field(title="Password", min_length=1, max_length=1024)]
    tls_mode: Annotated[
        TlsMode,
        Field(
            title="TLS",
            description="prefer: encrypt if the server can; verify-full: also check certificate and host name.",
            json_schema_extra=_TLS,
        ),
    ] = "prefer"
    tls_ca: Annotated[
        str | None,
        Field(
            title="CA certificate",
            description="PEM text of the authority that signed the server's certificate.",
            max_length=65_536,
            json_schema_extra={**_TLS, "multiline": True},
        ),
    ] = None
    tls_server_name: Annotated[
        Host | None,
        Field(
            title="Name in the certificate",
            description="Where it differs from the host.",
            json_schema_extra=_TLS,
        ),
    ] = None
    tls_cert: Annotated[
        str | None,
        Field(
            title="Client certificate",
            description="PEM text.",
            max_length=65_536,
            json_schema_extra={**_TLS, "multiline": True},
        ),
    ] = None
    tls_key: Annotated[
        Secret | None,
        Field(
            title="Client key",
            description="PEM text, without a passphrase.",
            max_length=65_536,
            json_schema_extra={**_TLS, "multiline": True},
        ),
    ] = None

    @model_validator(mode="after")
    def _certificate_and_key_come_together(self) -> "ServerConfig":
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("a client certificate needs its key, and a key its certificate")
        return self


class StepReport(BaseModel):
    """One rung of the ladder, as an answer shows it."""

    key: str
    title: str
    state: Literal["pending", "running", "pass", "warn", "fail", "skipped"]
    ms: float = 0.0
    evidence: str = ""
    cause: str = ""
    fix: str = ""
    who: Literal["you", "dba", "network"] | None = None
    code: str = ""


class TestDetails(BaseModel):
    """What a test found."""

    __test__ = False

    db_type: str
    version: str | None = Field(default=None, description="What the server calls itself; only after a successful test.")
    ms: float
    steps: list[StepReport]
    receipt: str | None = Field(
        default=None,
        description="Proof of a successful test of unsaved values: send it as test_receipt when saving exactly these.",
    )
    recorded: bool = Field(default=False, description="Whether the result now stands on the stored connection.")


class TestResult(BaseModel):
    """How a connection test ended; a failed test is an answer, not an error."""

    __test__ = False

    success: bool
    message: str
    details: TestDetails


class TestRun(BaseModel):
    """One test in the history of a connection."""

    __test__ = False

    at: dt.datetime
    status: TestStatus
    ms: Annotated[float, Field(description="How long the whole ladder took.")]


class SavedFields(BaseModel):
    """What the store adds to the typed fields of a connection."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, strict=False)

    id: Annotated[str, Field(alias="_id", pattern="^[0-9a-f]{24}$", description="24 hexadecimal digits.")]
    created_at: dt.datetime
    updated_at: dt.datetime
    last_tested_at: dt.datetime | None = None
    last_test_status: TestStatus | None = None
    last_test_ms: float | None = None
    last_test_version: str | None = None
    last_test_message: str | None = None
    tests: list[TestRun] = []
    revision: Annotated[int, Field(exclude=True)] = 1


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))
