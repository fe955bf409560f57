"""docker-compose services and `docker run`: a database that runs in a container, as it is reached from outside."""

from collections.abc import Mapping

from etl_engine.model.pasted.expansion import expanded
from etl_engine.model.pasted.fields import KIND_TITLES, Found, kind_of
from etl_engine.model.pasted.names import role_of
from etl_engine.model.pasted.pairs import Pair, read_record
from etl_engine.model.pasted.yaml_subset import Node

_PORTS = {"postgresql": "5432", "mysql": "3306"}
# Images that are named after a database and are none.
_BESIDE = ("exporter", "admin", "backup", "pgbouncer", "pgpool", "migrate", "proxy", "client", "adminer")


def kind_of_image(image: str) -> str | None:
    name = image.partition("@")[0]
    kind = None if any(word in name for word in _BESIDE) else kind_of(name)
    return kind if kind in _PORTS else None


def read_service(name: str, service: Mapping[str, Node], variables: Mapping[str, str]) -> Found | None:
    """A service whose image is a database; None for any other."""
    image = service.get("image")
    kind = kind_of_image(_settled(image, variables)) if isinstance(image, str) else None
    if kind is None:
        return None
    environment = service.get("environment", "")
    pairs = _environment(environment)
    form = f"docker-compose service {name}" if name else "docker-compose service"
    ports = service.get("ports", "")
    published = [_settled(port, variables) if isinstance(port, str) else port for port in _as_list(ports)]
    found = read_container(kind, form, pairs, published, variables, name=name)
    if "env_file" in service:
        found.note("The service reads settings from an env_file that is not in the text.")
    return found


def read_container(
    kind: str, form: str, pairs: list[Pair], ports: list[Node], variables: Mapping[str, str], *, name: str = ""
) -> Found:
    """From the environment and the published ports of a container."""
    settled, notes = [], []
    for pair in pairs:
        value = expanded(pair.value, variables, compose=True)
        role = role_of(pair.name.removesuffix("_FILE"))
        if value is not None and pair.name.endswith("_FILE") and role:
            notes.append(f"{pair.name} names a file: enter the {role.field.removeprefix('root_')} itself.")
        elif value is not None:
            settled.append(Pair(pair.name, value))
        elif role:
            notes.append(f"{pair.name} refers to a variable that is not in the text.")
    own = [pair for pair in settled if (role := role_of(pair.name)) and role.kind == kind and role.field != "url"]
    found = Found(form)
    found.put_kind(kind, "the image")
    found.take(read_record(own, form))
    for note in notes:
        found.note(note)
    _defaults(found, kind)
    _address(found, kind, ports, name)
    return found


def _defaults(found: Found, kind: str) -> None:
    """What the images do without being told."""
    if kind == "postgresql":
        found.put("username", "postgres", "the default of the image")
        found.put("database", str(found.values["username"]), "the default of the image")


def _address(found: Found, kind: str, ports: list[Node], name: str) -> None:
    for name_ in ("host", "port"):  # what the server itself is told is not how it is reached
        found.values.pop(name_, None)
        found.sources.pop(name_, None)
    inside = _PORTS[kind]
    for port in ports:
        host, outside = _published(port, inside)
        if outside:
            found.put("host", host, "ports")
            found.put("port", outside, "ports")
            return
    if name:
        found.put("host", name, "the name of the service")
        found.put("port", inside, f"the default of {KIND_TITLES[kind]}")
        found.note(
            f"The service publishes no port: it is reached as {name} from inside its docker network only. "
            f'To reach it from outside, add ports: "{inside}:{inside}".'
        )


def _published(port: Node, inside: str) -> tuple[str, str]:
    """Where the port of the database is published: host and port, or nothing."""
    if isinstance(port, dict):
        target, published, host = port.get("target"), port.get("published", ""), port.get("host_ip", "")
        matches = target == inside and isinstance(published, str) and isinstance(host, str)
        return (_reachable(str(host)), str(published)) if matches else ("", "")
    if not isinstance(port, str):
        return "", ""
    before, _, target = port.partition("/")[0].rpartition(":")
    if target != inside or not before:
        return "", ""
    host, _, outside = before.rpartition(":")
    return _reachable(host.strip("[]")), outside


def _reachable(host: str) -> str:
    return "localhost" if host in ("", "0.0.0.0", "::", "127.0.0.1", "::1") else host


def _environment(node: Node) -> list[Pair]:
    if isinstance(node, dict):
        return [Pair(name, value) for name, value in node.items() if isinstance(value, str)]
    parted = [item.partition("=") for item in _as_list(node) if isinstance(item, str) and "=" in item]
    return [Pair(name, value) for name, _, value in parted]


def _as_list(node: Node) -> list[Node]:
    return node if isinstance(node, list) else []


def _settled(text: str, variables: Mapping[str, str]) -> str:
    return expanded(text, variables, compose=True) or ""
