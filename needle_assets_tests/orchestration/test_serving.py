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

from needle_assets_tests.homes import ask, assert_consistent, environment_of, instance_of, needle, write_ids
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
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(10)


def alive(processes: list[psutil.Process]) -> list[str]:
    """Which of these are not gone within ten seconds."""
    return [" ".join(one.cmdline()) for one in psutil.wait_procs(processes, timeout=10)[1]]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_all_processes_end_with_the_ui(number, code, home) -> None:
    with serving(home) as served:
        processes = served.processes()
        assert len(processes) >= 4
        served.process.send_signal(number)
        assert served.process.wait(10) == code
        assert alive(processes) == []
    said = (home.parent / "served").read_text().splitlines()
    assert said[-1].startswith("needle: stopped; " if code > 0 else "Dagster on http://")
    assert "Traceback" not in "".join(said)


@pytest.mark.slow
@pytest.mark.parametrize("module", ["dagster._daemon", "code-server"])
def test_the_ui_ends_with_a_sentence_if_a_part_of_it_dies(module, home) -> None:
    with serving(home) as served:
        processes = served.processes()
        next(one for one in processes if module in one.cmdline()).kill()
        assert served.process.wait(10) == 1
        assert alive(processes) == []
    assert "of Dagster ended, so the rest was ended too" in (home.parent / "served").read_text().splitlines()[-1]


@pytest.mark.slow
def test_a_port_in_use_is_told_in_one_line(home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = needle(home, "ui", "--port", taken.getsockname()[1])
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "give another one with --port" in refused.stderr


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
    keys = [row[0] for row in ask(home / ".state" / "working.duckdb", "select object_id from lineage.objects order by all")]
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
