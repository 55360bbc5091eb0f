"""``needle ui`` for real: a webserver and a daemon as processes, runs as processes of theirs, and clicks over HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from needle_assets_tests.homes import ask, assert_consistent, environment_of, instance_of, write_ids
from needle_assets_tests.orchestration.ui import LAUNCH_BACKFILL

PATIENCE_SECONDS = 400
CURVES = ["core.light_curves", "core.epochs"]
BACKFILL = "query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"


class Server:
    """A running ``needle ui``."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    def graphql(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/graphql", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            result = json.load(answer)
        assert "errors" not in result, result
        return result["data"]

    def is_up(self) -> bool:
        assert self.process.poll() is None, "the server ended"
        try:
            return bool(self.graphql("{ version }"))
        except OSError:
            return False

    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]


def until(holds, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(1)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextmanager
def serving(home: Path) -> Iterator[Server]:
    """``needle ui`` over a home, until the end."""
    port = free_port()
    command = [sys.executable, "-m", "needle_assets.cli", "ui", "--port", str(port)]
    with (home.parent / "served").open("wb") as log:
        process = subprocess.Popen(command, env=environment_of(home), stdout=log, stderr=log, start_new_session=True)
    try:
        served = Server(process, port)
        until(served.is_up, "the webserver answers")
        yield served
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    with serving(home) as served:
        yield served


@pytest.mark.slow
def test_the_ui_is_for_this_machine_only_and_a_scattered_choice_is_computed_once(server, home) -> None:
    listening = {
        connection.laddr.ip
        for process in server.processes()
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    keys = [row[0] for row in ask(home / ".state" / "working.duckdb", "select ztf_id from lineage.objects order by all")]
    with instance_of(home) as instance:
        before = {table: set(write_ids(instance, table)) for table in CURVES}
        chosen = instance.get_dynamic_partitions("ztf_object")[::2]
    params = {"assetSelection": [{"path": table.split(".")} for table in CURVES], "partitionNames": chosen}
    launched = server.graphql(LAUNCH_BACKFILL, params=params)["launchPartitionBackfill"]

    def ended() -> bool:
        status = server.graphql(BACKFILL, id=launched["backfillId"])["partitionBackfillOrError"]["status"]
        assert "FAIL" not in status
        return status == "COMPLETED_SUCCESS"

    until(ended, "the backfill ends")
    with instance_of(home) as instance:
        for table in CURVES:
            told = set(write_ids(instance, table)) - before[table]
            assert sorted(key for key, _ in told) == sorted(chosen)
        runs = [run for run in instance.get_runs() if run.tags.get("dagster/backfill") == launched["backfillId"]]
        assert len(runs) == len(chosen)
    assert set(chosen) < set(keys)
    assert_consistent(home)
    assert not list((home / ".state" / "dagster").rglob("*telemetry*.log"))
