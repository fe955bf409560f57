"""The form of a schedule and the question before a pause, in front of the page."""

from typing import Any

import reflex as rx

from etl_engine.ui.components.modal import Modal, confirm
from etl_engine.ui.props import Handler, Text
from etl_engine.ui.schedules.actions import ScheduleActions
from etl_engine.ui.schedules.browser import zone_list
from etl_engine.ui.schedules.form import ScheduleForm
from etl_engine.ui.schedules.rows import MISSED, OVERLAP, Fire

Form = ScheduleForm
Here = ScheduleForm.draft
Problems: Any = ScheduleForm.problems


def schedule_dialog() -> rx.Component:
    return Modal.create(
        rx.el.h2(rx.cond(Here.id != "", "Edit schedule", "New schedule"), id="schedule-title"),
        rx.el.form(
            rx.el.div(_what(), _when(), class_name="schedule-fields"),
            _fires(),
            rx.el.div(_trouble(), _buttons(), class_name="schedule-foot"),
            on_submit=Form.save,
            no_validate=True,
            key=Form.number.to_string(),  # type: ignore[attr-defined] # a Var here
            class_name="schedule-form connection-form-like",
        ),
        open=Form.open,
        labelled_by="schedule-title",
        on_close=Form.close,
        class_name="schedule-modal",
    )


def _what() -> rx.Component:
    mappings = rx.el.select(
        rx.el.option("Choose a mapping", value="", disabled=True),
        rx.foreach(Form.mappings, lambda one: rx.el.option(one.label, value=one.value)),
        id="mapping_id",
        name="mapping_id",
        default_value=Here.mapping_id,
        class_name="input",
        **_told("mapping_id"),
    )
    name = rx.el.input(
        id="name",
        name="name",
        default_value=Here.name,
        max_length=200,
        class_name="input",
        auto_focus=True,
        **_told("name"),
    )
    why = rx.el.input(
        id="description", name="description", default_value=Here.description, max_length=2000, class_name="input"
    )
    return rx.fragment(
        _field("name", "Name", name),
        _field("mapping_id", "Mapping", mappings),
        _field("description", "What it is for", why, wide=True),
    )


def _when() -> rx.Component:
    presets = rx.el.select(
        rx.el.option("Choose a usual time…", value=""),
        rx.foreach(Form.presets, lambda one: rx.el.option(one.label, value=one.value)),
        id="preset",
        name="preset",
        value=rx.cond(Form.presets.length() > 0, _known(), ""),  # type: ignore[attr-defined] # a Var here
        on_change=Form.set_cron,
        class_name="input",
    )
    cron = rx.el.input(
        id="cron_expression",
        name="cron_expression",
        value=Form.cron,
        on_change=Form.set_cron,
        max_length=200,
        spell_check=False,
        auto_complete="off",
        class_name="input code",
        **_told("cron_expression"),
    )
    zone = rx.el.input(
        id="timezone",
        name="timezone",
        value=Form.zone,
        on_change=Form.set_zone,
        list="zones",
        max_length=100,
        spell_check=False,
        auto_complete="off",
        class_name="input",
        **_told("timezone"),
    )
    limit = rx.el.input(
        id="missed_limit",
        name="missed_limit",
        default_value=Here.missed_limit,
        input_mode="numeric",
        max_length=6,
        class_name="input",
        **_told("missed_limit"),
    )
    return rx.fragment(
        _field("preset", "Usual times", presets),
        _field("cron_expression", "Cron expression", cron),
        _field("timezone", "Time zone", rx.fragment(zone, zone_list(id="zones"))),
        _field("overlap_policy", "If it still runs", _policy("overlap_policy", OVERLAP, Here.overlap)),
        _field("missed_policy", "If fires were missed", _policy("missed_policy", MISSED, Here.missed)),
        _field("missed_limit", "Of all that were missed, at most", limit),
    )


def _known() -> rx.Var[str]:
    """The expression, so that its preset is shown as chosen; an expression of one's own is none of them."""
    return Form.cron  # type: ignore[return-value] # a Var here


def _policy(name: str, words: dict[str, str], chosen: Text) -> rx.Component:
    options = [rx.el.option(text, value=value) for value, text in words.items()]
    return rx.el.select(*options, id=name, name=name, default_value=chosen, class_name="input")


def _told(name: str) -> dict[str, rx.Var[str]]:
    wrong = Problems.contains(name)
    return {
        "aria_invalid": rx.cond(wrong, "true", "false"),
        "aria_describedby": rx.cond(wrong, f"{name}-problem", ""),
    }


