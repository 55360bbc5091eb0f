"""What a night does when something fails, what it leaves behind, and how it is shown. The first products stand for all."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from needle_assets.cli import command as cli
from needle_assets.definitions import definitions
from needle_assets.fetch import FetchError
from needle_assets.home import Home, HomeBusyError
from needle_assets.orchestration.jobs.fetching import CHECK, fetch_assets, fetch_key
from needle_assets.orchestration.jobs.nightly import nightly_job
from needle_assets.orchestration.keys import asset_key
from needle_assets.orchestration.records.instance import open_instance
from needle_assets.pipeline import night as nights
from needle_assets.pipeline import read_landing
from needle_assets.pipeline.session import Session
from needle_assets.settings import SettingsError
from needle_assets.stages import STAGES
from needle_assets_tests.fetch import sky
from needle_assets_tests.fetch.conftest import Services
from needle_assets_tests.fetch.loopback import FAULTS
from needle_assets_tests.folders import rows
from needle_assets_tests.homes import fill

SOURCES = '[schedule]\nsources = ["bts", "alerce", "panstarrs"]\n'
NIGHTS = "select new_objects, n_left, len(failures), ended_at is null from lineage.nights order by started_at"


@pytest.fixture
def empty(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home in which nothing was done yet, and which asks the loopback services."""
    monkeypatch.setattr("os.fsync", lambda _file: None)
    monkeypatch.setenv("NEEDLE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NEEDLE_LANDING", raising=False)
    monkeypatch.delenv("NEEDLE_LASAIR_TOKEN", raising=False)
    home = Home(tmp_path / "home").prepare()
    home.settings_file.write_text(SOURCES + services.as_toml())
    return home


def live(home: Home, n_stages: int = 2) -> dg.ExecuteInProcessResult:
    """One night over the catalogue, or also over packets."""
    among = ("raw.objects", "raw.alerts")[:n_stages]
    stages = [stage for stage in STAGES if stage.table in among]
    with open_instance(home) as instance:
        return nightly_job(stages).execute_in_process(instance=instance, raise_on_error=False)


def last_shown(home: Home) -> str:
    """What the page of the asset shows of the last night."""
    with open_instance(home) as instance:
        event = instance.get_latest_materialization_event(asset_key("lineage.nights"))
    assert event is not None
    assert event.asset_materialization is not None
    return str(event.asset_materialization.metadata["summary"].value)


def test_a_night_begins_from_nothing_and_a_failing_service_stops_nothing_and_the_next_night_mends_it(
    empty: Home, services: Services
) -> None:
    services.servers["alerce_packets"].break_from(3, FAULTS["broken"])
    result = live(empty)
    assert not result.success
    assert rows(empty, "select count(*) from raw.alerts") == [(3,)]
    [(new, left, failures, is_cut)] = rows(empty, NIGHTS)
    assert (new, failures, is_cut) == (2, 1, False)
    assert int(str(left)) > 0
    services.reset()
    assert live(empty).success
    assert empty.landing() == empty.path / "landing"
    assert "| new objects | 1 |" in last_shown(empty)
    assert rows(empty, "select count(*) from raw.alerts") == [(15,)]
    assert rows(empty, NIGHTS)[1] == (1, 0, 0, False)
    assert len(services.servers["alerce_packets"].requests) == 12, "what had come was not asked for again"


def test_a_source_without_its_token_is_a_stated_failure(empty: Home) -> None:
    empty.settings_file.write_text(empty.settings_file.read_text().replace('"alerce"', '"lasair"'))
    assert not live(empty, 1).success
    [(failures,)] = rows(empty, "select failures from lineage.nights")
    assert failures == [
        "lasair: NEEDLE_LASAIR_TOKEN is not set; copy your token from the profile page of the Lasair website into it."
    ]
    assert rows(empty, "select count(*) from raw.objects") == [(4,)]


@pytest.mark.slow
def test_a_surprise_in_the_code_of_a_source_stops_nothing_and_quotes_nothing(empty: Home, monkeypatch) -> None:
    def surprise(*_: object, **__: object) -> None:
        raise KeyError(sky.TOKEN)

    monkeypatch.setattr("needle_assets.pipeline.night.fetch", surprise)
    (empty.path / "landing").mkdir()
    (empty.path / "landing" / "bts.csv").write_bytes(sky.bts_csv())
    assert not live(empty, 1).success
    assert rows(empty, "select count(*) from raw.objects") == [(4,)]
    assert "the code failed (KeyError)" in last_shown(empty)
    assert sky.TOKEN not in last_shown(empty)


