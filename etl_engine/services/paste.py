"""Paste anything: an address, settings or a command line becomes the fields of a connection."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from etl_engine.errors import BadInput
from etl_engine.masking import hide
from etl_engine.model.pasted.fields import FILE_KINDS, KIND_TITLES, TITLES, Found
from etl_engine.model.pasted.read import other_kind, read
from etl_engine.services import access
from etl_engine.services.context import Context

LARGEST_TEXT = 65_536
_LONGEST_NAME = 60
_MOST_OPTIONS_NAMED = 8
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_FILE_FIELDS = frozenset({"db_type", "database"})
_PLACES = frozenset({"files", "s3", "lake"})
_WHAT_CAN_BE_PASTED = (
    "Paste a URL (postgres://…, mysql://…, jdbc:…), .env lines, a docker-compose service, a psql or mysql command, "
    "a connection string, the path of a database file, of Parquet, CSV or JSON Lines or of a Delta table, or s3://…"
)


@dataclass(frozen=True)
class _Provider:
    """A hosting service, known by the end of its host names."""

    title: str
    ends: tuple[str, ...]
    tls_only: bool = True


_PROVIDERS = (
    _Provider("Neon", (".neon.tech",)),
    _Provider("Supabase", (".supabase.co", ".supabase.com")),
    _Provider("Azure", (".database.azure.com",)),
    _Provider("DigitalOcean", (".ondigitalocean.com",)),
    _Provider("PlanetScale", (".psdb.cloud",)),
    _Provider("Aiven", (".aivencloud.com",)),
    _Provider("Heroku", (".compute-1.amazonaws.com", ".compute.amazonaws.com")),
    _Provider("Amazon RDS", (".rds.amazonaws.com",), tls_only=False),
    _Provider("Render", (".render.com",)),
    _Provider("Railway", (".rlwy.net", ".railway.app"), tls_only=False),
)


@dataclass(frozen=True)
class Reading:
    """One field that was filled, and where it was read: "Host from POSTGRES_HOST"."""

    field: str
    title: str
    source: str

    @property
    def sentence(self) -> str:
        return f"{self.title} from {self.source}"


@dataclass(frozen=True)
class Understood:
    """What a pasted text says. The password is in `fields` alone, as a SecretStr."""

    form: str  # what the text is, such as "PostgreSQL URL"
    db_type: str | None  # None: nothing in the text names the kind
    fields: dict[str, Any]  # as the form of a connection has them; what the text does not say is missing
    understood: tuple[Reading, ...]
    notes: tuple[str, ...] = ()  # what was left out, and what to look at
    name: str = field(default="")  # a name to suggest


def understand(ctx: Context, text: str) -> Understood:
    """Read whatever was pasted; BadInput where it says nothing about a database. Nothing is stored or connected to."""
    access.require(ctx, "kind:read")
    if len(text) > LARGEST_TEXT:
        raise BadInput(
            f"The text has {len(text)} characters, and at most {LARGEST_TEXT} are read",
            hint="Paste only the part that is about the database.",
        )
    found = read(text) if not other_kind(text) else []
    if not found:
        raise _nothing(text)
    for one in found:
        if isinstance(password := one.values.get("password"), SecretStr):
            hide(password.get_secret_value())
    return _understood(found)


def _nothing(text: str) -> BadInput:
    if not text.strip():
        return BadInput("There is nothing to read", hint=_WHAT_CAN_BE_PASTED)
    other = other_kind(text)
    if other:
        return BadInput(f"This is an address of {other}, which is not a kind of connection", hint=_WHAT_CAN_BE_PASTED)
    return BadInput("No database is described in this text", hint=_WHAT_CAN_BE_PASTED)


def _understood(several: list[Found]) -> Understood:
    found = dataclasses.replace(several[0])
    found.guess_kind()
    kind = found.values.get("db_type")
    if kind in FILE_KINDS:
        found.values = {name: value for name, value in found.values.items() if name in _FILE_FIELDS}
    provider = _provider(found)
    if provider and provider.tls_only and "tls_mode" not in found.values:
        found.values["tls_mode"] = "require"
        found.sources["tls_mode"] = f"the host: {provider.title} takes encrypted connections only"
    notes = list(found.notes)
    if kind is None:
        notes.append(f"The text does not name the kind of database: choose {_either(list(KIND_TITLES.values())[:2])}.")
    if len(several) > 1:
        notes.append(f"{len(several)} databases are described: the first one is used.")
    if found.ignored:
        notes.append(_ignored(found.ignored))
    readings = tuple(
        Reading(name, title, found.sources[name]) for name, title in TITLES.items() if name in found.values
    )
    return Understood(found.form, str(kind) if kind else None, found.values, readings, tuple(notes), _name(found))


def _ignored(options: list[str]) -> str:
    names = list(dict.fromkeys(options))
    more = len(names) - _MOST_OPTIONS_NAMED
    return f"Not used: {', '.join(names[:_MOST_OPTIONS_NAMED])}{f' and {more} more' if more > 0 else ''}."


def _provider(found: Found) -> _Provider | None:
    host = str(found.values.get("host", "")).casefold().rstrip(".")
    return next((provider for provider in _PROVIDERS if host.endswith(provider.ends)), None)


def _name(found: Found) -> str:
    """What a person would call it: "shop on db.example.com"."""
    database, host = (_visible(str(found.values.get(name, ""))) for name in ("database", "host"))
    provider = _provider(found)
    if found.values.get("db_type") in FILE_KINDS:
        return database.replace("\\", "/").rpartition("/")[2].partition(".")[0][:_LONGEST_NAME]
    if found.values.get("db_type") in _PLACES:
        parts = [str(found.values.get(name, "")).rpartition("/")[2] for name in ("prefix", "folder", "bucket")]
        return next((part for part in map(_visible, parts) if part not in ("", ".")), "")[:_LONGEST_NAME]
    place = provider.title if provider else "this machine" if host in _LOCAL else host
    return " on ".join(part[:_LONGEST_NAME] for part in (database, place) if part)


def _visible(text: str) -> str:
    return "".join(character for character in text if character.isprintable()).strip()


def _either(titles: list[str]) -> str:
    return " or ".join(titles)
