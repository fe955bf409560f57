"""Connections: where data comes from and goes to."""

import reflex as rx

from etl_engine.ui.connections.state import Connections
from etl_engine.ui.connections.view import connections_list
from etl_engine.ui.template import page


@page(route="/", title="Connections", on_load=Connections.load)
def index() -> rx.Component:
    return connections_list()
