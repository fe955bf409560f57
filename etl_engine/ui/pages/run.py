"""One run."""

import reflex as rx

from etl_engine.ui.runs.page import run_page
from etl_engine.ui.runs.state import Run
from etl_engine.ui.template import page


@page(route="/runs/[run_id]", title="Run", on_load=Run.load)
def run() -> rx.Component:
    return run_page()
