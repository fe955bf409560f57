"""What is said about the line that is looked at: its kind, its columns and fields, its options, its steps."""

from typing import Any

import reflex as rx

from etl_engine.ui.components.icon_button import icon_button
from etl_engine.ui.connection_form.fields import chooser
from etl_engine.ui.mappings.editor import Editor
from etl_engine.ui.mappings.options import STEP_TITLES, TYPES, Input, StepPanel

Shown: Any = Editor.panel


def rule_panel() -> rx.Component:
    body = rx.cond(Shown.id != "", _rule(), rx.cond(Shown.target != "", _nothing_yet(), _hint()))
    return rx.el.section(
        body, id="rule-panel", tab_index=-1, aria_label="Column mapping", class_name="card mapping-part rule"
    )


def _hint() -> rx.Component:
    return rx.fragment(
        rx.el.h2("Column mapping"),
        rx.el.p("Choose a line or a field to see how it is filled.", class_name="hint"),
    )


def _head(title: Any) -> rx.Component:
    return rx.el.div(
        rx.el.h2(rx.icon("arrow-right-to-line", size=16, aria_hidden="true"), title),
        icon_button("x", "Close", "Close", Editor.close_panel),
        class_name="part-head",
    )


def _nothing_yet() -> rx.Component:
    options = rx.fragment(
        rx.el.option("Choose a column…", value=""),
        rx.foreach(Shown.more_sources, lambda name: rx.el.option(name, value=name)),
    )
    return rx.fragment(
        _head(Shown.target),
        rx.el.p("Nothing fills this field yet.", class_name="hint"),
        rx.el.div(
            rx.el.label("Fill it from", html_for="fill-from"),
            chooser(options, id="fill-from", value="", on_change=Editor.fill_from),
            class_name="field",
        ),
        rx.el.button(
            "The same value in every row", type="button", on_click=Editor.fill_constant, class_name="button small"
        ),
    )


def _rule() -> rx.Component:
    kinds = rx.fragment(*[rx.el.option(words, value=key) for key, words in TYPES.items()])
    problems = rx.foreach(
        Shown.problems,
        lambda words: rx.el.p(rx.icon("circle-alert", size=14, aria_hidden="true"), words, class_name="problem"),
    )
    return rx.fragment(
        _head(Shown.title),
        rx.el.div(problems, role="status"),
        rx.el.div(
            rx.el.label("Kind", html_for="rule-type"),
            chooser(kinds, id="rule-type", value=Shown.type, on_change=Editor.set_type),
            class_name="field",
        ),
        rx.cond(Shown.type != "constant", _names("Columns", Shown.sources, Shown.more_sources, "source")),
        _names("Fields", Shown.targets, Shown.more_targets, "target"),
        rx.foreach(Shown.inputs, _input),
        rx.cond(Shown.type != "constant", _steps()),
        rx.el.button(
            rx.icon("unlink", size=14, aria_hidden="true"),
            "Remove this line",
            type="button",
            on_click=Editor.remove_rule,
            class_name="button small quiet remove-rule",
        ),
    )


def _names(title: str, names: Any, more: Any, end: str) -> rx.Component:
    remove, add = (
        (Editor.remove_source, Editor.add_source) if end == "source" else (Editor.remove_target, Editor.add_target)
    )
    several = Shown.type == ("join" if end == "source" else "split")

    def name(one: Any) -> rx.Component:
        away = rx.el.button(
            rx.icon("x", size=12, aria_hidden="true"),
            type="button",
            aria_label=f"Take {one} out",
            on_click=remove(one),
        )
        return rx.el.li(one, rx.cond(several & (names.length() > 1), away), key=one)

    word = f"Add a {'column' if end == 'source' else 'field'}…"
    other = f"Another {'column' if end == 'source' else 'field'}…"
    options = rx.fragment(
        rx.el.option(rx.cond(several, word, other), value=""),
        rx.foreach(more, lambda one: rx.el.option(one, value=one)),
    )
    return rx.el.div(
        rx.el.span(title, class_name="label"),
        rx.el.ol(rx.foreach(names, name), class_name="names"),
        rx.cond(more.length() > 0, chooser(options, value="", aria_label=f"{title}: add or change", on_change=add)),
        class_name="field",
    )


def _input(one: Input) -> rx.Component:
    told: dict[str, Any] = {"aria_invalid": one.problem != "", "aria_describedby": f"{one.id}-problem"}
    key = f"{one.id}-{Editor.turn}"

    def change(value: Any) -> Any:
        return Editor.set_option(one.rule, one.step, one.name, value)

    typed = rx.el.input(
        id=one.id,
        key=key,
        default_value=one.value,
        on_change=change,
        auto_complete="off",
        spell_check=False,
        class_name="input code",
        **told,
    )
    lines = rx.el.textarea(
        id=one.id,
        key=key,
        default_value=one.value,
        on_change=change,
        rows=3,
        spell_check=False,
        class_name="input code",
    )
    choices = rx.foreach(one.choices, lambda choice: rx.el.option(choice.label, value=choice.value))
    chosen = chooser(choices, id=one.id, value=one.value, on_change=change, **told)
    return rx.el.div(
        rx.el.label(one.label, html_for=one.id),
        rx.cond(one.choices.length() > 0, chosen, rx.cond(one.lines, lines, typed)),  # type: ignore[attr-defined] # a Var here
        rx.cond(
            one.problem != "",
            rx.el.p(
                rx.icon("circle-alert", size=14, aria_hidden="true"),
                one.problem,
                id=f"{one.id}-problem",
                class_name="problem",
            ),
            rx.cond(one.hint != "", rx.el.p(one.hint, class_name="hint")),
        ),
        key=one.id,
        class_name="field",
    )


def _steps() -> rx.Component:
    options = rx.fragment(
        rx.el.option("Add a step…", value=""),
        *[rx.el.option(title, value=op) for op, title in STEP_TITLES.items()],
    )
    return rx.el.fieldset(
        rx.el.legend("Before that, to each column"),
        rx.el.ol(rx.foreach(Shown.steps, _step), class_name="steps"),
        chooser(options, value="", id="add-step", aria_label="Add a step", on_change=Editor.add_step),
    )


def _step(step: StepPanel) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.b(step.title),
            icon_button("x", f"Remove the step {step.title}", "Remove", Editor.remove_step(step.id)),
            class_name="part-head",
        ),
        rx.foreach(step.inputs, _input),
        key=step.id,
    )
