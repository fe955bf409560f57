"""The dialog in which a connection is made or changed."""

from etl_engine.ui.connection_form.state import ConnectionForm
from etl_engine.ui.connection_form.view import connection_dialog

__all__ = ["ConnectionForm", "connection_dialog"]
