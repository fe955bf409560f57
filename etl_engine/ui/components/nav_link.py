"""A link of the navigation: React Router marks the one of this page with aria-current."""

import reflex as rx


class NavLink(rx.Component):
    """React Router's NavLink."""

    library = "react-router"
    tag = "NavLink"
    to: rx.Var[str]
    end: rx.Var[bool]


def nav_link(icon: str, text: str, to: str) -> rx.Component:
    return NavLink.create(rx.icon(icon, size=18, aria_hidden="true"), text, to=to, end=to == "/")
