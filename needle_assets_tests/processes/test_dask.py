"""A Dask scheduler and its workers as processes of this machine, encrypted: the same rows, whoever dies."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from needle_assets.home import Home
from needle_assets.processes.cluster import Cluster, ClusterError
from needle_assets.simulation import simulate
from needle_assets_tests.homes import assert_consistent, content, environment_of, needle

pytestmark = pytest.mark.slow
# More than what is computed in this process.
N_OBJECTS = 110
SETTINGS = """\
[synthetic]
n_per_class = 2
[splits]
n_folds = 2
[training]
epochs = 2
ablations = ["metadata", "trees"]
deployed = ["metadata"]
[metrics]
n_bootstrap = 10
"""
TLS = """\
[compute]
scheduler = "{scheduler}"
tls_ca_file = "{folder}/ca.pem"
tls_certificate_file = "{folder}/own.pem"
tls_key_file = "{folder}/own.key"
"""


class Dask:
    """A scheduler and workers whose certificates were made for this test."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "scheduler.json"
        self._certify()
        self.scheduler = self.start("scheduler", "--host", "tls://127.0.0.1", "--port", "0", "--scheduler-file", self.file)
        self.workers = [self.worker(), self.worker()]
        deadline = time.monotonic() + 60
        while not self.file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)

    def _certify(self) -> None:
        def openssl(*words: object) -> None:
            subprocess.run(["openssl", *map(str, words)], check=True, cwd=self.folder, capture_output=True)

        openssl(
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-subj",
            "/CN=needle",
            "-days",
            2,
        )
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "own.key", "-out", "own.csr", "-subj", "/CN=localhost")
        openssl("x509", "-req", "-in", "own.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", "own.pem", "-days", 2)

    def start(self, what: str, *words: object) -> "subprocess.Popen[bytes]":
        files = ("--tls-ca-file", "ca.pem", "--tls-cert", "own.pem", "--tls-key", "own.key")
        command = [Path(sys.executable).with_name("dask"), what, *files, *words]
        environment = {**os.environ, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(list(map(str, command)), cwd=self.folder, env=environment, stdout=log, stderr=log)

    def worker(self) -> "subprocess.Popen[bytes]":
        words = (
            "--nthreads",
            1,
            "--no-dashboard",
            "--no-nanny",
            "--death-timeout",
            30,
            "--local-directory",
            self.folder / "scratch",
        )
        return self.start("worker", "--scheduler-file", self.file, *words)

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture
def dask(tmp_path):
    (tmp_path / "dask").mkdir()
    started = Dask(tmp_path / "dask")
    yield started
    started.close()


@pytest.fixture(scope="module")
def landing(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dask") / "landing"
    simulate(folder, objects=N_OBJECTS, seed=8, mix={"SN": 0.5, "SLSN-I": 0.3, "TDE": 0.2}, has_packets=False)
    return folder


@pytest.fixture(scope="module")
def undisturbed(landing, tmp_path_factory) -> dict[str, object]:
    home = home_in(tmp_path_factory.mktemp("pool"))
    for words in (("refresh", "--landing", landing), ("train",)):
        assert needle(home.path, *words).returncode == 0
    return content(home.published)


def home_in(folder: Path, dask: Dask | None = None) -> Home:
    home = Home(folder / "home").prepare()
    home.settings_file.write_text(SETTINGS + (TLS.format(scheduler=dask.file, folder=dask.folder) if dask else ""))
    return home


def test_a_refresh_and_a_training_elsewhere_store_what_a_pool_does_though_a_worker_dies(landing, undisturbed, dask, tmp_path):
    home = home_in(tmp_path, dask)
    child = started(home, dask, "refresh", "--landing", landing)
    dask.workers.append(dask.worker())
    time.sleep(0.5)
    dask.workers[0].kill()
    assert child.poll() is None
    assert child.communicate()[1] == b""
    assert child.returncode == 0
    done = needle(home.path, "train")
    assert done.returncode == 0, done.stderr
    assert_consistent(home.path)
    assert content(home.published) == undisturbed


def test_a_scheduler_that_dies_ends_the_command_with_a_sentence_and_the_next_one_goes_on_without(
    landing, undisturbed, dask, tmp_path
):
    home = home_in(tmp_path, dask)
    child = started(home, dask, "refresh", "--landing", landing)
    time.sleep(0.5)
    dask.scheduler.kill()
    killed = time.monotonic()
    said = child.communicate()[1].decode()
    assert time.monotonic() - killed < 20, said
    assert (child.returncode, "does not answer" in said, said.count("\n")) == (1, True, 1), said
    home.settings_file.write_text(SETTINGS)
    for words in (("refresh",), ("train",)):
        assert needle(home.path, *words).returncode == 0
    assert_consistent(home.path)
    assert content(home.published) == undisturbed


def started(home: Home, dask: Dask, *words: object) -> "subprocess.Popen[bytes]":
    """A command that has begun to compute elsewhere."""
    command = [sys.executable, "-m", "needle_assets.cli", *map(str, words)]
    child = subprocess.Popen(command, env=environment_of(home.path), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while b"Receive client connection" not in (dask.folder / "log").read_bytes() and time.monotonic() < deadline:
        time.sleep(0.05)
    return child


def test_without_a_certificate_nobody_is_let_in_and_where_nobody_answers_a_sentence_comes_within_ten_seconds(dask):
    address = json.loads(dask.file.read_text())["address"]
    with socket.create_server(("127.0.0.1", 0)) as mute:
        for scheduler in (address.replace("tls://", "tcp://"), "tcp://127.0.0.1:9", f"tcp://127.0.0.1:{mute.getsockname()[1]}"):
            asked = time.monotonic()
            with pytest.raises(ClusterError, match="does not answer"):
                Cluster(scheduler).executor()
            assert time.monotonic() - asked < 10


def test_workers_that_join_are_counted_and_nobody_waits_for_ever_when_the_last_is_gone(dask):
    tls = tuple(str(dask.folder / name) for name in ("ca.pem", "own.pem", "own.key"))
    executor = Cluster(str(dask.file), tls, workerless_seconds=2.0).executor()
    assert executor.submit(abs, -1).result() == 1
    dask.workers.append(dask.worker())
    deadline = time.monotonic() + 30
    while executor.count < len(dask.workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert executor.count == len(dask.workers)
    for process in dask.workers:
        process.kill()
    with pytest.raises(ClusterError, match=r"has had no worker for \d+ s; what was stored is kept"):
        executor.submit(time.sleep, 0).result(timeout=30)
    executor.shutdown()
