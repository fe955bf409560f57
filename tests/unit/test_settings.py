"""Every setting: its default, good values, and one clear sentence for a wrong one."""

import base64
import ipaddress
import pickle
from pathlib import Path

import pytest

from etl_engine import settings
from etl_engine.errors import BadSetting
from etl_engine.settings import DEFAULT_ORIGINS, Settings

# Fixed: their texts are part of test names, which every worker must see alike.
KEY, OTHER_KEY = (base64.urlsafe_b64encode(bytes([number]) * 32).decode() for number in (1, 2))
SECRET = "p/w:x@#?%ü"
MONGO = "mongodb://engine:" + SECRET + "@127.0.0.1:27017/?tls=true"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> BadSetting:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting) as caught:
        settings.load()
    return caught.value


DEFAULTS = {
    "data_dir": Path("data"),
    "store_url": None,
    "mongodb_url": None,
    "mongodb_db_name": "etl_engine",
    "encryption_key": (),
    "api_v1_prefix": "/api/v1",
    "cors_origins": DEFAULT_ORIGINS,
    "host": "127.0.0.1",
    "connect_deny": (),
    "file_roots": (),
    "log_level": "info",
    "log_format": "console",
    "worker_slots": 4,
    "worker_port": 8001,
    "stall_minutes": 60.0,
    "log_retention_days": 30,
    "webhook_url": None,
    "webhook_secret": None,
    "faultpoints": "",
}


def test_every_setting_has_the_documented_default() -> None:
    assert settings.load().__dict__ == DEFAULTS


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.description for field in Settings.model_fields.values())


GOOD = [
    ("DATA_DIR", "elsewhere", "data_dir", Path("elsewhere")),
    ("DATA_DIR", "~/etl", "data_dir", Path.home() / "etl"),
    ("MONGODB_DB_NAME", "etl-2", "mongodb_db_name", "etl-2"),
    ("API_V1_PREFIX", "/etl/api/v1", "api_v1_prefix", "/etl/api/v1"),
    (
        "CORS_ORIGINS",
        "https://a.example, http://b.example:81",
        "cors_origins",
        ("https://a.example", "http://b.example:81"),
    ),
    ("CORS_ORIGINS", '["https://a.example"]', "cors_origins", ("https://a.example",)),
    ("HOST", "0.0.0.0", "host", "0.0.0.0"),
    ("HOST", "localhost", "host", "127.0.0.1"),
    ("HOST", "::1", "host", "::1"),
    ("CONNECT_DENY", "10.0.0.0/8,fd00::/8", "connect_deny", ("10.0.0.0/8", "fd00::/8")),
    ("FILE_ROOTS", "/srv/a,/srv/b", "file_roots", (Path("/srv/a"), Path("/srv/b"))),
    ("LOG_LEVEL", "DEBUG", "log_level", "debug"),
    ("LOG_FORMAT", "json", "log_format", "json"),
    ("WORKER_SLOTS", "0", "worker_slots", 0),
    ("WORKER_PORT", "9100", "worker_port", 9100),
    ("STALL_MINUTES", "0.5", "stall_minutes", 0.5),
    ("LOG_RETENTION_DAYS", "365", "log_retention_days", 365),
    ("FAULTPOINTS", "one=kill,two=raise@3", "faultpoints", "one=kill,two=raise@3"),
]


@pytest.mark.parametrize(("variable", "value", "field", "expected"), GOOD)
def test_a_good_value_is_taken(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, field: str, expected: object
) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(settings.load(), field) == expected


@pytest.mark.parametrize("url", ["sqlite:////tmp/x.db", "postgresql://h/d", "postgresql+psycopg2://h/d", "mongodb://h"])
def test_a_store_is_named_by_its_url(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("STORE_URL", url)
    monkeypatch.setenv("ENCRYPTION_KEY", KEY)
    assert settings.load().effective_store_url == url


def test_several_keys_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCRYPTION_KEY", f"{KEY}, {OTHER_KEY}")
    assert settings.load().keys == (KEY, OTHER_KEY)


@pytest.mark.parametrize("variable", [name.upper() for name in Settings.model_fields])
def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "")
    assert settings.load().__dict__ == DEFAULTS


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=error\nLOG_FORMAT=json\nHOST=\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("LOG_LEVEL", "debug")
    loaded = settings.load()
    assert (loaded.log_level, loaded.log_format, loaded.host) == ("debug", "json", "127.0.0.1")


