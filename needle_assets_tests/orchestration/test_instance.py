"""Dagster's records below a home: where they lie, what is switched off, and what becomes of runs that were killed."""

import os
import re
import shutil
from pathlib import Path

import dagster as dg
import pytest
import yaml

from needle_assets.home import Home
from needle_assets.orchestration.records import instance as records
from needle_assets.orchestration.records.instance import RecordsError, open_instance, report_dead_runs
from needle_assets_tests.homes import content, event_counts, fill


@pytest.fixture
def new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in ("NEEDLE_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")
    return Home(tmp_path / 'a "quoted" home: #1')


def test_telemetry_and_newsletter_are_off_and_the_files_lie_below_the_home(new) -> None:
    with open_instance(new) as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert str(instance.event_log_storage._base_dir).startswith(str(new.dagster))
        assert type(instance.run_storage).__name__ == "LockedRunStorage"


def test_what_a_user_wrote_into_dagster_yaml_stays(new) -> None:
    with open_instance(new):
        pass
    path = new.dagster / "dagster.yaml"
    path.write_text(path.read_text() + "retention: {sensor: {purge_after_days: 3}}\n")
    with open_instance(new) as instance:
        assert instance.get_settings("retention")
    assert "purge_after_days: 3" in path.read_text()


def test_the_postgres_of_the_comment_is_valid_configuration() -> None:
    text = records.DAGSTER_YAML.format(folder="/home")
    [example] = [line.lstrip("# ") for line in text.splitlines() if "postgres_url" in line]
    assert set(yaml.safe_load(example)["storage"]["postgres"]) == {"postgres_url"}


@pytest.fixture
def elsewhere(new: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that DAGSTER_HOME names."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "records"))
    return tmp_path / "records"


def test_records_lie_where_dagster_home_says_and_whoever_chose_it_writes_its_file(new, elsewhere) -> None:
    elsewhere.mkdir()
    chosen = "telemetry: {enabled: false}\nrun_launcher: {module: dagster._core.test_utils, class: ExplodingRunLauncher}\n"
    (elsewhere / "dagster.yaml").write_text(chosen)
    with open_instance(new) as instance:
        assert type(instance.run_launcher).__name__ == "ExplodingRunLauncher"
    assert (elsewhere / "dagster.yaml").read_text() == chosen
    assert os.environ["DAGSTER_HOME"] == str(elsewhere)
    assert not (new.dagster / "dagster.yaml").exists()


def test_an_empty_folder_of_dagster_home_gets_what_a_home_gets(new, elsewhere) -> None:
    with open_instance(new) as instance:
        assert type(instance.run_storage).__name__ == "LockedRunStorage"
        assert str(instance.event_log_storage._base_dir).startswith(str(elsewhere))


def test_two_homes_do_not_share_a_folder_of_records(new, elsewhere, tmp_path) -> None:
    with open_instance(new):
        pass
    with pytest.raises(RecordsError, match=f"holds the records of the home {re.escape(str(new.path))}"):
        open_instance(Home(tmp_path / "another"))


def test_the_variable_that_one_home_sets_leads_no_other_home_there(new, tmp_path) -> None:
    homes = [new, Home(tmp_path / "another")]
    for home in homes:
        with open_instance(home):
            assert os.environ["DAGSTER_HOME"] == str(home.dagster)
    assert [(home.dagster / "dagster.yaml").exists() for home in homes] == [True, True]


def test_a_dagster_home_that_cannot_be_used_is_a_sentence(new, elsewhere) -> None:
    elsewhere.write_text("a file")
    with pytest.raises(RecordsError, match=r"DAGSTER_HOME is .*records, which cannot be used \(File exists\); name a folder"):
        open_instance(new)


def test_a_moved_home_keeps_its_records(home, tmp_path) -> None:
    moved = Home(shutil.move(home, tmp_path / "elsewhere"))
    with open_instance(moved) as instance:
        assert event_counts(instance, "core.epochs")
    assert not home.exists()


def test_a_killed_run_is_recorded_as_failed_and_another_is_left_alone(new) -> None:
    with open_instance(new) as instance:
        runs = [instance.create_run_for_job(_job, status=dg.DagsterRunStatus.STARTED).run_id for _ in range(2)]
        with pytest.raises(ZeroDivisionError), new.running(runs[0]):
            raise ZeroDivisionError
        with new.running(runs[1]):
            report_dead_runs(new, instance)
            assert [instance.get_run_by_id(run).status.value for run in runs] == ["FAILURE", "STARTED"]
        assert new.dead_runs() == []


@dg.job
def _job() -> None:
    pass


def test_an_idle_refresh_records_a_killed_run_too(home) -> None:
    with open_instance(Home(home)) as instance:
        run = instance.create_run_for_job(_job, status=dg.DagsterRunStatus.STARTED).run_id
    with pytest.raises(ZeroDivisionError), Home(home).running(run):
        raise ZeroDivisionError
    before = content(Home(home).published)
    fill(home)
    with open_instance(Home(home)) as instance:
        assert instance.get_run_by_id(run).status is dg.DagsterRunStatus.FAILURE
    assert content(Home(home).published) == before
