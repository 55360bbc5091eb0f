"""The page that adds a product is followed to the letter, in a copy of the repository: what it says comes, and goes again."""

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from needle_assets.home import Home
from needle_assets_tests.docs.pages import REPOSITORY, commands, files
from needle_assets_tests.homes import ask, environment_of, instance_of

PAGE = REPOSITORY / "docs" / "adding_a_product.md"
COPIED = ("needle_assets", "needle_assets_tests", "warehouse/tables", "warehouse/views", "pyproject.toml")
ROWS = "select count(*), count(distinct object_id) from core.colours"
REFUSED = "select count(*) from core.rejections where stage = 'core.colours'"
KEY = dg.AssetKey(["core", "colours"])


@dataclass
class Checkout:
    """A copy of the repository and a filled home, as somebody has them who follows the page."""

    folder: Path
    home: Home

    def follow(self) -> None:
        """Write what the blocks say."""
        for path, place, text in files(PAGE):
            target = self.folder / path
            if place:
                assert target.exists(), path
                target.write_text(added(target.read_text(encoding="utf-8"), place, text), encoding="utf-8")
            else:
                assert not target.exists(), f"{path} is there already: the page needs another example"
                target.write_text(text, encoding="utf-8")

    def undo(self) -> None:
        """Take it out again."""
        for path, place, _ in files(PAGE):
            if place:
                shutil.copy2(REPOSITORY / path, self.folder / path)
            else:
                (self.folder / path).unlink()

    def run(self, command: str) -> str:
        """What a command of the page prints; it must succeed."""
        program, *arguments = shlex.split(command)
        modules = {"needle": ["-m", "needle_assets.cli"], "pytest": ["-m", "pytest", "-p", "no:cacheprovider"], "python": []}
        given = [sys.executable, *modules[program], *arguments]
        environment = environment_of(self.home.path, PYTHONPATH=str(self.folder), DAGSTER_HOME=str(self.home.dagster))
        done = subprocess.run(given, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout


def added(source: str, name: str, text: str) -> str:
    """A module with another entry at the end of a tuple."""
    changed, n_places = re.subn(rf"(?ms)(^{name}\b[^\n]* = \(\n.*?)^\)$", lambda found: f"{found[1]}{text})", source)
    assert n_places == 1, f"{name} is not one tuple"
    return changed


@pytest.fixture
def checkout(own: tuple[Path, Home], tmp_path: Path) -> Checkout:
    """The repository without its documentation, copied."""
    folder = tmp_path / "checkout"
    for name in COPIED:
        source, target = REPOSITORY / name, folder / name
        copy = partial(shutil.copytree, ignore=shutil.ignore_patterns("__pycache__")) if source.is_dir() else shutil.copy2
        copy(source, target)
    shutil.copy2(REPOSITORY / "warehouse" / "README.md", folder / "warehouse" / "README.md")
    return Checkout(folder, own[1])


@pytest.mark.slow
def test_the_product_of_the_page_comes_with_rows_picture_and_check_and_goes_again(checkout: Checkout) -> None:
    database, before = checkout.home.published, state_of(checkout)
    checkout.follow()
    printed = [checkout.run(command) for command in commands(PAGE)]
    (n_rows, n_objects), (n_refused,) = ask(database, ROWS)[0], ask(database, REFUSED)[0]
    assert n_rows > n_objects > 0
    assert n_objects + n_refused == ask(database, "select count(distinct object_id) from core.light_curves")[0][0]
    assert any("bluest" in text for text in printed)
    assert "## core.colours" in state_of(checkout).dictionary
    (someone,) = ask(database, "select min(object_id) from core.colours")[0]
    checkout.run(f"python -m dagster asset materialize --select core/colours --partition {someone} -m needle_assets.definitions")
    assert shown(checkout) == (True, True)
    checkout.undo()
    for command in (command for command in commands(PAGE) if command.startswith("python ")):
        checkout.run(command)
    checkout.run("needle refresh")
    assert state_of(checkout) == before
    assert ask(database, ROWS) == [(n_rows, n_objects)]


@dataclass
class State:
    """What adding and taking out must leave as it was: pages made from the code, and when every other product was computed."""

    dictionary: str
    graph: str
    computed: list[tuple]


def state_of(checkout: Checkout) -> State:
    graph = checkout.folder / "needle_assets_tests" / "orchestration" / "asset_graph.txt"
    ledger = ask(
        checkout.home.published, "select asset, object_id, run_id from lineage.ledger where asset <> 'core.colours' order by all"
    )
    return State((checkout.folder / "warehouse" / "README.md").read_text(), graph.read_text(), ledger)


def shown(checkout: Checkout) -> tuple[bool, bool]:
    """Whether Dagster has a picture beside an object, and a check that passed."""
    with instance_of(checkout.home.path) as instance:
        told = instance.fetch_materializations(KEY, limit=100).records
        pictured = [r for r in told if r.asset_materialization and "data:image/png" in str(r.asset_materialization.metadata)]
        check = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(KEY, "colours_have_their_g_point"), limit=1
        )
    return bool(pictured), bool(check) and check[0].status.value == "SUCCEEDED"
