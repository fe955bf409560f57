"""Reflex plugin: of Radix Themes the browser gets only what pages use."""

from typing import Any

import reflex as rx

_ALL_OF_RADIX = '@import "@radix-ui/themes/styles.css" layer(components);'
# The other 26 colour scales are a third of the stylesheet.
_COLOURS = ("gray", "purple", "red", "green", "amber")
_PARTS = ("tokens/base", *(f"tokens/colors/{colour}" for colour in _COLOURS), "components", "utilities")


class LeanRadix(rx.plugins.RadixThemesPlugin):
    """Radix Themes without the scales and components that no page uses."""

    def get_frontend_dependencies(self, **context: Any) -> tuple[str, ...]:
        # A dependency named here is offered whole to components made at run time; pages bring the parts they use.
        return ()

    def pre_compile(self, **context: Any) -> None:
        context["add_modify_task"]("styles/tailwind.css", _used_parts)


def _used_parts(stylesheet: str) -> str:
    if _ALL_OF_RADIX not in stylesheet:
        raise RuntimeError("tailwind.css does not import Radix Themes: this version of Reflex is not known here")
    imports = (f'@import "@radix-ui/themes/{part}.css" layer(components);' for part in _PARTS)
    return stylesheet.replace(_ALL_OF_RADIX, "\n".join(imports), 1)