BAD = [
    ("MONGODB_DB_NAME", "a/b", "MONGODB_DB_NAME is 'a/b', and must be a database name of 1 to 63 characters"),
    ("MONGODB_DB_NAME", "x" * 64, "MONGODB_DB_NAME is 'xxx"),
    ("API_V1_PREFIX", "api", "API_V1_PREFIX is 'api', and must be a path such as /api/v1"),
    ("API_V1_PREFIX", "/api/", "API_V1_PREFIX is '/api/', and must be a path such as /api/v1"),
    ("API_V1_PREFIX", "/docs", "API_V1_PREFIX is '/docs', and must begin with another word"),
    ("API_V1_PREFIX", "/_event/x", "must begin with another word"),
    ("CORS_ORIGINS", "*", "CORS_ORIGINS is '*', and '*' must be an exact origin such as http://localhost:3000"),
    ("CORS_ORIGINS", "https://a.example/x", "must be an exact origin"),
    ("CORS_ORIGINS", "https://*.example", "must be an exact origin"),
    ("CORS_ORIGINS", "localhost:3000", "must be an exact origin"),
    ("CORS_ORIGINS", "null", "must be an exact origin"),
    ("CORS_ORIGINS", "http://a b", "must be an exact origin"),
    ("CORS_ORIGINS", "http://u:p@a.example", "must be an exact origin"),
    ("CORS_ORIGINS", "http://localhost:99999", "must be an exact origin"),
    ("CORS_ORIGINS", "http://a.example#x", "must be an exact origin"),
    ("CORS_ORIGINS", "http://A.example", "must be an exact origin"),
    ("CORS_ORIGINS", "http://a.example/", "must be an exact origin"),
    ("CORS_ORIGINS", "http://[", "must be an exact origin"),
    ("CORS_ORIGINS", '["https://a.example"', "must be a comma separated list"),
    ("HOST", "db.example.com", "HOST is 'db.example.com', and must be an IP address such as 127.0.0.1 or 0.0.0.0"),
    ("HOST", "127.0.0.1:80", "HOST is '127.0.0.1:80', and must be an IP address"),
    (
        "CONNECT_DENY",
        "10.0.0.1/8",
        "CONNECT_DENY is '10.0.0.1/8', and '10.0.0.1/8' must be a network such as 10.0.0.0/8",
    ),
    ("CONNECT_DENY", "internal", "must be a network such as 10.0.0.0/8"),
    ("LOG_LEVEL", "loud", "LOG_LEVEL is 'loud', and must be 'debug', 'info', 'warning' or 'error'"),
    ("LOG_FORMAT", "xml", "LOG_FORMAT is 'xml', and must be 'console' or 'json'"),
    ("WORKER_SLOTS", "65", "WORKER_SLOTS is '65', and must be less than or equal to 64"),
    ("WORKER_SLOTS", "-1", "must be greater than or equal to 0"),
    ("WORKER_SLOTS", "many", "must be a valid integer"),
    ("WORKER_PORT", "0", "WORKER_PORT is '0', and must be greater than or equal to 1"),
    ("WORKER_PORT", "65536", "must be less than or equal to 65535"),
    ("STALL_MINUTES", "0", "STALL_MINUTES is '0', and must be greater than 0"),
    ("STALL_MINUTES", "soon", "must be a valid number"),
    ("LOG_RETENTION_DAYS", "0", "LOG_RETENTION_DAYS is '0', and must be greater than or equal to 1"),
    (
        "FAULTPOINTS",
        "x=explode",
        "FAULTPOINTS is 'x=explode', and must be a list of name=raise or name=kill, with @n behind it if wanted",
    ),
]


