"""Kills, full disks and two at once: nothing is lost, nothing is doubled, and the next refresh finishes the work."""

import contextlib
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from needle_assets.home import Home
from needle_assets_tests.homes import ask, assert_consistent, content, environment_of, instance_of, needle

KILLED = -signal.SIGKILL
PATIENCE_SECONDS = 400
SELECTED = ("--select", "core/epochs,core/hosts,core/upper_limits")  # each point lies in it, and a refresh takes seconds


def faulty(home: Path, point: str, action: str, *arguments: object, **environment: str) -> subprocess.Popen[bytes]:
    """The command line as a child, in which something happens at a named point; its errors go into the file ``said``."""
    command = [sys.executable, "-m", "needle_assets_tests.faults", point, action, *map(str, arguments)]
    with (home.parent / "said").open("wb") as said:
        return subprocess.Popen(command, env=environment_of(home, **environment), stdout=subprocess.DEVNULL, stderr=said)


def said(home: Path) -> str:
    return (home.parent / "said").read_text()


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.1)


def assert_one_line(error: str, *words: str) -> None:
    assert error.startswith("needle: ")
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert all(word in error for word in words), error


@pytest.fixture(scope="module")
def undisturbed(filled: tuple[Path, Home], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a refresh of the selected products that nobody kills leaves."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    assert needle(home, "refresh", "--landing", filled[0], *SELECTED).returncode == 0
    return content(Home(home).published)


@pytest.mark.slow
@pytest.mark.parametrize(
    "point",
    [
        "during the landing scan",
        "inside a landing transaction",
        "mid-transaction",
        "after commit, before events",
        "between event batches",
        "before marking published",
        "mid-publish",
    ],
)
def test_a_killed_refresh_is_finished_by_the_next_one(point, filled, undisturbed, tmp_path) -> None:
    home = tmp_path / "home"
    killed = faulty(home, point, "kill", "refresh", "--landing", filled[0], *SELECTED)
    assert killed.wait(PATIENCE_SECONDS) == KILLED, said(home)
    assert needle(home, "refresh", *SELECTED).returncode == 0
    assert content(Home(home).published) == undisturbed
    assert_consistent(home)
    assert [path.name for path in home.iterdir() if path.suffix == ".partial"] == []
    with instance_of(home) as instance:
        assert all(run.is_finished for run in instance.get_runs())


@pytest.mark.slow
def test_a_kill_while_publishing_leaves_readers_the_old_file(home) -> None:
    before = content(Home(home).published)
    killed = faulty(home, "mid-publish", "kill", "refresh", "--recompute", "core/epochs")
    assert killed.wait(PATIENCE_SECONDS) == KILLED
    assert content(Home(home).published) == before


@pytest.mark.slow
def test_workers_end_with_a_killed_refresh(home) -> None:
    mark = uuid.uuid4().hex
    killed = faulty(home, "with workers", "kill", "refresh", "--recompute", "core/detections", NEEDLE_TEST_MARK=mark)
    until(lambda: len(marked(mark)) >= 4 or killed.poll() is not None, "workers")
    assert killed.wait(PATIENCE_SECONDS) == KILLED, said(home)
    until(lambda: not marked(mark), "the workers still live")


@pytest.mark.slow
@pytest.mark.parametrize("point", ["with a deadly object", "with a deadly object among workers"])
def test_an_object_that_kills_its_process_fails_alone_and_wedges_nothing(point, filled, undisturbed, tmp_path) -> None:
    home = tmp_path / "home"
    deadly = str(ask(filled[1].published, "select max(object_id) from raw.alerts")[0][0])
    for _ in range(2):
        tried = faulty(home, point, "kill", "refresh", "--landing", filled[0], *SELECTED, NEEDLE_TEST_DEADLY=deadly)
        code = tried.wait(PATIENCE_SECONDS)
    assert code == 1
    assert_one_line(said(home), "1 of core/detections could not be computed")
    [(failed, reason)] = ask(
        Home(home).published, "select object_id, reason from core.rejections where reason like 'the code failed%'"
    )
    assert (failed, "its process died" in reason) == (deadly, True)
    done = ask(Home(home).published, "select distinct object_id from core.detections")
    assert (deadly,) not in done
    assert len(done) == len(ask(filled[1].published, "select distinct object_id from core.detections")) - 1
    assert needle(home, "refresh", *SELECTED).returncode == 0
    assert content(Home(home).published) == undisturbed
    assert_consistent(home)


def marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("NEEDLE_TEST_MARK") == mark:
                found.append(process)
    return found


@pytest.mark.slow
def test_of_two_refreshes_one_works_and_the_other_leaves_or_waits(home) -> None:
    first = faulty(home, "between computing and storing", "wait", "refresh", "--recompute", "core/detections")
    until((home / "waiting").exists, "the first refresh works")
    leaving = needle(home, "refresh")
    assert leaving.returncode == 1
    assert_one_line(leaving.stderr, f"process {first.pid}", "wait")
    waiting = subprocess.Popen([sys.executable, "-m", "needle_assets.cli", "refresh", "--wait", "600"], env=environment_of(home))
    (home / "go").touch()
    assert first.wait(PATIENCE_SECONDS) == 0, said(home)
    assert waiting.wait(PATIENCE_SECONDS) == 0
    assert_consistent(home)


@pytest.mark.slow
def test_status_answers_while_a_refresh_works(home) -> None:
    working = faulty(home, "between computing and storing", "wait", "refresh", "--recompute", "core/detections")
    until((home / "waiting").exists, "the refresh works")
    answer = needle(home, "status")
    (home / "go").touch()
    assert answer.returncode == 0, answer.stderr
    assert working.wait(PATIENCE_SECONDS) == 0


@pytest.fixture
def small_disk(home: Path, tmp_path: Path) -> Iterator[Path]:
    """The filled home on a disk of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=420m", "needle-test", disk]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this user may not mount a small disk; run the test as root")
    subprocess.run(["cp", "-a", f"{home}/.", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "point", ["between computing and storing", "after commit, before events", "before publishing", "during the landing scan"]
)
def test_a_full_disk_is_said_in_one_line_and_nothing_is_lost(point, small_disk, filled, tmp_path) -> None:
    arguments = ["refresh", "--recompute", "core/detections"]
    if point == "during the landing scan":
        landing = shutil.copytree(
            filled[0], tmp_path / "landing", copy_function=shutil.copy
        )  # with new times: everything is read again
        Home(small_disk).remember_landing(landing)
    before = content(Home(small_disk).published)
    full = faulty(small_disk, point, "fill", *arguments)
    assert full.wait(PATIENCE_SECONDS) == 1
    assert_one_line(said(small_disk), "ree some space")
    assert_nothing_lost(small_disk, before)


@pytest.mark.slow
def test_a_disk_that_fills_up_within_a_transaction_loses_nothing(small_disk) -> None:
    before = content(Home(small_disk).published)
    full = faulty(small_disk, "mid-transaction", "fill", "refresh", "--recompute", "core/detections")
    assert full.wait(PATIENCE_SECONDS) in (1, -signal.SIGABRT), "DuckDB may abort the process within a commit"
    assert_nothing_lost(small_disk, before)


def assert_nothing_lost(home: Path, before: dict[str, str]) -> None:
    assert content(Home(home).published) == before
    (home / "ballast").unlink(missing_ok=True)
    assert needle(home, "refresh").returncode == 0
    assert content(Home(home).published) == before
    assert_consistent(home)
