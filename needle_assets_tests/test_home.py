"""The home: its lock, what it remembers, and the marks of runs that died."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from needle_assets.home import Home, HomeBusyError
from needle_assets.settings import SettingsError

HOLDS_LOCK = """
import sys, time
from pathlib import Path
from needle_assets.home import Home
home = Home(Path(sys.argv[1]))
with home.lock(what="test"), home.running("run-1"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def new(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").prepare()


@pytest.fixture
def holder(new: Home):
    """Another process that holds the home and works on a run."""
    with subprocess.Popen([sys.executable, "-c", HOLDS_LOCK, new.path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_environment_names_the_home_and_else_the_repository_does(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("NEEDLE_HOME", str(tmp_path))
    assert Home.from_environment().path == tmp_path
    monkeypatch.setenv("NEEDLE_HOME", "")
    assert Home.from_environment().path.name == "warehouse"


def test_a_held_home_is_refused_with_the_holder_named(new, holder) -> None:
    with pytest.raises(HomeBusyError, match=rf"in use by a test \(process {holder.pid}, since .*wait for it to end"), new.lock():
        pass


def test_whoever_waits_long_enough_gets_the_home(new, holder) -> None:
    holder.kill()
    with new.lock(wait_seconds=60):
        assert str(os.getpid()) in (new.state / "lock").read_text()


def test_a_killed_holder_leaves_no_lock(new, holder) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with new.lock():
        pass


def test_the_lock_is_free_again_after_an_error(new) -> None:
    with pytest.raises(ZeroDivisionError), new.lock():
        raise ZeroDivisionError
    with new.lock():
        pass


def test_a_run_is_dead_once_its_process_is(new, holder) -> None:
    assert new.dead_runs() == []
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert new.dead_runs() == ["run-1"]
    new.forget_run("run-1")
    assert new.dead_runs() == []


def test_a_run_that_ends_well_leaves_no_mark(new) -> None:
    with new.running("run-2"):
        assert new.dead_runs() == []
    assert list((new.state / "runs").iterdir()) == []


def test_a_run_that_ends_with_an_error_is_dead(new) -> None:
    with pytest.raises(ZeroDivisionError), new.running("run-3"):
        raise ZeroDivisionError
    assert new.dead_runs() == ["run-3"]


def test_the_first_preset_stays(new) -> None:
    new.remember_preset(new.settings("paper").preset)
    assert new.settings().preset == "paper"
    with pytest.raises(SettingsError, match="was filled with preset 'paper', but 'demo' was asked for"):
        new.settings("demo")


def test_what_is_remembered_is_replaced_in_whole(new, monkeypatch, tmp_path) -> None:
    new.remember_landing(tmp_path / "one")
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        new.remember_landing(tmp_path / "two")
    assert new.landing() == tmp_path / "one"
