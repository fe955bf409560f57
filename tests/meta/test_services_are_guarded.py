"""Every door is equally locked: a public service function takes the Context and first asks for a right."""

import ast
import re
from pathlib import Path

import pytest

SERVICES = Path(__file__).parents[2] / "etl_engine" / "services"
# What services are made of; no door calls these.
FOUNDATIONS = {
    "context",
    "access",
    "audit",
    "keyring",
    "connection_documents",
    "documents",
    "mapping_documents",
    "connection_users",
    "execution_documents",
    "execution_lease",
}
# They take no ready Context; the reason stands in their own docstrings.
EXCEPTIONS = {("health", "check"), ("drivers", "all_drivers")}

FUNCTIONS = [
    (module.stem, node)
    for module in sorted(SERVICES.glob("*.py"))
    if module.stem not in FOUNDATIONS | {"__init__"}
    for node in ast.parse(module.read_text()).body
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
]


def first_statement(function: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.stmt:
    has_docstring = ast.get_docstring(function) is not None
    return function.body[1 if has_docstring else 0]


def right_asked_for(statement: ast.stmt) -> str:
    """The action of `access.require(ctx, "noun:verb")`, or nothing."""
    match statement:
        case ast.Expr(
            ast.Call(
                func=ast.Attribute(ast.Name("access"), "require"),
                args=[ast.Name("ctx"), ast.Constant(str(action))],
                keywords=[],
            )
        ):
            return action
    return ""


@pytest.mark.parametrize(("module", "function"), FUNCTIONS, ids=lambda part: getattr(part, "name", part))
def test_a_service_function_asks_for_a_right_first(
    module: str, function: ast.FunctionDef | ast.AsyncFunctionDef
) -> None:
    where = f"services/{module}.py:{function.lineno} {function.name}"
    if (module, function.name) in EXCEPTIONS:
        return
    arguments = [*function.args.posonlyargs, *function.args.args]
    assert arguments, f"{where}: let it take `ctx: Context` first"
    assert arguments[0].arg == "ctx", f"{where}: let it take `ctx: Context` first, or name it with a leading _"
    assert ast.unparse(arguments[0].annotation or ast.Constant(None)).strip("'\"") == "Context", where
    action = right_asked_for(first_statement(function))
    assert re.fullmatch(r"[a-z]+:[a-z]+", action), f'{where}: begin with access.require(ctx, "noun:verb")'


def test_the_exceptions_exist_and_health_asks_inside() -> None:
    functions = {(module, function.name): function for module, function in FUNCTIONS}
    assert functions.keys() >= EXCEPTIONS
    assert 'access.require(ctx, "health:read")' in ast.unparse(functions["health", "check"]).replace("'", '"')


def test_no_foundation_is_missing() -> None:
    assert {module.stem for module in SERVICES.glob("*.py")} >= FOUNDATIONS


def test_this_test_notices_what_it_is_for() -> None:
    guarded = ast.parse('def f(ctx):\n    "Doc."\n    access.require(ctx, "a:b")').body[0]
    late = ast.parse('def f(ctx):\n    x = 1\n    access.require(ctx, "a:b")').body[0]
    other = ast.parse('def f(ctx):\n    access.require(other, "a:b")').body[0]
    assert isinstance(guarded, ast.FunctionDef)
    assert isinstance(late, ast.FunctionDef)
    assert isinstance(other, ast.FunctionDef)
    assert right_asked_for(first_statement(guarded)) == "a:b"
    assert right_asked_for(first_statement(late)) == ""
    assert right_asked_for(first_statement(other)) == ""