def test_a_night_cut_short_says_where_and_the_next_one_tells_its_news(empty: Home, monkeypatch) -> None:
    def broken(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(read_landing, "scan", broken)
        assert not live(empty, 1).success
    assert rows(empty, NIGHTS) == [(None, 0, 1, True)]
    assert "landing: [Errno 28] No space left on device" in last_shown(empty)
    assert live(empty, 1).success
    assert rows(empty, NIGHTS)[1] == (3, 0, 0, False)


def test_a_first_night_without_a_catalogue_says_what_was_missing(empty: Home, services: Services) -> None:
    services.servers["bts"].fault = FAULTS["broken"]
    assert not live(empty, 1).success
    [(failures, is_cut)] = rows(empty, "select failures, ended_at is null from lineage.nights")
    assert is_cut
    assert [str(failure).split(":")[0] for failure in failures] == ["bts", "alerce", "landing"]  # type: ignore[attr-defined]
    assert "holds no bts.csv" in failures[-1]  # type: ignore[index]


def test_the_home_is_free_while_services_are_asked(empty: Home, monkeypatch) -> None:
    asked = []

    def fetch(source: str, *_: object, **__: object) -> None:
        with empty.lock():
            asked.append(source)
        raise FetchError("nothing today.")

    monkeypatch.setattr("needle_assets.pipeline.night.fetch", fetch)
    assert not live(empty, 1).success
    assert asked == ["bts", "alerce", "panstarrs"]


def test_a_night_that_finds_the_home_held_fails_with_the_holders_name_and_waits_once(empty: Home, monkeypatch) -> None:
    waits = []

    @contextmanager
    def held(*_: object, **__: object) -> Iterator[Session]:
        waits.append(1)
        raise HomeBusyError("the home is in use by a training (process 17).")
        yield

    monkeypatch.setattr("needle_assets.orchestration.jobs.nightly.working_session", held)
    result = live(empty, 1)
    assert not result.success
    [failed] = [event for event in result.all_events if event.is_step_failure]
    assert "process 17" in str(failed.step_failure_data.error)
    assert waits == [1]


def test_the_command_says_who_holds_the_home(empty: Home, capsys: pytest.CaptureFixture[str]) -> None:
    empty.settings_file.write_text("[schedule]\nsources = []\n")
    with empty.lock(what="training"), pytest.raises(SystemExit) as left:
        cli.main(["refresh", "--fetch", "--wait", "0.1"])
    assert left.value.code == 1
    assert re.match(r"needle: \S+/home is in use by a training \(process \d+", capsys.readouterr().err)


def test_without_sources_the_night_refreshes_what_others_landed(empty: Home, services: Services) -> None:
    empty.settings_file.write_text("[schedule]\nsources = []\n")
    (empty.path / "landing").mkdir()
    (empty.path / "landing" / "bts.csv").write_bytes(sky.bts_csv())
    assert live(empty, 1).success
    assert not any(server.requests for server in services.servers.values())
    assert rows(empty, "select sources, new_objects from lineage.nights") == [([], 0)]


def test_a_source_that_is_none_is_refused(empty: Home) -> None:
    empty.settings_file.write_text('[schedule]\nsources = ["mars"]\n')
    with pytest.raises(
        SettingsError,
        match="choose one of bts, tns, archive, kafka, alerce, lasair, fink, fink_lsst, lasair_lsst, panstarrs, legacy, field_images, dust",
    ):
        empty.settings()


def test_a_simulated_survey_is_never_mixed_with_real_files(home: Path, filled: tuple[Path, Home]) -> None:
    found = nights.ask("bts", filled[0], settings=Home(home).settings(), around=nights.Around())
    assert found.failure is not None
    assert "holds a simulated survey" in found.failure


def test_a_click_on_a_service_asks_it_and_its_check_says_whether_all_came(empty: Home, services: Services) -> None:
    [bts] = [asset for asset in fetch_assets() if asset.key == fetch_key("bts")]
    for fault, is_complete in ((None, True), (FAULTS["broken"], False)):
        services.servers["bts"].fault = fault
        with open_instance(empty) as instance:
            result = dg.materialize([bts], instance=instance)
        assert result.success
        [check] = result.get_asset_check_evaluations()
        assert (check.check_name, check.passed) == (CHECK, is_complete)
        assert result.asset_materializations_for_node("fetch__bts")[0].metadata["requests"].value >= 1


def test_lineage_starts_at_the_services() -> None:
    graph = definitions().resolve_asset_graph()
    above = graph.get_ancestor_asset_keys(asset_key("core.stamps"))
    assert {fetch_key(source) for source in ("bts", "archive", "alerce", "lasair", "fink")} <= above
    assert fetch_key("panstarrs") in graph.get_ancestor_asset_keys(asset_key("core.hosts"))
    assert asset_key("results.candidates") in graph.get(asset_key("lineage.nights")).parent_keys


def test_the_command_does_the_same_and_says_it_in_its_exit_code(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["refresh", "--fetch", "--workers", "1"])
    said = capsys.readouterr()
    assert left.value.code == 1
    assert "not everything was fetched; run it again to go on" in said.err
    assert re.search(r"0 new objects, 0 new detections, .*\n  failed: bts: .* holds a simulated survey", said.out)
    assert len(rows(Home(home), NIGHTS)) == 1
    fill(home)
    with pytest.raises(SystemExit):
        cli.main(["refresh", "--fetch", "--select", "core/epochs"])
    assert "leave --select and --recompute out" in capsys.readouterr().err
