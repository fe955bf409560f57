"""Overview: what is broken, running, late and next."""

import reflex as rx

from etl_engine.ui.overview import view
from etl_engine.ui.overview.state import Overview
from etl_engine.ui.template import page


@page(route="/overview", title="Overview", on_load=Overview.load)
def overview() -> rx.Component:
    return view.overview()
