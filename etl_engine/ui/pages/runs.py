"""Runs: what moves rows, moved them, or is to."""

import reflex as rx

from etl_engine.ui.runs.listing import Runs
from etl_engine.ui.runs.view import runs_list
from etl_engine.ui.template import page


@page(route="/runs", title="Runs", on_load=Runs.load)
def runs() -> rx.Component:
    return runs_list()
