"""What a state looks like: icon, word and tone together, never colour alone. The colours are in assets/tokens.css."""

from dataclasses import dataclass
from typing import Literal

import reflex as rx

PRIMARY = "#9333ea"
BRAND = "ETL Engine"
PROMISE = "moves every row, once"

Tone = Literal["ok", "bad", "warn", "busy", "idle"]  # a CSS class of .status


@dataclass(frozen=True)
class Look:
    """How a state is shown. The status decides it, never a message."""

    icon: str
    word: str
    tone: Tone


UNTESTED = Look("circle", "Untested", "idle")
TEST_STATUS = {
    "success": Look("check", "Connected", "ok"),
    "failed": Look("x", "Failed", "bad"),
}
STEP_STATE = {
    "pending": Look("circle", "Waiting", "idle"),
    "running": Look("loader-circle", "Running", "busy"),
    "pass": Look("check", "Passed", "ok"),
    "warn": Look("triangle-alert", "Passed with a warning", "warn"),
    "fail": Look("x", "Failed", "bad"),
    "skipped": Look("minus", "Not reached", "idle"),
}

# Badges: purple for MySQL and grey for PostgreSQL by the specification; a kind without a line here is grey too.
KIND_BADGE = {
    "mysql": "purple",
    "postgresql": "grey",
    "sqlite": "blue",
    "duckdb": "amber",
    "files": "green",
    "s3": "amber",
    "lake": "blue",
}


def radix() -> rx.Component:
    """The Radix theme; its purple and gray scales are replaced by ours in tokens.css."""
    return rx.theme(accent_color="purple", gray_color="gray", panel_background="solid", radius="large")
