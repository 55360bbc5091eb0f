"""Every command, query, program and setting in the documentation is tried; those that cannot be are named, each with its reason."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import typer
import yaml
from typer import _click as click

from needle_assets import simulation
from needle_assets.cli import command as cli
from needle_assets.cli.querying import run_sql
from needle_assets.cli.verbs import RefreshOptions, run_refresh
from needle_assets.home import Home
from needle_assets.orchestration.jobs.refresh import refresh_job
from needle_assets.orchestration.records import pictures
from needle_assets.settings import Settings, read_settings
from needle_assets.simulation import simulate
from needle_assets_tests.docs.pages import (
    FOLLOWED,
    NOT_RUN,
    PAGES,
    PROGRAMS,
    REPOSITORY,
    Block,
    blocks,
    commands,
    files,
    links,
    mentioned,
)
from needle_assets_tests.fetch import sky
from needle_assets_tests.fetch.conftest import opened_services
from needle_assets_tests.fetch.survey_services import SurveyServices
from needle_assets_tests.homes import environment_of
from needle_assets_tests.pipeline.test_train import MIX, N_OBJECTS, SETTINGS

PLACEHOLDERS = {
    "SOURCE": "bts",
    "DIR": "made",
    "HOME": "warehouse",
    "ID": "abc",
    "N": "3",
    "S": "1",
    "SECONDS": "1",
    "PORT": "3000",
}
SMALL = '[checker]\nepochs = 1\nmax_training_images = 60\n[schedule]\nsources = ["bts", "alerce", "panstarrs"]\n'


def named(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def of_language(*languages: str) -> list[Any]:
    found = [block for page in PAGES for block in blocks(page, *languages)]
    return [pytest.param(block, id=f"{named(block.page)} {number}") for number, block in enumerate(found)]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_block_that_is_a_file_stands_only_where_a_test_writes_it(page: Path) -> None:
    assert not files(page) or named(page) in FOLLOWED


@dataclass
class Place:
    """Where a reader of the documentation sits: a checkout with a filled home in ``warehouse/``, and a landing folder."""

    folder: Path
    services: SurveyServices
    settings: Settings

    @property
    def home(self) -> Home:
        return Home(self.folder / "warehouse")


def settled(folder: Path, landing: Path, filled_home: Path, settings: str, services: SurveyServices) -> Place:
    """A copy of a filled home and of its landing folder, which is said not to be simulated."""
    shutil.copytree(landing, folder / "landing", copy_function=shutil.copy2, ignore=shutil.ignore_patterns("truth"))
    shutil.copytree(filled_home, folder / "warehouse", copy_function=shutil.copy2)
    (folder / "warehouse" / "queries").symlink_to(REPOSITORY / "warehouse" / "queries")
    shutil.copytree(REPOSITORY / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns("__*__"))
    (folder / "needle_assets_tests").symlink_to(REPOSITORY / "needle_assets_tests")
    home = Home(folder / "warehouse")
    home.settings_file.write_text(settings, encoding="utf-8")
    home.remember_landing(folder / "landing")
    return Place(folder, services, home.settings())


@pytest.fixture
def place(filled: tuple[Path, Home], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """For what only reads, or works beside the home."""
    services = SurveyServices(filled[0])
    made = settled(tmp_path, filled[0], filled[1].path, services.settings(), services)
    monkeypatch.chdir(tmp_path)
    yield made
    services.close()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_names_what_there_is(page: Path) -> None:
    for command in commands(page):
        program, *arguments = shlex.split(command)
        assert program in PROGRAMS, command
        assert program != "make" or command in NOT_RUN, f"{command}: say in NOT_RUN what else runs it"
        if program == "needle":
            parse(arguments, may_lack=False)
    for command in mentioned(page):
        parse(shlex.split(command)[1:], may_lack=True)


@pytest.mark.parametrize("wrong", ["refersh", "refresh --langing FOLDER", "refresh --workers many", "fetch"])
def test_a_command_that_is_none_would_be_found(wrong: str) -> None:
    with pytest.raises((click.exceptions.ClickException, AssertionError)):
        parse(wrong.split(), may_lack=False)


def parse(arguments: list[str], *, may_lack: bool) -> None:
    """Read a command as the program does, without doing anything."""
    group = typer.main.get_command(cli.app)
    given = [PLACEHOLDERS.get(argument, argument) for argument in arguments]
    try:
        above = group.make_context("needle", given)
        name, command, rest = group.resolve_command(above, [*above._protected_args, *above.args])
        assert command is not None
        command.make_context(name, list(rest), parent=above)
    except typer.Exit:
        assert arguments == ["--version"]
    except click.exceptions.MissingParameter:
        assert may_lack, f"needle {shlex.join(arguments)} lacks an argument"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_and_picture_is_there(page: Path) -> None:
    assert [target for target in links(page) if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("block", of_language("sql"))
def test_every_query_is_answered(block: Block, filled: tuple[Path, Home]) -> None:
    assert "row" in run_sql(filled[1].published, block.text)


@pytest.mark.parametrize("block", of_language("toml"))
def test_every_setting_is_a_setting(block: Block, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(block.text, encoding="utf-8")
    assert isinstance(read_settings(tmp_path / "settings.toml"), Settings)


@pytest.mark.parametrize("block", of_language("yaml"))
def test_every_run_configuration_is_valid(block: Block) -> None:
    assert dg.validate_run_config(refresh_job(), yaml.safe_load(block.text))


@pytest.mark.parametrize("block", of_language("python"))
def test_every_program_runs(block: Block, place: Place, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def few(folder: str, *, objects: int, **how: Any) -> object:
        return simulate(Path(folder), objects=objects // 100, workers=1, **how)

    monkeypatch.setattr(simulation, "simulate", few)
    monkeypatch.setattr("needle_assets.settings.preset_settings", lambda _name: place.settings)
    exec(compile(block.text, block.page.name, "exec"), {})


def test_no_language_is_passed_over() -> None:
    known = {"", "sh", "bash", "console", "sql", "toml", "yaml", "python", "text"}
    for page in PAGES:
        fences = [line for line in page.read_text(encoding="utf-8").splitlines() if line.lstrip().startswith(("```", "~~~"))]
        assert {fence.removeprefix("```") for fence in fences} <= known, f"{page}: only blocks that begin at the margin are tried"


@pytest.fixture(scope="module")
def trainable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A landing folder and a home that can be trained on."""
    folder = tmp_path_factory.mktemp("trainable")
    simulate(folder / "landing", objects=N_OBJECTS, seed=8, mix=MIX, workers=1)
    home = Home(folder / "home").prepare()
    home.settings_file.write_text(SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "OBJECTS_PER_RUN", 0)
        run_refresh(home, RefreshOptions(landing=folder / "landing", workers=1))
    return folder


