"""``needle ui``: Dagster's pages and the explorer behind our guard, the daemon, and the server of our definitions, ending together."""

import json
import shutil
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp

import uvicorn
from dagster import __version__ as dagster_version
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.server import wait_for_grpc_server
from dagster_webserver.app import create_app_from_workspace_process_context

from needle_assets.explore.app import Beside, make_app
from needle_assets.explore.server import configured
from needle_assets.guard import NAMES, guarded
from needle_assets.home import Home
from needle_assets.orchestration.local import bury_dead_runs
from needle_assets.orchestration.records.instance import open_instance
from needle_assets.orchestration.serving.companion import Companion
from needle_assets.pipeline.session import RefreshError
from needle_assets.processes.stopping import ending_with

DEFINITIONS = "needle_assets.definitions"
START_SECONDS = 180
LOOK_SECONDS = 0.5
# Dagster's own defaults for its webserver: how long a query of its records may take, and the pool of connections to them.
STATEMENT_TIMEOUT_MS, POOL_RECYCLE_SECONDS, POOL_OVERFLOW = 15_000, 3600, 10


def serve_ui(home: Home, port: int) -> None:
    """
    Serve Dagster's pages on this machine only, with schedules and sensors at work, until a signal ends the process.

    Raises
    ------
    RefreshError, SettingsError
        If the port is taken, or a part of it ended by itself; then all of it ends. If the settings cannot be used, nothing starts.
    """
    bury_dead_runs(home.prepare())
    home.settings()
    with ExitStack() as stack:
        listening = stack.enter_context(_listening(port))
        folder = Path(mkdtemp(prefix="needle-ui-"))
        instance = stack.enter_context(open_instance(home))
        companions = stack.enter_context(_companions(folder))
        instance.optimize_for_webserver(STATEMENT_TIMEOUT_MS, POOL_RECYCLE_SECONDS, POOL_OVERFLOW)
        target = WorkspaceFileTarget([str(folder / "workspace.yaml")])
        context = stack.enter_context(WorkspaceProcessContext(instance, target, version=dagster_version))
        at = listening.getsockname()[1]
        pages = make_app(home, beside_dagster=True)
        app = guarded(Beside(pages, create_app_from_workspace_process_context(context)), at)
        sys.stdout.write(f"Dagster on http://{NAMES[0]}:{at} for {home.path}; stop it with Ctrl-C.\n")
        sys.stdout.flush()
        _serve(configured(app), listening, companions)


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((NAMES[0], port))
        except OSError as error:
            raise RefreshError(f"port {port} cannot be used ({error.strerror}); give another one with --port.") from error
        listening.listen()
        yield listening


@contextmanager
def _companions(folder: Path) -> Iterator[list[Companion]]:
    """The server of the definitions and the daemon; the workspace file in ``folder``, removed at the end, leads to the first."""
    started: list[Companion] = []

    def end() -> None:
        ending = list(started)
        started.clear()  # from here on it is nothing to be told that they end
        for companion in ending:
            companion.end()
        for companion in ending:
            companion.wait()
        shutil.rmtree(folder, ignore_errors=True)

    with ending_with(end):
        quiet = ["--log-level", "warning"]
        place = str(folder / "definitions.sock")
        definitions = ["code-server", "start", "-m", DEFINITIONS, "--socket", place, "--location-name", DEFINITIONS, *quiet]
        started.append(Companion("the server of the definitions", "dagster", definitions))
        wait_for_grpc_server(started[0].process, DagsterGrpcClient(socket=place), definitions, timeout=START_SECONDS)
        workspace = {"load_from": [{"grpc_server": {"socket": place, "location_name": DEFINITIONS}}]}
        (folder / "workspace.yaml").write_text(json.dumps(workspace), encoding="utf-8")  # which is YAML, too
        started.append(Companion("the daemon", "dagster._daemon", ["run", "-w", str(folder / "workspace.yaml"), *quiet]))
        yield started


def _serve(config: uvicorn.Config, listening: socket.socket, companions: Sequence[Companion]) -> None:
    """Answer requests until something ends that the others cannot do without."""
    server, ended = uvicorn.Server(config), threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK_SECONDS) and all(companion.process.poll() is None for companion in companions):
            pass
        server.should_exit = True

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        server.run(sockets=[listening])
    finally:
        ended.set()
        watcher.join()
    names = [companion.name for companion in companions if companion.process.poll() is not None] or ["the webserver"]
    raise RefreshError(f"{' and '.join(names)} of Dagster ended, so the rest was ended too; run `needle ui` again.")
