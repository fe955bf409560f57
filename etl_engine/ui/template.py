"""The frame of every page: sidebar (a drawer in narrow windows), banners, the page itself."""

import functools
from collections.abc import Callable

import reflex as rx
from reflex.style import toggle_color_mode

from etl_engine.ui.components.brand import brand
from etl_engine.ui.components.keys import key_sheet
from etl_engine.ui.components.nav_link import nav_link
from etl_engine.ui.engine_status import EngineStatus, banners, engine_status
from etl_engine.ui.finder import palette
from etl_engine.ui.navigation import PAGES
from etl_engine.ui.props import Handler
from etl_engine.ui.theme import BRAND
from etl_engine.ui.toasts import toasts

_PALETTE = rx.run_script("window.dispatchEvent(new Event('show-palette'))")


def page(
    route: str, title: str, *, on_load: Handler | None = None
) -> Callable[[Callable[[], rx.Component]], Callable[[], rx.Component]]:
    """Register a page in the frame. Its function gives the content; every page also looks after the engine."""

    def register(content: Callable[[], rx.Component]) -> Callable[[], rx.Component]:
        @functools.wraps(content)
        def framed() -> rx.Component:
            return frame(content())

        events = [EngineStatus.look, *(on_load if isinstance(on_load, list) else [on_load] if on_load else [])]
        rx.page(route=route, title=f"{title} · {BRAND}", description="Self-hosted data integration.", on_load=events)(
            framed
        )
        return framed

    return register


def frame(*content: rx.Component) -> rx.Component:
    return rx.el.div(
        rx.el.a("Skip to content", href="#main", reload_document=True, class_name="skip-link"),
        rx.el.aside(brand(), _finder(), _navigation(), _foot(), class_name="sidebar", aria_label="Sidebar"),
        _topbar(),
        rx.el.main(rx.el.div(banners(), *content, class_name="content"), id="main", tab_index=-1, class_name="main"),
        toasts(),
        palette(),
        key_sheet(),
        class_name="app",
    )


def _finder() -> rx.Component:
    return rx.el.button(
        rx.icon("search", size=16, aria_hidden="true"),
        rx.el.span("Go anywhere"),
        rx.el.kbd("Ctrl K", aria_hidden="true"),
        type="button",
        aria_keyshortcuts="Control+K",
        on_click=_PALETTE,
        class_name="finder",
    )


def _navigation() -> rx.Component:
    links = [rx.el.li(nav_link(page.icon, page.title, page.to)) for page in PAGES]
    return rx.el.nav(rx.el.ul(*links, class_name="nav"), aria_label="Pages")


def _foot() -> rx.Component:
    return rx.el.div(engine_status(), _theme_switch(), class_name="foot")


def _theme_switch() -> rx.Component:
    return rx.el.button(
        rx.icon("moon", size=18, class_name="when-light", aria_hidden="true"),
        rx.icon("sun", size=18, class_name="when-dark", aria_hidden="true"),
        type="button",
        title="Light or dark",
        aria_label="Switch between light and dark",
        on_click=toggle_color_mode,
        class_name="theme-switch",
    )


def _topbar() -> rx.Component:
    menu = rx.el.button(
        rx.icon("menu", size=20, aria_hidden="true"),
        type="button",
        aria_label="Open the menu",
        class_name="menu-button",
    )
    find = rx.el.button(
        rx.icon("search", size=20, aria_hidden="true"),
        type="button",
        aria_label="Go anywhere",
        on_click=_PALETTE,
        class_name="menu-button",
    )
    close = rx.dialog.close(
        rx.el.button(
            rx.icon("x", size=20, aria_hidden="true"),
            type="button",
            id="close-menu",
            aria_label="Close the menu",
            class_name="menu-button",
        )
    )
    drawer = rx.dialog.content(
        rx.el.div(
            rx.dialog.title("Menu", as_="h2", class_name="visually-hidden"),
            rx.dialog.description("Pages and the state of the engine", class_name="visually-hidden"),
            rx.el.div(brand(), close, class_name="drawer-head"),
            # A link does not close the dialog by itself: React Router prevents the click's default, and Radix minds.
            rx.el.div(_navigation(), on_click=rx.run_script("document.getElementById('close-menu').click()")),
            _foot(),
            class_name="drawer",
        ),
        class_name="drawer-content",
    )
    return rx.el.header(rx.dialog.root(rx.dialog.trigger(menu), drawer), brand(), find, class_name="topbar")
