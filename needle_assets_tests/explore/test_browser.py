"""The pages in a browser, as people scan with them: NEEDLE_TEST_BROWSER names a Chromium."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from needle_assets.home import Home
from needle_assets.landing import verdicts
from needle_assets_tests.homes import environment_of

pytestmark = pytest.mark.slow
PATIENCE_MS = 60_000
NARROW, WIDE = {"width": 390, "height": 800}, {"width": 1400, "height": 900}


@pytest.fixture(scope="module")
def served(filled: tuple[Path, Home], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of `needle explore`, and the landing folder that it writes to."""
    folder = tmp_path_factory.mktemp("explored")
    shutil.copytree(filled[1].path, folder / "home", ignore=shutil.ignore_patterns("dagster"))
    (folder / "landing").mkdir()
    home = Home(folder / "home").prepare()
    home.remember_landing(folder / "landing")
    command = [sys.executable, "-m", "needle_assets.cli", "explore", "--port", "0"]
    with subprocess.Popen(command, env=environment_of(home.path), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().split()[2], folder / "landing"
        process.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = os.environ.get("NEEDLE_TEST_BROWSER")
    if not path:
        pytest.skip("NEEDLE_TEST_BROWSER is not set: it names a Chromium, such as /usr/bin/chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, served: tuple[str, Path]) -> Iterator[Any]:
    """A page on which nothing may go wrong: no script fails, nothing is kept from it by the policy."""
    opened = browser.new_page(viewport=WIDE, base_url=served[0])
    opened.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    yield opened
    opened.close()
    assert wrong == []


def test_a_list_is_gone_through_and_judged_by_keys(page: Any, served: tuple[str, Path]) -> None:
    page.goto("/objects?order=id")
    page.keyboard.press("j")
    page.keyboard.press("j")
    marked = page.locator("tr.marked")
    object_id = marked.get_attribute("data-object")
    page.keyboard.press("3")
    marked.locator(".chip.v-tde").wait_for()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=object_id).wait_for()
    assert [(row["object_id"], row["verdict"]) for row in verdicts.read(served[1], verdicts.OBJECT_FILE)] == [(object_id, "TDE")]


def test_an_object_is_judged_and_left_by_keys(page: Any, served: tuple[str, Path]) -> None:
    page.goto("/objects?order=id")
    page.locator("#list tbody a").first.click()
    page.wait_for_function("() => document.querySelector('#light-curve .main-svg')")
    object_id = page.locator(".object-head").get_attribute("data-object")
    page.keyboard.press("c")
    page.keyboard.type("<b>blue</b>")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    page.locator("#said .v-junk").wait_for()
    assert "<b>blue</b>" in page.locator("#said").inner_text()
    page.get_by_role("button", name="flux").click()
    page.keyboard.press("j")
    page.wait_for_function("id => document.querySelector('.object-head')?.dataset.object > id", arg=object_id)
    assert verdicts.read(served[1], verdicts.OBJECT_FILE)[-1]["comment"] == "<b>blue</b>"


def test_a_query_is_asked_plotted_and_downloaded(page: Any) -> None:
    page.goto("/sql")
    page.locator("#text").fill("select days_since_first, mag from core.light_curves order by all")
    page.keyboard.press("Control+Enter")
    page.wait_for_function("() => document.querySelector('.plot .main-svg')")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert Path(download.value.path()).read_text().startswith("days_since_first,mag\n")


@pytest.mark.parametrize("path", ["/", "/candidates", "/objects", "/gallery", "/sql", "/nights"])
def test_a_narrow_window_needs_no_scrolling_sideways(page: Any, path: str) -> None:
    page.set_viewport_size(NARROW)
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
