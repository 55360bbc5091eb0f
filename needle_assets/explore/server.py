"""``needle explore``: the pages on this machine only, until a signal ends the process."""

import os
import socket
import sys

import uvicorn
from starlette.types import ASGIApp

from needle_assets.errors import NeedleError
from needle_assets.explore.app import make_app
from needle_assets.guard import NAMES, guarded
from needle_assets.home import Home

# Longer than people look at a page: who asks just when a connection is given up sees an error.
KEEP_ALIVE_SECONDS = 75
# Where processors are short, a refresh goes before those who look.
GIVING_WAY = 5


class PortError(NeedleError):
    """The port cannot be used; the message says what to do."""


def serve(home: Home, port: int) -> None:
    """
    Serve the pages of a home; 0 takes a free port.

    Raises
    ------
    PortError
        If the port is taken.
    """
    os.nice(GIVING_WAY)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((NAMES[0], port))
        except (OSError, OverflowError) as error:
            raise PortError(f"port {port} cannot be used ({error}); give another one with --port.") from error
        listening.listen()
        at = listening.getsockname()[1]
        sys.stdout.write(f"Pages on http://{NAMES[0]}:{at} for {home.path}; stop them with Ctrl-C.\n")
        sys.stdout.flush()
        uvicorn.Server(configured(guarded(make_app(home), at))).run(sockets=[listening])


def configured(app: ASGIApp) -> uvicorn.Config:
    """How pages are served, those of Dagster too: little is said, connections last, and an end does not wait for them."""
    return uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, timeout_keep_alive=KEEP_ALIVE_SECONDS)
