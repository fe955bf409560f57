"""The mappings."""

import reflex as rx

from etl_engine.ui.mappings.address import PATH
from etl_engine.ui.mappings.list_view import mappings_list
from etl_engine.ui.mappings.listing import Mappings
from etl_engine.ui.template import page


@page(route=PATH, title="Mappings", on_load=Mappings.load)
def mappings() -> rx.Component:
    return mappings_list()