def _field(name: str, title: str, control: rx.Component, *, wide: bool = False) -> rx.Component:
    problem = rx.el.p(
        rx.icon("circle-alert", size=14, aria_hidden="true"),
        Problems[name],
        id=f"{name}-problem",
        class_name="problem",
    )
    return rx.el.div(
        rx.el.label(title, html_for=name),
        control,
        rx.cond(Problems.contains(name), problem),
        class_name="field wide" if wide else "field",
    )


def _fires() -> rx.Component:
    heads = (
        rx.el.th(Form.zone, scope="col"),
        rx.cond(Form.viewer != Form.zone, rx.el.th(f"You, {Form.viewer}", scope="col")),
    )
    table = rx.el.div(
        rx.el.table(
            rx.el.caption("The next ten fires", class_name="visually-hidden"),
            rx.el.thead(rx.el.tr(*heads)),
            rx.el.tbody(rx.foreach(Form.fires, _fire)),
        ),
        role="region",
        aria_label="The next ten fires",
        tab_index=0,
        class_name="kept-box fires",
    )
    said = rx.el.p(rx.icon("clock-3", size=15, aria_hidden="true"), Form.reading, class_name="reading")
    wrong = rx.el.p(rx.icon("circle-alert", size=15, aria_hidden="true"), Form.unread, class_name="reading bad")
    return rx.el.section(
        rx.el.div(rx.cond(Form.unread != "", wrong, said), role="status"),
        rx.cond(Form.fires.length() > 0, table),  # type: ignore[attr-defined] # a Var here
        aria_label="When it runs",
        class_name="schedule-when",
    )


def _fire(fire: Fire) -> rx.Component:
    mark = rx.el.small(rx.icon("sun-moon", size=13, aria_hidden="true"), fire.mark, class_name="dst")
    return rx.el.tr(
        rx.el.td(fire.local, rx.cond(fire.mark != "", mark)),
        rx.cond(Form.viewer != Form.zone, rx.el.td(fire.viewer)),
        key=fire.at,
    )


def _trouble() -> rx.Component:
    trouble = Form.trouble
    return rx.cond(
        trouble.message != "",
        rx.el.div(
            rx.icon("circle-x", size=18, aria_hidden="true"),
            rx.el.div(rx.el.b(trouble.message), rx.el.p(trouble.hint)),
            role="alert",
            class_name="form-trouble",
        ),
    )


def _buttons() -> rx.Component:
    spinner = rx.icon("loader-circle", size=16, aria_hidden="true", class_name="spin")
    return rx.el.div(
        rx.el.button("Cancel", type="button", on_click=Form.close, disabled=Form.saving, class_name="button"),
        rx.el.button(
            rx.cond(Form.saving, spinner), "Save", type="submit", disabled=Form.saving, class_name="button primary"
        ),
        class_name="confirm-actions",
    )


def pause_question() -> rx.Component:
    pausing = ScheduleActions.pausing
    return Modal.create(
        rx.el.h2(f"Pause {pausing.name}?", id="pause-title"),
        rx.el.p("It fires no more until it is active again; what was missed meanwhile is not made up for."),
        rx.el.form(
            rx.el.div(
                rx.el.label("Why, for everybody who wonders", html_for="pause_reason"),
                rx.el.input(
                    id="pause_reason",
                    name="pause_reason",
                    max_length=500,
                    placeholder="The warehouse is being moved",
                    class_name="input",
                ),
                class_name="field wide",
            ),
            rx.el.div(
                _button("Keep it active", ScheduleActions.keep),
                rx.el.button("Pause", type="submit", disabled=ScheduleActions.busy, class_name="button primary"),
                class_name="confirm-actions",
            ),
            on_submit=ScheduleActions.pause,
            class_name="schedule-form",
        ),
        open=pausing.id != "",
        labelled_by="pause-title",
        on_close=ScheduleActions.keep,
        class_name="confirm pause-question",
    )


def delete_question() -> rx.Component:
    doomed = ScheduleActions.doomed
    return confirm(
        open=doomed.id != "",
        busy=ScheduleActions.busy,
        title=f"Delete {doomed.name}?",
        text=rx.fragment(
            rx.el.p("It fires no more, and the record of its fires goes."),
            rx.el.p("The mapping stays, and so do its runs."),
        ),
        word="Delete",
        on_yes=ScheduleActions.delete,
        on_no=ScheduleActions.keep,
    )


def _button(word: str, handler: Handler) -> rx.Component:
    return rx.el.button(word, type="button", on_click=handler, disabled=ScheduleActions.busy, class_name="button")
