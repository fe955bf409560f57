"""Databases in nested settings: JSON documents and YAML files."""

import json
from collections.abc import Iterator, Mapping

from etl_engine.model.pasted.compose import read_service
from etl_engine.model.pasted.expansion import expanded
from etl_engine.model.pasted.fields import Found
from etl_engine.model.pasted.names import role_of
from etl_engine.model.pasted.pairs import Pair, read_mixture, read_record
from etl_engine.model.pasted.settings import read_dsn, read_semicolons
from etl_engine.model.pasted.urls import read_urls
from etl_engine.model.pasted.yaml_subset import Node, NotYaml, parse

_MOST_NODES = 3000
_DEEPEST = 20


def read_json(text: str) -> list[Found]:
    if text.lstrip()[:1] not in ("{", "["):
        return []
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return _read_tree(_as_texts(document, 0), "JSON")


def read_yaml(text: str) -> list[Found]:
    """docker-compose, Rails' database.yml, Spring's application.yml, Kubernetes manifests, or plain `name: value`."""
    try:
        return _read_tree(parse(text), "YAML")
    except NotYaml:
        return []


def _read_tree(tree: Node, form: str) -> list[Found]:
    services: list[Found] = []
    others: list[Found] = []
    inside: set[int] = set()  # environments of services that are read already
    for name, node in _walk(tree):
        if id(node) in inside:
            continue
        if isinstance(node, dict):
            if (service := read_service(name, node, {})) is not None:
                services.append(service)
                inside.add(id(node.get("environment")))
            else:
                others += _read_map(node, form)
        elif isinstance(node, list):
            others += _read_list(node, form)
        elif len(node) < 4096 and ("://" in node or ";" in node or "=" in node):
            others += (read_urls(node) if "://" in node else []) or read_semicolons(node) or read_dsn(node)
    usable = [one for one in others if one.score >= 2 and not {"host", "database"}.isdisjoint(one.values)]
    return services + [one for one in usable if not any(one is not more and one.within(more) for more in usable[:50])]


def _walk(tree: Node) -> Iterator[tuple[str, Node]]:
    """Every node with its name, outside first, in the order of the text. Aliases may repeat, so there is an end."""
    waiting: list[tuple[str, Node, int]] = [("", tree, 0)]
    for _ in range(_MOST_NODES):
        if not waiting:
            return
        name, node, depth = waiting.pop()
        yield name, node
        if depth > _DEEPEST or len(waiting) > _MOST_NODES:
            continue
        if isinstance(node, dict):
            waiting += [(key, value, depth + 1) for key, value in reversed(node.items())]
        elif isinstance(node, list):
            waiting += [("", value, depth + 1) for value in reversed(node)]


def _read_map(node: Mapping[str, Node], form: str) -> list[Found]:
    pairs = [Pair(key, value) for key, value in _plain(node).items()]
    for key, value in node.items():  # knex: {"client": "pg", "connection": {...}}
        if key == "connection" and isinstance(value, dict):
            pairs += [Pair(*pair) for pair in _plain(value).items()]
    if sum(role_of(pair.name) is not None for pair in pairs) < 2:
        return []
    if any(pair.name.isupper() and "_" in pair.name for pair in pairs):
        return read_mixture(pairs, form)
    return [read_record(pairs, form)]


def _read_list(node: list[Node], form: str) -> list[Found]:
    """Kubernetes: a list of {name: ..., value: ...}; docker-compose: a list of NAME=value."""
    pairs = []
    for item in node:
        if isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("value"), str):
            pairs.append(Pair(str(item["name"]), str(item["value"])))
        elif isinstance(item, str) and "=" in item:
            name, _, value = item.partition("=")
            pairs.append(Pair(name, value))
    return read_mixture(pairs, form)


def _plain(node: Mapping[str, Node]) -> dict[str, str]:
    """The texts of a map: references to variables take their default, templates of Ruby the text they fall back on."""
    plain = {}
    for key, value in node.items():
        if isinstance(value, str):
            text = _fallback(value) if value.startswith("<%") else expanded(value, {})
            if text is not None:
                plain[key] = text
    return plain


def _fallback(template: str) -> str | None:
    """<%= ENV.fetch("HOST") { "localhost" } %> falls back on localhost."""
    quoted = template.replace("'", '"').split('"')[1::2]
    return quoted[-1] if len(quoted) > 1 else None


def _as_texts(value: object, depth: int) -> Node:
    if depth > _DEEPEST:
        return ""
    if isinstance(value, dict):
        return {str(key): _as_texts(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_texts(item, depth + 1) for item in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
