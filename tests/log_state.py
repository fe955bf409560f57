"""The logs of this process: what a test sets up goes away with it."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def everything_as_it_was() -> Iterator[None]:
    """Who starts a process sets up its logs for good; in tests the process goes on."""
    root = logging.getLogger()
    handlers, level, configured = root.handlers[:], root.level, structlog.is_configured()
    config = structlog.get_config()
    levels = {
        name: logger.level for name, logger in root.manager.loggerDict.items() if isinstance(logger, logging.Logger)
    }
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    structlog.reset_defaults()
    try:
        yield
    finally:
        root.handlers, root.level = handlers, level
        for name, own in levels.items():
            logging.getLogger(name).setLevel(own)
        structlog.reset_defaults()
        if configured:
            structlog.configure(**config)
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        logging.captureWarnings(False)
