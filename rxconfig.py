"""Reflex configuration: `pip install -r requirements.txt && reflex run` needs nothing else."""

import os
from pathlib import Path

from etl_engine import settings as product_settings
from etl_engine.errors import BadSetting
from etl_engine.ui.toolchain import use_packaged_node

CHECKOUT = Path(__file__).parent

try:
    settings = product_settings.load()
except BadSetting as error:
    raise SystemExit(f"ETL Engine cannot start: {error.message}.") from None

use_packaged_node(CHECKOUT)
os.environ.setdefault("REFLEX_CHECK_LATEST_VERSION", "false")  # no call to the package index
os.environ.setdefault("REFLEX_BACKEND_START_METHOD", "spawn")  # drivers and threads do not survive a fork
# Only code reloads the dev server: the embedded store writes its files below the checkout at every change.
os.environ.setdefault("REFLEX_HOT_RELOAD_OVERRIDE_PATHS", str(CHECKOUT / "etl_engine"))

import reflex as rx

from etl_engine.ui.dev_proxy import DevServer
from etl_engine.ui.lifetime import Preflight
from etl_engine.ui.stylesheets import LeanRadix
from etl_engine.ui.theme import radix


def own_origins() -> set[str]:
    """Where a browser on this machine finds the app; Reflex puts the ports it chose into the environment."""
    ports = {os.environ.get("REFLEX_FRONTEND_PORT") or "3000", os.environ.get("REFLEX_BACKEND_PORT") or "8000"}
    hosts = {"localhost", "127.0.0.1"} | ({settings.host} - {"0.0.0.0", "::", "::1"})
    return {f"http://{host}:{port}" for host in hosts for port in ports}


config = rx.Config(
    app_name="etl_engine",
    backend_host=settings.host,
    cors_allowed_origins=sorted({*settings.cors_origins, *own_origins()}),
    default_color_mode="system",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    frontend_packages=["@fontsource-variable/inter@5.3.0"],
    plugins=[
        rx.plugins.TailwindV4Plugin(),
        LeanRadix(theme=radix()),
        DevServer(settings.api_v1_prefix),
        Preflight(),
    ],
    disable_plugins=[rx.plugins.SitemapPlugin],
)
os.environ["ETL_DEV_HOST"] = config.backend_host  # --backend-host and REFLEX_BACKEND_HOST win over HOST
