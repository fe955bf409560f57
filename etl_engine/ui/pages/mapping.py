"""One mapping, or a new one."""

import reflex as rx

from etl_engine.ui.mappings.address import PATH
from etl_engine.ui.mappings.editor import Editor
from etl_engine.ui.mappings.view import mapping_editor
from etl_engine.ui.template import page


@page(route=f"{PATH}/[mapping_id]", title="Mapping", on_load=Editor.load)
def mapping() -> rx.Component:
    return mapping_editor()
