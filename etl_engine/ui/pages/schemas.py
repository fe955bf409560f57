"""Schemas: what a good row looks like."""

import reflex as rx

from etl_engine.ui.schemas.state import PATH, Schemas
from etl_engine.ui.schemas.view import schemas_list
from etl_engine.ui.template import page


@page(route=PATH, title="Schemas", on_load=Schemas.load)
def schemas() -> rx.Component:
    return schemas_list()
