"""What schedules need of the browser itself: its clock, its zone, the zones it knows."""

# Reflex declares events by calling functions in annotations.
# mypy: disable-error-code="type-arg, valid-type"

import reflex as rx
from reflex.event import passthrough_event_spec

_JSX = rx.asset("browser.jsx", shared=True)


class TimeUntil(rx.Component):
    """Takes an ISO 8601 time to come."""

    library = _JSX.importable_path
    tag = "TimeUntil"
    at: rx.Var[str]


class ViewerZone(rx.Component):
    """Says the browser's zone when the page opens."""

    library = _JSX.importable_path
    tag = "ViewerZone"
    on_zone: rx.EventHandler[passthrough_event_spec(str)]


class ZoneList(rx.Component):
    """The choices of a field for a time zone."""

    library = _JSX.importable_path
    tag = "ZoneList"


time_until = TimeUntil.create
viewer_zone = ViewerZone.create
zone_list = ZoneList.create
