"""What is released: a wheel that works where no checkout is, an sdist that makes the same wheel, a recipe for a container."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from needle_assets.cli.command import app
from needle_assets.home import REPOSITORY, Home
from needle_assets_tests.disturbing import SETTINGS
from needle_assets_tests.homes import ask, content

NEEDED = ("warehouse/sql/tables/core.epochs.sql", "warehouse/sql/queries/candidates.sql", "report/page.html", "py.typed")
N_OBJECTS = 14


def build(source: Path, target: str, folder: Path) -> Path:
    """What the build backend makes of a folder of sources."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    [made] = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(REPOSITORY, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked in a folder of its own; what it needs comes from where the tests run."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(folder), str(wheel)]
    subprocess.run([*command, "--disable-pip-version-check"], check=True, capture_output=True)
    return folder


def run(installed: Path, folder: Path, *arguments: object, **environment: str) -> str:
    """A command of the installed package, in a folder where no checkout is; what it prints."""
    known = {**os.environ, "PYTHONPATH": str(installed), "HOME": str(folder), "OMP_NUM_THREADS": "1", **environment}
    known = {name: value for name, value in known.items() if name != "NEEDLE_HOME" or "NEEDLE_HOME" in environment}
    command = [sys.executable, "-m", "needle_assets", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def inside(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.mark.slow
def test_the_wheel_holds_all_that_is_read_and_nothing_of_the_tests(wheel: Path) -> None:
    names = inside(wheel)
    assert {f"needle_assets/{name}" for name in NEEDED} <= names
    tracked = {
        path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "needle_assets").rglob("*") if path.suffix != ".pyc"
    }
    assert {name for name in tracked if (REPOSITORY / name).is_file()} <= names
    assert {name.split("/")[0] for name in names} == {"needle_assets"}


@pytest.mark.slow
def test_the_source_archive_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(build(REPOSITORY, "sdist", tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    [source] = (tmp_path / "source").iterdir()
    again = build(source, "wheel", tmp_path / "again")
    assert again.name == wheel.name
    assert inside(again) == inside(wheel)


@pytest.mark.slow
def test_an_installed_package_keeps_its_home_beside_no_code_and_says_which_version_it_is(installed: Path, tmp_path: Path) -> None:
    assert re.fullmatch(r"needle \d+\.\d+\.\d+\S*\n", run(installed, tmp_path, "--version"))
    run(installed, tmp_path, "simulate", "landing", "--objects", 3, "--seed", 5)
    run(installed, tmp_path, "refresh", "--landing", "landing", "--workers", 1)
    assert ask(tmp_path / "needle" / "needle.duckdb", "select count(*) from raw.objects") == [(3,)]
    run(installed, tmp_path, "report")
    assert run(installed, tmp_path, "sql", "--json", "select count(*) as n from core.epochs").startswith('[{"n"')


@pytest.mark.slow
def test_wheel_and_exported_training_set_give_the_same_models_and_metrics(installed: Path, tmp_path: Path) -> None:
    first, second = Home(tmp_path / "first").prepare(), Home(tmp_path / "second")
    (first.path / "settings.toml").write_text(f'preset = "demo"\n{SETTINGS}')
    run(installed, tmp_path, "simulate", "landing", "--objects", N_OBJECTS, "--seed", 8, "--mix", "SN=0.4,SLSN-I=0.3,TDE=0.3")
    for command in (("refresh", "--landing", "landing"), ("train",), ("export", "training-set", "set")):
        run(installed, tmp_path, *command, NEEDLE_HOME=str(first.path))
    for command in (("import", "set"), ("train",), ("report",)):
        run(installed, tmp_path, *command, NEEDLE_HOME=str(second.path))
    assert ask(second.published, "select count(*) from results.metrics") > [(0,)]
    told = [content(home.published) for home in (first, second)]
    assert told[0]["results.metrics"] == told[1]["results.metrics"]
    assert told[0]["results.predictions"] == told[1]["results.predictions"]


def instructions() -> Iterator[tuple[str, str]]:
    """Every instruction of the recipe and what follows it."""
    text = (REPOSITORY / "Containerfile").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest


def test_the_container_copies_what_is_there_and_starts_a_command_that_exists() -> None:
    told = list(instructions())
    copied = [rest.split()[0] for word, rest in told if word == "COPY" and "--from" not in rest]
    assert all((REPOSITORY / name).exists() for name in copied)
    last = dict(told)
    assert last["ENTRYPOINT"] == '["needle"]'
    assert last["CMD"].strip('[]"') in get_command(app).commands  # type: ignore[attr-defined]
    assert last["USER"] == "needle"


def test_whoever_cites_finds_title_licence_and_paper() -> None:
    told = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert told["cff-version"] == "1.2.0"
    assert told["license"] == "MIT"
    assert told["title"].startswith("needle_assets")
    assert told["authors"]
    assert told["message"]
    assert told["references"][0]["identifiers"][0]["value"] == "arXiv:2512.14644"
