"""The pages in a browser, as people scan with them: NEEDLE_TEST_BROWSER names a Chromium."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from needle_assets.home import Home
from needle_assets.landing import verdicts
from needle_assets_tests.explore.conftest import edited
from needle_assets_tests.folders import rows
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
    with serving(home) as address:
        yield address, folder / "landing"


@contextmanager
def serving(home: Home) -> Iterator[str]:
    """`needle explore` of a home, and its address."""
    command = [sys.executable, "-m", "needle_assets.cli", "explore", "--port", "0"]
    with subprocess.Popen(command, env=environment_of(home.path), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().split()[2]
        process.terminate()


OF_ONE = {
    "no host": ("delete from core.hosts where object_id = $id", "Not looked for yet"),
    "no stamps": ("delete from core.{table} where object_id = $id", "No packet with cutouts"),
    "one detection": (
        "delete from core.detections where object_id = $id and mjd > (select min(mjd) from core.detections where object_id = $id)",
        "1 detections",
    ),
    "negative": ("update core.detections set is_positive = false where object_id = $id", "faded"),
    "refused": (
        "insert into core.rejections values ('core.masks', $id, 7, 'too <b>dark</b> to see', '{{}}', now()::timestamp)",
        "too <b>dark</b> to see",
    ),
    "marked up": ("update raw.objects set type = '<script>alert(1)</script>' where object_id = $id", "<script>alert(1)</script>"),
}


@pytest.fixture(scope="module")
def of_every_kind(filled: tuple[Path, Home], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of pages on objects that each lack something, and which one lacks what."""
    ids = [str(object_id) for (object_id,) in rows(filled[1], "select object_id from core.masked_stamps order by 1")]
    kinds = {kind: ids[k % len(ids)] for k, kind in enumerate(OF_ONE)}
    statements = [
        change.format(table=table).replace("$id", f"'{kinds[kind]}'")
        for kind, (change, _) in OF_ONE.items()
        for table in (("stamps", "masked_stamps", "stamp_quality") if "{table}" in change else ("",))
    ]
    with serving(edited(filled, tmp_path_factory.mktemp("kinds"), *statements)) as address:
        yield address, kinds


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


@pytest.mark.parametrize("kind", OF_ONE)
def test_an_object_of_every_kind_is_shown_wide_and_narrow(
    page: Any, of_every_kind: tuple[str, dict[str, str]], kind: str
) -> None:
    address, kinds = of_every_kind
    page.on("dialog", lambda _: pytest.fail("a script of somebody's ran"))
    for size in (WIDE, NARROW):
        page.set_viewport_size(size)
        page.goto(f"{address}/objects/{kinds[kind]}")
        page.wait_for_function("() => document.querySelector('#light-curve .main-svg')")
        assert OF_ONE[kind][1] in page.locator("body").inner_text()
        assert page.get_by_text("simulated", exact=True).count() > 0
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_everything_that_can_be_done_can_be_reached_by_tab(page: Any) -> None:
    page.goto("/objects?order=id")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        reached.add(page.evaluate("document.activeElement.name || document.activeElement.textContent.trim()"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert {"Candidates", "SQL", "search", "label", "min_p", "host", "verdict", "cone", "order", "Show"} <= reached


@pytest.mark.parametrize("path", ["/", "/candidates", "/objects", "/gallery", "/sql", "/nights"])
def test_a_narrow_window_needs_no_scrolling_sideways(page: Any, path: str) -> None:
    page.set_viewport_size(NARROW)
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
