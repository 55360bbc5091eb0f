"""People query the published file while a refresh writes, and hold nobody up."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from needle_assets.home import Home
from needle_assets_tests.homes import ask, environment_of, fill, needle


def reader(home: Path, *how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "needle_assets_tests.readers", Home(home).published, home / "stop", *how]
    return subprocess.Popen(command, env=environment_of(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_eight_readers_and_one_that_stays_see_no_error_while_refreshes_write(home) -> None:
    readers = [reader(home) for _ in range(7)] + [reader(home, "keep")]
    inodes = {Home(home).published.stat().st_ino}
    for product in ("core/detections", "core/epochs"):
        done = needle(home, "refresh", "--select", "core/epochs", "--recompute", product)
        assert done.returncode == 0, done.stderr
        inodes.add(Home(home).published.stat().st_ino)
    (home / "stop").touch()
    for process in readers:
        rounds, error = process.communicate(timeout=180)
        assert (process.returncode, error) == (0, ""), error
        assert int(rounds) >= 3
    assert len(inodes) == 3, "every refresh published a new file"


def test_a_refresh_that_changes_nothing_publishes_nothing(home) -> None:
    inode = Home(home).published.stat().st_ino
    fill(home)
    assert Home(home).published.stat().st_ino == inode


def test_a_vanished_published_file_comes_back(home) -> None:
    Home(home).published.unlink()
    fill(home)
    assert ask(Home(home).published, "select count(*) from raw.alerts") > [(0,)]


def test_left_over_copies_of_killed_refreshes_are_removed(home) -> None:
    shutil.copy(Home(home).published, home / ".needle.duckdb.99999.partial")
    Home(home).published.unlink()
    fill(home)
    assert not list(home.glob(".needle.duckdb.*.partial"))
