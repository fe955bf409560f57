"""The pages that the sidebar, the drawer and the command palette lead to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Destination:
    """A page of the product: its icon, the word for it, its address."""

    icon: str
    title: str
    to: str


CONNECTIONS = Destination("database", "Connections", "/")
RUNS = Destination("play", "Runs", "/runs")
SCHEDULES = Destination("clock-3", "Schedules", "/schedules")
OVERVIEW = Destination("layout-dashboard", "Overview", "/overview")
SCHEMAS = Destination("table-properties", "Schemas", "/schemas")
MAPPINGS = Destination("spline", "Mappings", "/mappings")
PAGES = (OVERVIEW, CONNECTIONS, SCHEMAS, MAPPINGS, RUNS, SCHEDULES)  # only pages that exist: no dead links
