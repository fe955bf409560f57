"""What Dockerfile and docker-compose.yml name exists: settings, commands, ports, files."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from etl_engine.cli import app
from etl_engine.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
SETTINGS = {name.upper() for name in Settings.model_fields}
COMMANDS = {command.name for command in app.registered_commands}
OF_THE_IMAGE = {"HEALTH_PORT", "PATH"}  # for its own health check, and for its shell


def test_the_set_up_is_the_app_a_worker_and_mongodb() -> None:
    assert SERVICES.keys() == {"backend", "worker", "mongodb"}
    assert SERVICES["mongodb"]["image"].startswith("mongo:7")
    assert all(address.startswith("127.0.0.1:") for address in SERVICES["backend"]["ports"])
    assert "ports" not in SERVICES["worker"] and "ports" not in SERVICES["mongodb"]
    assert SERVICES["backend"]["environment"]["WORKER_SLOTS"] == "0"


@pytest.mark.parametrize("name", ["backend", "worker"])
def test_a_service_runs_a_command_with_settings_that_there_are(name: str) -> None:
    service = SERVICES[name]
    program, command = service["command"][:2]
    assert program == "etl-engine" and command in COMMANDS
    assert service["environment"].keys() <= SETTINGS | OF_THE_IMAGE
    assert service["environment"]["ENCRYPTION_KEY"].startswith("${ENCRYPTION_KEY:?")  # no start without one


def test_the_health_check_of_a_worker_looks_where_it_answers() -> None:
    environment = SERVICES["worker"]["environment"]
    wanted = str(Settings.model_fields["worker_port"].default)
    assert environment["HEALTH_PORT"] == environment.get("WORKER_PORT", wanted)


def test_the_image_runs_what_there_is_without_being_root() -> None:
    (run,) = re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)
    assert json.loads(run)[:2] == ["etl-engine", "serve"]
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["etl"]
    set_here = re.findall(r"(?:^ENV | )([A-Z_]+)=", "\n".join(re.findall(r"^ENV .*$", DOCKERFILE, re.MULTILINE)))
    assert set(set_here) <= SETTINGS | OF_THE_IMAGE
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".env", ".git", "data"} <= set(ignored)  # no secret of the machine that builds it
