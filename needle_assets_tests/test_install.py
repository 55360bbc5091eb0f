"""Installing says little, keeps what the installer said, and finds the same builds whoever installs."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from needle_assets_tests.docs.pages import REPOSITORY

PYTHON = sys.executable
PIP = """
global.find-links='/opt/wheels'
:env:.extra-index-url='https://one.example/simple https://two.example/simple'
global.index-url='https://mirror.example/simple'
global.timeout='180'
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The installer, in a folder of its own."""
    spec = importlib.util.spec_from_file_location("install", REPOSITORY / "tools" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "constraints.txt").write_text("one==1\ntwo==2\n")
    (tmp_path / ".venv").mkdir()
    return module


def says(*lines: str, ends: int = 0) -> list[str]:
    """An installer that says these lines."""
    return [PYTHON, "-c", f"print({chr(10).join(lines)!r}); raise SystemExit({ends})"]


def test_hundreds_of_lines_become_a_few_that_say_how_far_it_is(install: ModuleType) -> None:
    lines = [f"{('Collecting p', 'Processing /wheels/p')[k % 2]}{k}>=1" for k in range(100)]
    lines += ["  Downloading torch-2.13.0-cp311.whl (190.2 MB)", "  Downloading click-8.whl (0.1 MB)"]
    lines += ["Installing collected packages: p0", "Successfully installed p0"]
    assert list(install.shown(lines)) == [
        *("30 packages found", "60 packages found", "90 packages found"),
        *("fetching torch (190 MB)", "all fetched, now unpacking (a minute or two)"),
    ]
    assert list(install.shown(["Resolved 144 packages in 2.85s", " + torch==2.13.0"])) == ["Resolved 144 packages in 2.85s"]


def test_all_that_is_said_is_kept(install: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert install.told(says("Collecting a", "Downloading b"))
    assert "Collecting a\nDownloading b\n" in install.LOG.read_text()
    assert capsys.readouterr().out == ""


def test_a_failed_installation_ends_with_the_last_lines_of_the_log_and_its_name(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install.sys, "executable", "true")
    monkeypatch.setattr(install, "filled", lambda _uv: install.told(says("no room on the disk", ends=1)))
    monkeypatch.setattr(install.shutil, "which", lambda _name: None)
    assert install.main() == 1
    assert "no room on the disk" in capsys.readouterr().out.splitlines()[-2]


def test_uv_asks_where_pip_would_ask(install: ModuleType) -> None:
    sources = install.uv_sources(PIP)
    assert sources[sources.index("--find-links") + 1] == "/opt/wheels"
    assert [sources[k + 1] for k, word in enumerate(sources) if word == "--index"] == [
        "https://one.example/simple",
        "https://two.example/simple",
    ]
    assert sources[sources.index("--default-index") + 1] == "https://mirror.example/simple"
    assert "180" not in sources


@pytest.mark.parametrize(("uv_manages", "asked"), [(True, ["uv"]), (False, ["uv", "python"])])
def test_pip_has_its_turn_only_where_uv_fails(
    uv_manages: bool, asked: list[str], install: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(install, "pip_configuration", lambda: "")
    monkeypatch.setattr(install, "told", lambda command: ran.append(Path(command[0]).name) or (uv_manages or command[0] != "uv"))
    assert install.filled("uv")
    assert ran == asked
