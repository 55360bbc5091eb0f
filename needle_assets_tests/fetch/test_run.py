"""What is due, what is told, what is kept between runs, and that one run of a source goes at a time."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from needle_assets.fetch import SOURCES, Around, FetchError, Progress, fetch
from needle_assets.fetch.due import want_objects
from needle_assets.fetch.folder import LandingFolder
from needle_assets.fetch.run import Run, running
from needle_assets.landing import folder as landing
from needle_assets.settings import FetchSettings, ServiceSettings, Settings, read_settings
from needle_assets_tests.fetch import sky
from needle_assets_tests.fetch.conftest import Fetcher
from needle_assets_tests.fetch.loopback import FAULTS, Clock

HOUR, DAY = 3600.0, 86400.0


def state_of(fetcher: Fetcher, source: str) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((fetcher.landing / "answers" / source / "state.json").read_bytes())
    return state


def due_after(fetcher: Fetcher, seconds: float) -> tuple[str, ...]:
    clock = Clock(fetcher.clock() + seconds)
    with running("fink", fetcher.landing, Settings(), Around(clock=clock)) as run:
        return want_objects(run, None)


def test_active_objects_are_asked_again_the_next_day_and_old_ones_seldom(with_catalogue: Fetcher) -> None:
    assert set(due_after(with_catalogue, 0)) == {sky.ACTIVE, sky.OLD, sky.UNKNOWN, sky.HOSTLESS}
    assert with_catalogue("fink").is_complete
    assert set(due_after(with_catalogue, 1 * HOUR)) == {sky.UNKNOWN}
    assert set(due_after(with_catalogue, 13 * HOUR)) == {sky.UNKNOWN, sky.ACTIVE, sky.HOSTLESS}
    assert set(due_after(with_catalogue, 91 * DAY)) == {sky.UNKNOWN, sky.ACTIVE, sky.HOSTLESS, sky.OLD}
    assert sky.ACTIVE not in due_after(with_catalogue, 1 * HOUR)


def test_never_asked_objects_come_first_the_latest_peak_before(with_catalogue: Fetcher) -> None:
    with_catalogue("fink", ids=[sky.ACTIVE])
    assert due_after(with_catalogue, 91 * DAY) == (sky.UNKNOWN, sky.HOSTLESS, sky.OLD, sky.ACTIVE)


def test_an_object_that_a_service_does_not_know_is_not_asked_for_ever(with_catalogue: Fetcher) -> None:
    for _ in range(5):
        assert with_catalogue("fink").absent == 1
    assert due_after(with_catalogue, 1 * HOUR) == ()


def test_objects_of_the_follow_list_are_asked_for_too(with_catalogue: Fetcher) -> None:
    (with_catalogue.landing / "follow.txt").write_text(f"# candidates\n{sky.ELSEWHERE}\nnot an id\n")
    assert sky.ELSEWHERE in due_after(with_catalogue, 0)


def test_a_failure_is_listed_and_named_in_the_state(with_catalogue: Fetcher) -> None:
    with_catalogue.services.servers["fink"].fault = FAULTS["broken"]
    summary = with_catalogue("fink")
    assert not summary.is_complete
    assert {failure.reason for failure in summary.failures} == {"Fink: it answered 500 Internal Server Error. (2 tries)"}
    assert len(state_of(with_catalogue, "fink")["failures"]) == len(summary.failures) == 2
    assert due_after(with_catalogue, 0) == due_after(with_catalogue, 1 * HOUR)


def test_a_service_that_fails_five_times_in_a_row_is_left_alone(with_catalogue: Fetcher) -> None:
    with_catalogue.changes = {"failures_in_a_row": 1}
    with_catalogue.services.servers["fink"].fault = FAULTS["broken"]
    summary = with_catalogue("fink")
    assert summary.stopped is not None
    assert "1 requests in a row failed" in summary.stopped
    assert (summary.left, len(with_catalogue.services.servers["fink"].requests)) == (2, 2)


def test_progress_is_a_line_with_the_time_left(with_catalogue: Fetcher) -> None:
    with_catalogue("fink")
    lines = [line for line in with_catalogue.said if line.startswith("fink: ")]
    assert lines[-1].startswith("fink: 4 of 4 objects, ")
    assert str(Progress("fink", "objects", 2, 10, 1, 600.0)) == "fink: 2 of 10 objects, 1 failed, 10 min left"
    assert str(Progress("fink", "objects", 0, 10, 0, None)) == "fink: 0 of 10 objects"


def test_a_summary_is_plain_values(with_catalogue: Fetcher) -> None:
    said = json.loads(json.dumps(with_catalogue("fink").as_dict()))
    assert (said["source"], said["asked"], said["packets"], said["detections"], said["is_complete"]) == ("fink", 4, 12, 15, True)


def test_a_damaged_state_only_means_asking_again(with_catalogue: Fetcher) -> None:
    with_catalogue("fink")
    (with_catalogue.landing / "answers" / "fink" / "state.json").write_bytes(b'{"objects": 3')
    again = with_catalogue("fink")
    assert again.is_complete
    assert (again.packets, again.detections) == (0, 0)


def test_a_second_fetch_of_the_same_source_is_refused_until_the_first_ends(with_catalogue: Fetcher) -> None:
    with LandingFolder(with_catalogue.landing, "fink").held():
        with pytest.raises(FetchError, match="another fetch of fink"):
            with_catalogue("fink")
        assert with_catalogue("panstarrs").is_complete
    assert with_catalogue("fink").is_complete


def test_without_any_object_the_remedy_is_named(fetcher: Fetcher) -> None:
    for source in ("alerce", "lasair", "fink", "archive"):
        with pytest.raises(FetchError, match="needle fetch bts"):
            fetcher(source)


@pytest.mark.parametrize("source", ["alerce", "lasair", "fink", "archive"])
def test_an_id_that_is_none_is_refused_before_anything_is_asked(source: str, with_catalogue: Fetcher) -> None:
    with pytest.raises(FetchError, match="an id like ZTF18abcdefg is needed"):
        with_catalogue(source, ids=["../../etc/passwd"])
    assert all(not server.requests for server in with_catalogue.services.servers.values())


def test_an_unknown_source_and_questions_it_cannot_take_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        FetchError,
        match="choose one of bts, tns, archive, kafka, alerce, lasair, fink, fink_lsst, lasair_lsst, panstarrs, legacy, field_images, dust",
    ):
        fetch("mars", tmp_path, settings=Settings())
    with pytest.raises(FetchError, match="bts cannot be told ids"):
        fetch("bts", tmp_path, settings=Settings(), ids=[sky.ACTIVE])
    with pytest.raises(FetchError, match="alerce cannot be told nights"):
        fetch("alerce", tmp_path, settings=Settings(), nights=["20240101"])


def test_a_file_where_the_folder_should_be_is_said_so(fetcher: Fetcher) -> None:
    fetcher.landing.write_text("")
    with pytest.raises(FetchError, match="is not a folder"):
        fetcher("bts")


def test_a_catalogue_that_cannot_be_read_is_said_so(fetcher: Fetcher) -> None:
    fetcher.landing.mkdir()
    (fetcher.landing / "bts.csv").write_bytes(b"")
    with pytest.raises(FetchError, match="fetch it again with `needle fetch bts`"):
        fetcher("alerce")


def test_all_sources_together_fill_a_folder_that_the_pipeline_reads(fetcher: Fetcher) -> None:
    fetcher.landing.mkdir()
    (fetcher.landing / "follow.txt").write_text(sky.RUBIN)
    for source in SOURCES:
        assert source == "kafka" or fetcher(source).is_complete, source
    kinds: dict[str, int] = {}
    for file in landing.scan(fetcher.landing):
        assert file.problem is None
        kinds[file.kind] = kinds.get(file.kind, 0) + 1
    assert {name: kinds[name] for name in ("catalogue", "photometry", "hosts", "packet")} == {
        "catalogue": 1, "photometry": 1, "hosts": 1, "packet": 18,
    }  # fmt: skip
    besides = ("answers/", "follow.txt", "dust/SFD_dust_4096_sgp.fits")  # of the two maps one stands for both
    assert all(file.path.startswith(besides) for file in landing.scan(fetcher.landing) if file.kind == "unknown")


def test_the_documented_settings_are_settings(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "fetch.md").read_text(encoding="utf-8")
    (tmp_path / "settings.toml").write_text(text.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    assert read_settings(tmp_path / "settings.toml").fetch == FetchSettings()
    services = [name for name, value in vars(FetchSettings()).items() if isinstance(value, ServiceSettings)]
    assert all(f"`{name}`" in text for name in [*services, *SOURCES])


def test_a_full_disk_leaves_what_was_there(with_catalogue: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with_catalogue("fink", ids=[sky.ACTIVE])
    before = {path: path.read_bytes() for path in with_catalogue.landing.rglob("*") if path.is_file()}
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        with_catalogue("fink")
    after = {path: path.read_bytes() for path in with_catalogue.landing.rglob("*") if path.is_file()}
    assert after == before


def test_a_run_forgets_nothing_when_it_is_interrupted(with_catalogue: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    original, n_left = Run.finish, [2]

    def finish(run: Run, name: str, **learnt: Any) -> None:
        n_left[0] -= 1
        if n_left[0] == 0:
            raise KeyboardInterrupt
        original(run, name, **learnt)

    monkeypatch.setattr(Run, "finish", finish)
    with pytest.raises(KeyboardInterrupt):
        with_catalogue("fink")
    monkeypatch.setattr(Run, "finish", original)
    n_asked = len(with_catalogue.services.servers["fink"].requests)
    assert n_asked > 0
    assert with_catalogue("fink").is_complete
    assert len(state_of(with_catalogue, "fink")["merged"]) == 3