@pytest.mark.parametrize(("variable", "value", "sentence"), BAD)
def test_a_wrong_value_gets_one_sentence_with_name_value_and_wish(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    error = refusal(monkeypatch, **{variable: value})
    assert sentence in error.message
    assert error.message.startswith(variable)
    assert len(error.problems) == 1
    assert "\n" not in error.message
    assert error.problems[0].pointer == f"/{variable.lower()}"


def test_a_wrong_value_in_the_file_is_quoted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=loud\n")
    assert refusal(monkeypatch).message.startswith("LOG_LEVEL is 'loud', and must be 'debug'")


def test_every_setting_that_can_be_wrong_is_tested_with_a_wrong_value() -> None:
    unquoted = {"STORE_URL", "MONGODB_URL", "ENCRYPTION_KEY", "WEBHOOK_URL", "WEBHOOK_SECRET"}
    tested = {variable for variable, _, _ in BAD} | {"DATA_DIR"} | unquoted
    any_path_is_good = {"FILE_ROOTS"}
    assert tested | any_path_is_good == {name.upper() for name in Settings.model_fields}


def test_two_wrong_values_get_a_sentence_each(monkeypatch: pytest.MonkeyPatch) -> None:
    error = refusal(monkeypatch, HOST="x", LOG_LEVEL="y")
    assert [problem.pointer for problem in error.problems] == ["/host", "/log_level"]
    assert error.message.count("; ") == 1


def test_the_data_folder_cannot_be_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("")
    assert refusal(monkeypatch, DATA_DIR="notes").message == (
        "DATA_DIR is 'notes', and must be a folder, or the name of one to be made"
    )


def test_a_data_folder_that_sqlite_would_misread_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(monkeypatch, DATA_DIR="what?").message == (
        "DATA_DIR is 'what?', and must be a folder without a question mark: SQLite would read options there"
    )


@pytest.mark.parametrize("variable", ["STORE_URL", "MONGODB_URL"])
def test_a_wrong_store_url_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    error = refusal(monkeypatch, **{variable: f"mysql://engine:{SECRET}@127.0.0.1/x"})
    assert error.message.startswith(f"{variable} must start with one of: ")
    assert SECRET not in str(error) + repr(error) + str([problem.as_dict() for problem in error.problems])


@pytest.mark.parametrize("keys", ["short", f"{KEY},nonsense", KEY[:-1]])
def test_a_wrong_key_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    error = refusal(monkeypatch, ENCRYPTION_KEY=keys)
    number = 2 if "," in keys else 1
    assert error.message == (
        f"ENCRYPTION_KEY key {number} must be a Fernet key (make one with: etl-engine keys generate)"
    )
    assert keys not in repr(error)


@pytest.mark.parametrize("url", ["hooks.example", "ftp://hooks.example/t0ken", "https://u:t0ken@hooks.example/x"])
def test_a_wrong_webhook_address_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    error = refusal(monkeypatch, WEBHOOK_URL=url, WEBHOOK_SECRET="s" * 16)
    assert error.message == (
        "WEBHOOK_URL must be an address such as https://example.com/hooks/etl, without a login in it"
    )
    assert url not in repr(error)


def test_a_webhook_is_signed_with_a_secret_that_is_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_URL", "https://hooks.example/x")
    assert refusal(monkeypatch).message.startswith("WEBHOOK_SECRET is not set")
    assert refusal(monkeypatch, WEBHOOK_SECRET="s3" * 7).message == "WEBHOOK_SECRET must have 16 characters at least"
    monkeypatch.setenv("WEBHOOK_SECRET", "s3" * 8)
    loaded = settings.load()
    assert loaded.webhook_url and loaded.webhook_url.get_secret_value() == "https://hooks.example/x"
    assert "s3s3" not in repr(loaded) + loaded.model_dump_json()


@pytest.mark.parametrize("variables", [{"MONGODB_URL": MONGO}, {"STORE_URL": "postgresql://engine:x@127.0.0.1/etl"}])
def test_a_shared_store_without_a_key_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    error = refusal(monkeypatch, **variables)
    assert error.message.startswith("ENCRYPTION_KEY is not set, and a shared store needs a Fernet key of yours")
    assert "etl-engine keys generate" in error.message
    assert "\n" not in error.message


def test_the_store_url_wins_over_the_mongodb_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCRYPTION_KEY", KEY)
    monkeypatch.setenv("MONGODB_URL", MONGO)
    assert settings.load().effective_store_url == MONGO
    monkeypatch.setenv("STORE_URL", "sqlite:////tmp/x.db")
    loaded = settings.load()
    assert loaded.effective_store_url == "sqlite:////tmp/x.db"
    assert loaded.embedded


def test_without_urls_the_store_is_embedded_in_the_data_folder(tmp_path: Path) -> None:
    loaded = settings.load()
    assert loaded.effective_store_url == f"sqlite:///{tmp_path}/data/etl_engine.db"
    assert loaded.embedded
    assert loaded.effective_file_roots == (tmp_path / "data" / "files",)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:////tmp/x.db", "SQLite file /tmp/x.db"),
        (
            f"postgresql+psycopg2://engine:{SECRET}@127.0.0.1:5432/etl?sslmode=require",
            "PostgreSQL at 127.0.0.1:5432/etl",
        ),
        (MONGO, "MongoDB at 127.0.0.1:27017/"),
        ("mongodb+srv://cluster.example", "MongoDB at cluster.example"),
    ],
)
def test_the_name_of_the_store_has_no_login(monkeypatch: pytest.MonkeyPatch, url: str, name: str) -> None:
    monkeypatch.setenv("STORE_URL", url)
    monkeypatch.setenv("ENCRYPTION_KEY", KEY)
    assert settings.load().store_name == name


def test_link_local_and_metadata_addresses_are_denied_whatever_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECT_DENY", "10.0.0.0/8")
    denied = settings.load().denied_networks
    for address in ("169.254.169.254", "fe80::1", "fd00:ec2::254", "10.1.2.3"):
        assert any(ipaddress.ip_address(address) in network for network in denied), address


def test_no_secret_shows_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCRYPTION_KEY", KEY)
    monkeypatch.setenv("MONGODB_URL", MONGO)
    loaded = settings.load()
    for shown in (repr(loaded), str(loaded), loaded.model_dump_json(), str(loaded.model_dump())):
        assert KEY not in shown
        assert SECRET not in shown
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(loaded)


@pytest.mark.parametrize("origin", ["http://[::1]:3000", "https://a.example", "http://10.0.0.1:8080"])
def test_an_exact_origin_is_taken(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    monkeypatch.setenv("CORS_ORIGINS", origin)
    assert settings.load().cors_origins == (origin,)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///?mode=memory"])
def test_the_embedded_store_is_a_file(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert "STORE_URL must name a file" in refusal(monkeypatch, STORE_URL=url).message


def test_an_env_file_that_is_not_text_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"HOST=\xff\xfe")
    monkeypatch.chdir(tmp_path)
    assert refusal(monkeypatch).message == "The file .env is not UTF-8 text"
