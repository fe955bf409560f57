"""The error tree: every failure a person can meet says what failed, on what, and what to do.

    EtlError
    |- BadInput          the caller must change something
    |  `- BadSetting     a setting has a wrong value; the start stops
    |- NotFound          absent
    |- Conflict          changed, or taken, under you
    |  `- Stale          the caller's copy is older than what is stored
    |- Denied            no right
    |- Locked            the vault is closed, or its key does not fit
    |- NotCapable        this kind cannot do that
    |- StoreError        the metadata store
    |  |- StoreUnavailable   (retryable) cannot be reached
    |  `- DuplicateKey       a unique key is taken
    |- ConnectorError    kind, native_code
    |  |- Unreachable    (retryable) no answer from the other side
    |  |- Refused        the other side said no to this login
    |  |- Missing        the thing named is not there
    |  |- Rejected       the other side does not accept the request
    |  `- Throttled      (retryable) the other side is full or starting up
    `- Cancelled         somebody asked to stop

The message states the fact first and names the thing; it never holds a secret. The hint is one imperative
sentence. `code` is stable and documented: programs switch on it, never on the message.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

ContextValue = str | int | float | bool | None


class Audience(StrEnum):
    """Who must act."""

    USER = "user"
    OPERATOR = "operator"
    DEVELOPER = "developer"


class Problem:
    """One wrong field: where it is (JSON pointer), what is wrong with it, how to repair it."""

    __slots__ = ("code", "fix", "message", "pointer")

    def __init__(self, pointer: str, code: str, message: str, fix: str = "") -> None:
        self.pointer = pointer
        self.code = code
        self.message = message
        self.fix = fix

    def as_dict(self) -> dict[str, str]:
        return {"pointer": self.pointer, "code": self.code, "message": self.message, "fix": self.fix}


class EtlError(Exception):
    """Something went wrong that has no more exact name."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    audience: Audience = Audience.USER

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        context: Mapping[str, ContextValue] | None = None,
        problems: tuple[Problem, ...] = (),
    ) -> None:
        self.message = message or (self.__doc__ or "").strip().splitlines()[0]
        self.hint = hint
        self.context = dict(context or {})
        self.problems = problems
        super().__init__(self.message)


class BadInput(EtlError):
    """The request has a value that cannot be used."""

    code = "bad-input"


class BadSetting(BadInput):
    """A setting has a value that cannot be used."""

    code = "bad-setting"
    audience = Audience.OPERATOR


class NotFound(EtlError):
    """There is no such thing."""

    code = "not-found"


class Conflict(EtlError):
    """The thing was changed or taken by somebody else."""

    code = "conflict"


class Stale(Conflict):
    """The thing changed since it was read."""

    code = "stale"


class KeyReused(BadInput):
    """The Idempotency-Key came before with another request."""

    code = "idempotency-key-reused"


class KeyInUse(Conflict):
    """The request with this Idempotency-Key is still being answered."""

    code = "idempotency-key-in-use"
    retryable = True


class Denied(EtlError):
    """This actor may not do that."""

    code = "denied"


class Locked(EtlError):
    """The vault is closed: secrets cannot be read or written."""

    code = "locked"
    audience = Audience.OPERATOR


class NotCapable(EtlError):
    """This kind of connection cannot do that."""

    code = "not-capable"


class StoreError(EtlError):
    """The metadata store refused the request."""

    code = "store-error"
    audience = Audience.DEVELOPER


class StoreUnavailable(StoreError):
    """The metadata store cannot be reached."""

    code = "store-unavailable"
    retryable = True
    audience = Audience.OPERATOR


class DuplicateKey(StoreError):
    """A unique key is taken."""

    code = "duplicate-key"


class ConnectorError(EtlError):
    """The other side of a connection failed."""

    code = "connector-error"

    def __init__(
        self,
        message: str = "",
        *,
        kind: str = "",
        native_code: str = "",
        hint: str = "",
        context: Mapping[str, ContextValue] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, context=context)
        self.kind = kind
        self.native_code = native_code


class Unreachable(ConnectorError):
    """The other side does not answer."""

    code = "unreachable"
    retryable = True
    audience = Audience.OPERATOR


class Refused(ConnectorError):
    """The other side refused the login."""

    code = "refused"


class Missing(ConnectorError):
    """The other side does not have that."""

    code = "missing"


class Rejected(ConnectorError):
    """The other side does not accept the request."""

    code = "rejected"


class Throttled(ConnectorError):
    """The other side is full or not ready yet."""

    code = "throttled"
    retryable = True
    audience = Audience.OPERATOR


class Cancelled(EtlError):
    """Stopped because somebody asked for it."""

    code = "cancelled"
