"""Reflex plugin for the dev server (Vite): it listens where HOST says, and forwards the API to the backend."""

from typing import Any

import reflex as rx

_MARK = "plugins: ["

# Reflex starts Vite with a bare `--host`, which listens on every address; only a plugin can overrule the command line.
# The backend's port is read when Vite starts, since Reflex takes the next free one where 8000 is taken.
_VITE_PLUGIN = """{
      name: "etl-engine-dev-server",
      config: (_, { command, isPreview }) => {
        if (command !== "serve" || isPreview) return {};
        const host = process.env.ETL_DEV_HOST;
        const near = { "0.0.0.0": "127.0.0.1", "::": "[::1]" }[host] ?? (host.includes(":") ? `[${host}]` : host);
        const target = `http://${near}:${process.env.REFLEX_BACKEND_PORT || 8000}`;
        const isPage = (req) => (req.headers.accept || "").includes("text/html");
        return {
          server: {
            host,
            proxy: {
              "^(API_PREFIX|/docs|/openapi\\\\.json|/health)(/|\\\\?|$)": { target },
              "^/$": { target, bypass: (req) => (isPage(req) ? req.url : undefined) },
            },
          },
        };
      },
    },"""


class DevServer(rx.plugins.Plugin):
    """In dev, port 3000 answers what the one port of production answers."""

    def __init__(self, api_prefix: str) -> None:
        self._plugin = _VITE_PLUGIN.replace("API_PREFIX", "/" + api_prefix.split("/")[1])

    def pre_compile(self, **context: Any) -> None:
        context["add_modify_task"]("vite.config.js", self._with_dev_server)

    def _with_dev_server(self, config: str) -> str:
        if _MARK not in config:
            raise RuntimeError("vite.config.js has no plugin list: this version of Reflex is not known here")
        return config.replace(_MARK, f"{_MARK}\n    {self._plugin}", 1)
