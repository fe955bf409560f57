"""Schedules: what runs when."""

import reflex as rx

from etl_engine.ui.schedules.listing import Schedules
from etl_engine.ui.schedules.view import schedules_list
from etl_engine.ui.template import page


@page(route="/schedules", title="Schedules", on_load=Schedules.load)
def schedules() -> rx.Component:
    return schedules_list()
