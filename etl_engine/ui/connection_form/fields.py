"""The fields of a form, made from a kind's JSON schema: no kind has a form written by hand."""

from dataclasses import dataclass, field, replace
from typing import Any

import reflex as rx

from etl_engine.services.forms import Form
from etl_engine.ui.connection_form.browser import secret_input

PREFIX = "form-"  # before the id of an input
KEPT = "Unchanged: type to replace"
_SEALED = "Encrypted before it is stored, and never shown again."
_FOLDS = {"tls": "TLS and advanced"}
_NARROW, _WIDE, _HALF, _FULL = "narrow", "wide", "half", "full"  # of a row: a third, two thirds, half, all of it


@dataclass
class Field:
    """One field as the browser shows it."""

    name: str
    title: str
    widget: str  # text | number | select | check | area | secret | secret-area
    hint: str = ""
    placeholder: str = ""
    value: str = ""
    default: str = ""
    choices: list[str] = field(default_factory=list)
    required: bool = False
    optional: bool = False  # said beside the label; a field with a default is neither
    kept: bool = False
    removable: bool = False
    width: str = _FULL
    first: bool = False


@dataclass
class Fold:
    """Fields that most connections leave as they are, folded away."""

    name: str
    title: str
    fields: list[Field]
    opened: bool = False


def fields_of(form: Form) -> tuple[list[Field], list[Fold]]:
    """What is always shown, and what is folded away, in the order of the schema."""
    schema = form.kind.config_schema
    shown: list[Field] = []
    folded: dict[str, list[Field]] = {}
    for name, declared in schema["properties"].items():
        if "const" in declared:  # the kind itself has its own control
            continue
        one = _field(name, declared, form, required=name in schema.get("required", ()))
        folded.setdefault(declared["group"], []).append(one) if "group" in declared else shown.append(one)
    if shown:
        shown[0] = replace(shown[0], first=True, width=_HALF)  # the kind stands beside it
    return _in_rows(shown), [
        Fold(group, _FOLDS.get(group, group.capitalize()), _in_rows(members), any(map(_set_by_hand, members)))
        for group, members in folded.items()
    ]


def defaults_of(fields: list[Field], folds: list[Fold]) -> dict[str, str]:
    """What untouched fields follow when the kind changes."""
    return {one.name: one.default for one in every(fields, folds) if one.default}


def every(fields: list[Field], folds: list[Fold]) -> list[Field]:
    return [*fields, *(one for fold in folds for one in fold.fields)]


def _field(name: str, declared: dict[str, Any], form: Form, *, required: bool) -> Field:
    parts = [declared, *declared.get("anyOf", ())]

    def said(key: str) -> Any:
        return next((part[key] for part in parts if key in part), None)

    secret, kept = name in form.kind.secret_fields, name in form.kept
    default = "" if declared.get("default") is None else _text(declared["default"])
    return Field(
        name=name,
        title=str(declared.get("title", name)),
        widget=_widget(said("type"), secret=secret, area=bool(said("multiline")), choices=said("enum")),
        hint=str(declared.get("description") or (_SEALED if secret else "")),
        placeholder=KEPT if kept else str(said("placeholder") or ""),
        value=form.values.get(name, default) if not secret else "",
        default=default,
        choices=[str(choice) for choice in said("enum") or ()],
        required=required and not kept,
        optional=not required and not default and not kept,
        kept=kept,
        removable=kept and not required,
    )


def _widget(type_: str | None, *, secret: bool, area: bool, choices: Any) -> str:
    if secret:
        return "secret-area" if area else "secret"
    if choices:
        return "select"
    if area:
        return "area"
    return {"integer": "number", "number": "number", "boolean": "check"}.get(type_ or "", "text")


def _in_rows(fields: list[Field]) -> list[Field]:
    """Numbers stand narrow beside the text before them, other short texts in pairs, all else has a row of its own."""
    placed: list[Field] = []
    for one in fields:
        last = placed[-1] if placed else None
        beside = last is not None and last.widget == "text" and last.width == _FULL
        if one.widget == "number" and beside:
            placed[-1] = replace(placed[-1], width=_WIDE)
            placed.append(replace(one, width=_NARROW))
        elif one.widget == "text" and beside and one.required == placed[-1].required:
            placed[-1] = replace(placed[-1], width=_HALF)
            placed.append(replace(one, width=_HALF))
        else:
            placed.append(one)
    return placed


def _set_by_hand(one: Field) -> bool:
    return one.kept or one.value != one.default


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def field_view(one: Field, problems: Any, advice: Any) -> rx.Component:
    """Label, control, hint, advice and what is wrong, tied together for screen readers."""
    wrong = problems.contains(one.name)
    label = rx.el.label(
        one.title,
        rx.cond(one.optional, rx.el.span("optional", class_name="optional")),
        html_for=PREFIX + one.name,
    )
    problem = rx.el.p(
        rx.icon("circle-alert", size=14, aria_hidden="true"),
        problems[one.name],
        id=PREFIX + one.name + "-problem",
        class_name="problem",
    )
    hint = rx.el.p(one.hint, id=PREFIX + one.name + "-hint", class_name="hint")
    advised = rx.el.p(
        rx.icon("container", size=14, aria_hidden="true"),
        advice[one.name],
        id=PREFIX + one.name + "-hint",
        class_name="hint advice",
    )
    return rx.el.div(
        label,
        _control(one, wrong),
        rx.cond(one.removable, _remove(one)),
        rx.cond(wrong, problem, rx.cond(advice.contains(one.name), advised, rx.cond(one.hint != "", hint))),
        key=one.name + " " + one.widget,  # a field that both kinds have stays, with what was typed into it
        class_name="field " + one.width,
    )


def _control(one: Field, wrong: Any) -> rx.Component:
    described = rx.cond(wrong, PREFIX + one.name + "-problem", rx.cond(one.hint != "", PREFIX + one.name + "-hint", ""))
    same: dict[str, Any] = {"id": PREFIX + one.name, "name": one.name}
    told = {"aria_invalid": wrong, "aria_required": one.required, "aria_describedby": described}
    typed = {"default_value": one.value, "placeholder": one.placeholder, "auto_complete": "off", "spell_check": False}
    secret = {
        "title": one.title,
        "placeholder": one.placeholder,
        "required": one.required,
        "invalid": wrong,
        "described_by": described,
    }
    options = rx.foreach(one.choices, lambda choice: rx.el.option(choice, value=choice))
    return rx.match(
        one.widget,
        ("secret", secret_input(**same, **secret)),
        ("secret-area", secret_input(**same, **secret, multiline=True)),
        ("select", chooser(options, **same, **told, default_value=one.value)),
        ("area", rx.el.textarea(**same, **told, **typed, rows="3", class_name="input code")),
        ("check", rx.el.input(**same, **told, type="checkbox", default_checked=one.value == "true")),
        ("number", rx.el.input(**same, **told, **typed, type="text", input_mode="numeric", class_name="input")),
        rx.el.input(
            **same, **told, **typed, type="text", auto_capitalize="off", auto_focus=one.first, class_name="input"
        ),
    )


def chooser(options: rx.Component, **attributes: Any) -> rx.Component:
    """A native select: right for fingers, keyboards and screen readers."""
    return rx.el.div(
        rx.el.select(options, class_name="input", **attributes),
        rx.icon("chevron-down", size=16, aria_hidden="true"),
        class_name="chooser",
    )


def _remove(one: Field) -> rx.Component:
    return rx.el.label(
        rx.el.input(type="checkbox", name="remove:" + one.name), "Remove what is stored", class_name="remove"
    )
