"""Every command in homes that hold nothing, little, or something else: one sentence or an answer, never a bare error."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from needle_assets.cli import command as cli
from needle_assets.home import Home
from needle_assets.orchestration.records import pictures
from needle_assets.orchestration.serving.ui import serve_ui
from needle_assets.settings import SettingsError
from needle_assets.simulation import simulate
from needle_assets.warehouse import schema

COMMANDS = [
    *(["status"], ["status", "--json", "--settings"], ["sql", "from core.objects"], ["report"], ["train"], ["train", "quality"]),
    *(["send", "jsonl"], ["export", "candidates"], ["export", "candidates", "--format", "astronote"]),
    *(["refresh"], ["restore"], ["restore", "--list"], ["sql", "--json", "from core.splits"]),
]
QUERIES = sorted((schema.sql_folder() / "queries").glob("*.sql"))
CATALOGUE = (
    "ZTFID,IAUID,RA,Dec,peakt,peakfilt,peakmag,peakabs,duration,rise,fade,type,redshift,b,A_V\n"
    "ZTF21aaharaa,SN2021zza,10:00:36.68,+10:46:52.8,1300.90,r,18.0,-19.10,>28.6,6.01,>14.9,SLSN-I,0.0571,24.36,0.092\n"
)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the home is or would be."""
    monkeypatch.setenv("NEEDLE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(pictures, "OBJECTS_PER_RUN", 0)
    return tmp_path / "home"


@pytest.fixture
def needle(path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """One command in this process: exit code, output, errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = 0
        try:
            cli.main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 1
        return code, *capsys.readouterr()

    return run


def sentence(outcome: tuple[int, str, str]) -> str:
    """The one line with which a command refused; it names what was wrong in words."""
    code, _, error = outcome
    assert code in (1, 2)
    assert error.count("\n") == 1
    assert not any(word in error for word in ("Traceback", "Error:", "Errno", "--debug"))
    return error


def made(path: Path, what: str) -> None:
    """A folder of this kind where the home would be."""
    if what == "a file":
        path.write_text("no home")
    elif what != "nothing":
        path.mkdir()
    if what == "other things":
        (path / "holiday.jpg").write_bytes(b"\xff\xd8")
    if what == "unreadable settings":
        (path / "settings.toml").mkdir()
    if what == "nonsense settings":
        (path / "settings.toml").write_text("[splits]\nn_folds = 0\n")


@pytest.mark.parametrize(
    "what", ["nothing", "an empty folder", "other things", "a file", "unreadable settings", "nonsense settings"]
)
def test_where_there_is_no_home_each_command_says_one_sentence(path, needle, what) -> None:
    made(path, what)
    for command in COMMANDS:
        if command[-1] != "--list":
            sentence(needle(*command))


@pytest.mark.parametrize("what", ["unreadable settings", "nonsense settings"])
def test_pages_are_not_served_with_settings_that_cannot_be_used(path, what) -> None:
    made(path, what)
    with pytest.raises(SettingsError, match=r"settings\.toml"):
        serve_ui(Home(path), 0)


def test_packets_without_a_catalogue_are_refused_and_leave_a_home_that_says_so(path, needle, filled, tmp_path) -> None:
    shutil.copytree(filled[0] / "alerts", tmp_path / "landing" / "alerts")
    assert "holds no bts.csv" in sentence(needle("refresh", "--landing", tmp_path / "landing"))
    code, out, _ = needle("status", "--json")
    assert (code, json.loads(out)["objects"]) == (0, 0)
    assert "needle refresh" in sentence(needle("train"))
    assert "needle refresh" in sentence(needle("report"))


def test_a_catalogue_without_packets_is_a_home_without_objects(path, needle, tmp_path) -> None:
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "bts.csv").write_text(CATALOGUE)
    assert needle("refresh", "--landing", tmp_path / "landing")[0] == 0
    result = json.loads(needle("status", "--json")[1])
    assert result["objects"] == sum(result["stale"].values()) == sum(result["missing"].values()) == 0
    answers(needle, trained=False)
    assert "no labelled objects to train on" in sentence(needle("train"))
    assert needle("sql", "--csv", "select object_id from raw.objects")[1] == "object_id\nZTF21aaharaa\n"


def answers(needle: Run, *, trained: bool) -> None:
    """Status, every query, the report and an idle refresh."""
    for command in (["status"], ["status", "--json", "--settings"], ["refresh", "--json"], ["report"], ["restore", "--list"]):
        code, out, error = needle(*command)
        assert (code, error) == (0, ""), command
        assert out
    for query in QUERIES:
        assert needle("sql", "--json", "-f", query)[0] == 0, query
    assert (json.loads(needle("status", "--json")[1])["behind"]["n_models"] > 0) is trained


@pytest.mark.slow
@pytest.mark.parametrize("objects", [1, 5, 20, 160])
def test_every_command_in_a_small_home_before_and_after_training(path, needle, tmp_path, objects) -> None:
    simulate(tmp_path / "landing", objects=objects, seed=4, workers=2)
    assert needle("refresh", "--landing", tmp_path / "landing", "--preset", "demo")[0] == 0
    answers(needle, trained=False)
    outcomes = [needle("train"), needle("train", "quality")]
    assert all(outcome[0] == 0 or sentence(outcome) for outcome in outcomes)
    models = json.loads(needle("status", "--json")[1])["behind"]["n_models"]
    answers(needle, trained=models > 0)
    catalogue = tmp_path / "landing" / "bts.csv"
    lines = catalogue.read_text().splitlines(keepends=True)
    catalogue.write_text("".join([lines[0], *lines[1 + min(objects // 2, 30) :]]))
    needle("refresh")  # whether so many rows may go, is a setting
    assert needle("report")[0] == 0