@pytest.fixture
def desk(trainable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """For everything: services that answer, and enough objects to train on."""
    services = SurveyServices(trainable / "landing")
    services.known = dict.fromkeys(services.packets, 99)
    services.classified = {row["ZTFID"] for row in services.catalogue}
    monkeypatch.setattr("os.fsync", lambda _file: None)
    monkeypatch.setattr("needle_assets.orchestration.records.pictures.OBJECTS_PER_RUN", 0)
    with opened_services() as others:
        own = "\n".join(
            f'[fetch.{n}]\nurl = "{others.servers[n].url}"\ninterval_seconds = 0.0' for n in ("fink", "lasair", "archive", "dust")
        )
        settings = "\n".join([SETTINGS, SMALL, services.settings(), own])
        made = settled(tmp_path, trainable / "landing", trainable / "home", settings, services)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("NEEDLE_HOME", str(made.home.path))
        yield made
    services.close()


WITH_COMMANDS = [
    page for page in PAGES if named(page) not in FOLLOWED and any(command not in NOT_RUN for command in commands(page))
]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=named)
def test_the_commands_of_a_page_work_one_after_the_other(page: Path, desk: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in commands(page):
        if command not in NOT_RUN:
            given = [str(desk.folder / "landing") if word == "FOLDER" else word for word in shlex.split(command)]
            RUNNERS.get(given[0], in_a_process)(given, desk, monkeypatch)


def in_this_process(given: list[str], desk: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        if "--preset" in given:  # another preset is another home
            patch.setenv("NEEDLE_HOME", str(desk.folder / "other"))
        code: object = 0
        try:
            cli.main(given[1:])
        except SystemExit as left:
            code = left.code
        assert not code, given


def in_a_process(given: list[str], desk: Place, _: pytest.MonkeyPatch) -> None:
    program = shutil.which(given[0], path=str(Path(sys.executable).parent))
    assert program is not None, f"{given[0]} is not installed beside Python"
    done = subprocess.run([program, *given[1:]], env=environment_of(desk.home.path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def set_variable(given: list[str], _: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    name, value = given[1].split("=")
    assert value == sky.TOKEN
    monkeypatch.setenv(name, value)


RUNNERS: dict[str, Callable[[list[str], Place, pytest.MonkeyPatch], None]] = {"needle": in_this_process, "export": set_variable}


def test_what_is_not_run_is_still_in_the_documentation() -> None:
    assert set(NOT_RUN) <= {command for page in PAGES for command in commands(page)}


def test_what_is_said_to_run_it_instead_is_there() -> None:
    said = " ".join([*NOT_RUN.values(), *FOLLOWED.values()])
    named_tests = re.findall(r"needle_assets_tests/[\w/]+\.py", said)
    assert len(named_tests) > 4
    assert [path for path in named_tests if not (REPOSITORY / path).exists()] == []
