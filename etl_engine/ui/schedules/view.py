"""The list of schedules: its head, its filters, what it holds, and what it says when it holds nothing."""

from typing import cast

import reflex as rx

from etl_engine.ui.components.art import flow_art
from etl_engine.ui.components.by_content import BY_CONTENT
from etl_engine.ui.components.empty_state import empty_state
from etl_engine.ui.components.error_state import error_state
from etl_engine.ui.components.icon_button import icon_button
from etl_engine.ui.components.page_header import page_header
from etl_engine.ui.components.pagination import pagination
from etl_engine.ui.components.search_box import search_box
from etl_engine.ui.components.shortcuts import shortcuts
from etl_engine.ui.components.skeleton import skeleton_cards
from etl_engine.ui.components.time_ago import time_ago
from etl_engine.ui.schedules.actions import ScheduleActions
from etl_engine.ui.schedules.browser import time_until, viewer_zone
from etl_engine.ui.schedules.dialogs import delete_question, pause_question, schedule_dialog
from etl_engine.ui.schedules.form import PATH, ScheduleForm
from etl_engine.ui.schedules.listing import Chip, Schedules
from etl_engine.ui.schedules.rows import Row

Bar = Schedules.bar
SEARCH = "search"
_NEW = ScheduleForm.open_new("")


def schedules_list() -> rx.Component:
    return rx.fragment(
        page_header("Schedules", Bar.subtitle, _new("New schedule")),
        rx.cond(
            Schedules.trouble.message != "",
            error_state("The schedules could not be read", Schedules.trouble, Schedules.load),
            rx.cond(Schedules.loaded, rx.cond(Bar.any, rx.fragment(_toolbar(), _rows()), _empty()), skeleton_cards()),
        ),
        schedule_dialog(),
        pause_question(),
        delete_question(),
        viewer_zone(on_zone=ScheduleForm.seen_from),
        shortcuts(SEARCH, _NEW),
    )


def _new(words: str) -> rx.Component:
    return rx.el.button(
        rx.icon("plus", size=17, aria_hidden="true"), words, type="button", on_click=_NEW, class_name="button primary"
    )


def _toolbar() -> rx.Component:
    return rx.el.div(
        rx.el.div(search_box(id=SEARCH, label="Search schedules", placeholder="Search by name…"), class_name="tools"),
        rx.el.nav(
            rx.el.a("All", href=Bar.everything, aria_current=rx.cond(Bar.filtered, "false", "true"), class_name="chip"),
            rx.foreach(Bar.states, _chip),
            aria_label="Filters",
            class_name="filters",
        ),
        class_name="toolbar",
    )


def _chip(chip: Chip) -> rx.Component:
    return rx.el.a(
        chip.label,
        rx.el.span(chip.count),
        href=chip.address,
        key=chip.key,
        aria_current=rx.cond(chip.active, "true", "false"),
        class_name="chip",
    )


def _rows() -> rx.Component:
    listed = rx.el.ul(
        rx.foreach(Schedules.rows, lambda row: rx.fragment(_schedule_card(row=row), key=row.id)),
        aria_label="Schedules",
        data_view="cards",
        class_name="schedules",
    )
    nothing = empty_state(
        rx.icon("search-x", size=44, stroke_width=1.6, aria_hidden="true", class_name="empty-icon"),
        "No schedule fits",
        "Try fewer letters, or take the filter away.",
        rx.el.a("Show all schedules", href=PATH, class_name="button primary"),
    )
    turn = rx.cond(Bar.before + Bar.after != "", pagination(Bar.pages, Bar.before, Bar.after, Bar.extent))
    return rx.cond(Schedules.rows.length() > 0, rx.fragment(listed, turn), nothing)  # type: ignore[attr-defined] # a Var


@rx.memo(wrapper=BY_CONTENT)
def _schedule_card(row: rx.Var[Row]) -> rx.Component:
    return _card(cast(Row, row))


def _card(row: Row) -> rx.Component:
    name = rx.el.h2(
        rx.el.button(row.name, type="button", on_click=ScheduleForm.open_edit(row.id), data_name=row.id, title="Edit")
    )
    head = rx.el.div(name, rx.el.p(row.mapping, class_name="of"), class_name="schedule-title")
    when = rx.el.div(
        rx.el.p(rx.icon("repeat", size=14, aria_hidden="true"), row.reading, class_name="reading"),
        rx.el.small(row.cron, " · ", row.zone),
        class_name="schedule-reading",
    )
    return rx.el.li(
        head,
        when,
        _state(row),
        _acts(row),
        rx.cond(row.problem != "", rx.el.p("The last fire could not be run: ", row.problem, class_name="refusal")),
        data_card=row.id,
        data_status=rx.cond(row.enabled, "active", "paused"),
        class_name="card schedule",
    )


def _state(row: Row) -> rx.Component:
    coming = rx.el.p(
        rx.el.span(
            rx.cond(
                row.late,
                rx.icon("triangle-alert", size=14, aria_hidden="true"),
                rx.icon("check", size=14, aria_hidden="true"),
            ),
            rx.cond(row.late, "Late", "Active"),
            class_name=rx.cond(row.late, "status warn", "status ok"),
        ),
        rx.cond(row.next != "", rx.fragment(" next ", time_until(at=row.next), rx.el.small(row.next_local))),
    )
    paused = rx.el.p(
        rx.el.span(rx.icon("pause", size=14, aria_hidden="true"), "Paused", class_name="status paused"),
        rx.el.small(row.paused_for),
    )
    last = rx.el.p(
        rx.cond(row.last != "", rx.fragment("last ", rx.el.a(time_ago(at=row.last), href=row.last_run)), "never fired"),
        " · ",
        rx.el.a("all its runs", href=row.runs),
        rx.cond(row.waiting > 0, " · one fire waits", ""),
        class_name="last-fire",
    )
    return rx.el.div(rx.cond(row.enabled, coming, paused), last, class_name="schedule-state")


def _acts(row: Row) -> rx.Component:
    pause = icon_button("pause", f"Pause {row.name}", "Pause", ScheduleActions.ask_to_pause(row.id), data_act="pause")
    resume = icon_button("play", f"Resume {row.name}", "Resume", ScheduleActions.resume(row.id), data_act="pause")
    return rx.el.div(
        rx.el.button(
            rx.icon("play", size=14, aria_hidden="true"),
            "Run now",
            type="button",
            aria_label=f"Run now: {row.name}",
            on_click=ScheduleActions.run_now(row.id),
            data_act="test",
            class_name="button small",
        ),
        rx.cond(row.enabled, pause, resume),
        icon_button("pencil", f"Edit {row.name}", "Edit", ScheduleForm.open_edit(row.id), data_act="edit"),
        icon_button(
            "trash-2",
            f"Delete {row.name}",
            "Delete",
            ScheduleActions.ask_to_delete(row.id),
            data_act="delete",
            data_tip_side="left",
        ),
        class_name="acts",
    )


def _empty() -> rx.Component:
    return empty_state(
        flow_art(),
        "Nothing runs by itself yet",
        "A schedule runs a mapping at the times that you say. It knows the nights on which the clock changes, and what "
        "to do about fires that were missed.",
        _new("Make a schedule"),
    )
