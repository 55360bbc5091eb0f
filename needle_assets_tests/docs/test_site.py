"""The documentation as a site: built without a warning, with every page, and loading nothing from elsewhere."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from needle_assets_tests.docs.pages import PAGES, REPOSITORY

CONFIGURATION = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"']?(?:https?:)?//|url\([\"']?(?:https?:)?//")


def test_every_page_stands_in_the_menu() -> None:
    assert [page for page in PAGES if f" {page.relative_to(REPOSITORY).as_posix()}\n" not in CONFIGURATION] == []


@pytest.mark.parametrize(
    "text", ['<script src="https://a.example/x.js">', "<img alt='a' src=//a.example/x.png>", "url(https://a.example/font)"]
)
def test_what_is_loaded_from_elsewhere_would_be_found(text: str) -> None:
    assert LOADED.search(text)
    assert not LOADED.search('<a href="https://arxiv.org/abs/2512.14644">')
    assert not LOADED.search('<script src="assets/x.js">')


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("mkdocs is not installed; `make docs` installs it")
    command = [sys.executable, "tools/site.py", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    texts = {path: path.read_text(encoding="utf-8") for kind in ("html", "css") for path in tmp_path.rglob(f"*.{kind}")}
    assert [path for path, text in texts.items() if LOADED.search(text)] == []
    assert 'id="needle_assets.datasets.NeedleDataset"' in texts[tmp_path / "reference" / "datasets.html"]
    assert not [path for path, text in texts.items() if ":func:<code>" in text or ":class:<code>" in text]
    assert "coregp_fits" in texts[tmp_path / "warehouse" / "index.html"]
    assert (tmp_path / "docs" / "pictures" / "explore_object.png").exists()
