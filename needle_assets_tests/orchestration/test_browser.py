"""``needle ui`` in a browser, as a person sees it: NEEDLE_TEST_BROWSER names a Chromium. Screenshots go to NEEDLE_TEST_SCREENSHOTS."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from needle_assets.home import Home
from needle_assets_tests.homes import ask, instance_of, needle
from needle_assets_tests.orchestration.test_serving import Server, serving, until

pytestmark = pytest.mark.slow
PATIENCE_MS = 120_000
# The last one: what somebody's name server can do who wants pages of his to be taken for ours.
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP evil.example 127.0.0.1")
SCHEDULES = "{ schedulesOrError(repositorySelector: %s) { ... on Schedules { results { name scheduleState { status } } } } }"
WHERE = '{repositoryName: "__repository__", repositoryLocationName: "needle_assets.definitions"}'


@pytest.fixture(scope="module")
def lived(filled: tuple[Path, Home], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filled home that has lived through a night without services."""
    path = tmp_path_factory.mktemp("browser") / "home"
    shutil.copytree(filled[1].path, path)
    (path / "settings.toml").write_text('[schedule]\nsources = []\ncron = "* * * * *"\n')
    night = needle(path, "refresh", "--fetch", "--workers", "1")
    assert night.returncode == 0, night.stderr
    return path


@pytest.fixture(scope="module")
def server(lived: Path) -> Iterator[Server]:
    with serving(lived) as served:
        yield served


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = os.environ.get("NEEDLE_TEST_BROWSER")
    if not path:
        pytest.skip("NEEDLE_TEST_BROWSER is not set: it names a Chromium, such as /usr/bin/chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, server: Server, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page of the running UI; what it shows at the end of the test is kept as a picture, where somebody wants to look at it."""
    opened = browser.new_page(viewport={"width": 1500, "height": 950}, base_url=f"http://127.0.0.1:{server.port}")
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    folder = os.environ.get("NEEDLE_TEST_SCREENSHOTS")
    if folder:
        opened.screenshot(path=Path(folder) / f"{request.node.name}.png")
    opened.close()


def pictured(home: Path) -> str:
    """An object with stamps."""
    return str(ask(home / "needle.duckdb", "select min(object_id) from core.stamps")[0][0])


def show(page: Any, path: str) -> None:
    page.goto(path, wait_until="domcontentloaded")


def test_the_asset_graph_begins_at_the_services(page: Any) -> None:
    show(page, "/asset-groups")
    for group in ("services", "landing", "detections", "images", "light_curves", "samples", "results"):
        page.get_by_text(group, exact=True).first.wait_for()
    show(page, "/locations/needle_assets.definitions/asset-groups/images/lineage")
    for product in ("stamps", "stamp_quality", "restored_stamps", "masks", "masked_stamps"):
        page.get_by_text(product, exact=True).first.wait_for()


def test_an_objects_partition_links_to_its_page(page: Any, lived: Path) -> None:
    object_id = pictured(lived)
    show(page, f"/assets/core/stamps?view=partitions&partition={object_id}")
    link = page.locator(f"a[href='/objects/{object_id}']").first
    link.wait_for()
    show(page, link.get_attribute("href"))
    page.get_by_role("heading", name=object_id).wait_for()
    page.wait_for_function("() => document.querySelector('#light-curve .main-svg')")


def materialise(page: Any, lived: Path, asset: str, object_id: str) -> None:
    """Click an object of an asset, as a person does, and wait until it has been computed anew and published."""
    run_of = f"select run_id from lineage.ledger where asset = '{asset}' and object_id = '{object_id}'"
    before = ask(lived / "needle.duckdb", run_of)
    show(page, f"/assets/{asset.replace('.', '/')}?view=partitions&partition={object_id}")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_role("button", name="Launch 1 run").click()
    until(lambda: ask(lived / "needle.duckdb", run_of) != before, "the object is computed and published")


def test_an_object_that_was_clicked_shows_its_picture(page: Any, lived: Path) -> None:
    object_id = pictured(lived)
    materialise(page, lived, "core.stamps", object_id)
    show(page, f"/assets/core/stamps?view=partitions&partition={object_id}")
    page.get_by_text("[Show Markdown]").click()
    picture = page.locator("img[src^='data:image/png;base64']").first
    picture.wait_for()
    page.wait_for_function("image => image.complete && image.naturalWidth > 300", arg=picture.element_handle())


def test_an_object_is_materialised_from_its_page(page: Any, lived: Path) -> None:
    object_id = pictured(lived)
    materialise(page, lived, "core.epochs", object_id)
    others = f"select count(distinct run_id) from lineage.ledger where asset = 'core.epochs' and object_id <> '{object_id}'"
    assert ask(lived / "needle.duckdb", others) == [(1,)]
    show(page, "/runs")
    page.get_by_text("Success").first.wait_for()


def test_the_log_of_a_run_comes_over_a_websocket(page: Any, lived: Path) -> None:
    with instance_of(lived) as instance:
        run_id = instance.get_run_records(limit=1)[0].dagster_run.run_id
    heard: list[str] = []
    page.on("websocket", lambda opened: opened.on("framereceived", lambda frame: heard.append(str(frame))))
    show(page, f"/runs/{run_id}")
    page.get_by_text("RUN_SUCCESS").first.wait_for()
    until(lambda: page.wait_for_timeout(200) or any("RunSuccessEvent" in frame for frame in heard), "the log's subscription")


def test_the_night_is_switched_on_and_comes(page: Any, server: Server, lived: Path) -> None:
    def states() -> dict[str, str]:
        found = server.graphql(SCHEDULES % WHERE)["schedulesOrError"]["results"]
        return {schedule["name"]: schedule["scheduleState"]["status"] for schedule in found}

    assert set(states().values()) == {"STOPPED"}
    show(page, "/automation")
    row = page.get_by_text("nightly", exact=True).locator("xpath=ancestor::*[count(.//input[@type='checkbox'])=2][1]")
    switch = row.locator("input").last.locator("xpath=..")
    switch.click()
    until(lambda: states()["nightly"] == "RUNNING", "the schedule is on")
    assert states()["training"] == "STOPPED"
    ended = "select count(ended_at) from lineage.nights"
    until(lambda: ask(lived / "needle.duckdb", ended) >= [(2,)], "the schedule has started a night, which is published")
    switch.click()
    until(lambda: states()["nightly"] == "STOPPED", "the schedule is off again")


def test_the_last_night_is_summed_up_on_its_page(page: Any) -> None:
    show(page, "/assets/lineage/nights?view=events")
    for words in ("new objects", "new detections", "new high scores", "left for the next night", "failures"):
        page.get_by_role("cell", name=words, exact=True).first.wait_for()
    assert page.get_by_role("cell", name="none", exact=True).count() == 2
