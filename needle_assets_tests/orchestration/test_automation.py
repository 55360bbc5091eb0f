"""What starts refreshes by itself: the sensor sees new files once, the schedule keeps the time of the settings."""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from needle_assets.definitions import definitions
from needle_assets.home import Home
from needle_assets.orchestration import automation
from needle_assets.orchestration.jobs.refresh import refresh_job

DONE = dg.DagsterRunStatus.SUCCESS
TOGGLES = """mutation ($schedule: ScheduleSelector!, $sensor: SensorSelector!) {
    startSchedule(scheduleSelector: $schedule) { __typename ... on ScheduleStateResult { scheduleState { status } } }
    startSensor(sensorSelector: $sensor) { __typename ... on Sensor { sensorState { status } } } }"""
STATES = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
    schedules { name cronSchedule executionTimezone scheduleState { status } } sensors { name sensorState { status } } } } } }"""


@pytest.fixture
def watched(home: Path, filled: tuple[Path, Home], tmp_path: Path) -> Path:
    """The home's landing folder, as a copy that may be changed."""
    shutil.copytree(filled[0], tmp_path / "landing", copy_function=shutil.copy2)
    Home(home).remember_landing(tmp_path / "landing")
    return tmp_path / "landing"


@pytest.fixture
def runs() -> Iterator[dg.DagsterInstance]:
    """Dagster's records, empty."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def look(
    home: Path, runs: dg.DagsterInstance, cursor: str | None = None, came_of_it: dg.DagsterRunStatus | None = None
) -> tuple[dg.RunRequest | dg.SkipReason, str | None]:
    """What the sensor answers and keeps; where it asks for a run, that run is recorded with what came of it."""
    sensor = automation.landing_sensor(refresh_job(), Home(home))
    context = dg.build_sensor_context(instance=runs, cursor=cursor)
    answer = sensor(context)
    if isinstance(answer, dg.RunRequest) and came_of_it:
        runs.add_run(
            dg.DagsterRun("refresh", run_id=str(uuid.uuid4()), status=came_of_it, tags={"dagster/run_key": answer.run_key})
        )
    return answer, context.cursor


def test_the_sensor_starts_one_refresh_of_the_folder_it_saw(home, watched, runs) -> None:
    request, cursor = look(home, runs, None, DONE)
    assert isinstance(request, dg.RunRequest)
    assert request.run_config["resources"]["request"]["config"] == {"landing": str(watched)}
    assert "nothing new" in look(home, runs, cursor)[0].skip_message


def test_while_its_refresh_is_under_way_no_other_is_started(home, watched, runs) -> None:
    _, cursor = look(home, runs, None, dg.DagsterRunStatus.STARTED)
    os.utime(watched / "bts.csv")
    assert "under way" in look(home, runs, cursor)[0].skip_message


def test_only_success_moves_the_cursor_and_tries_become_rarer(home, watched, runs, monkeypatch) -> None:
    now, tries, cursor = [0.0], [], None
    monkeypatch.setattr(automation.time, "time", lambda: now[0])
    for now[0] in range(0, 1000, 10):
        answer, cursor = look(home, runs, cursor, dg.DagsterRunStatus.FAILURE)
        tries += [now[0]] if isinstance(answer, dg.RunRequest) else []
    assert tries == [0, 70, 200, 450, 940]
    now[0] = 10_000
    _, cursor = look(home, runs, cursor, DONE)
    assert "nothing new" in look(home, runs, cursor)[0].skip_message


def test_a_folder_that_becomes_another_and_then_the_first_again_is_seen_each_time(home, watched, runs) -> None:
    keys, cursor = [], None
    for mtime in (1_000_000, 2_000_000, 1_000_000):
        os.utime(watched / "bts.csv", (mtime, mtime))
        request, cursor = look(home, runs, cursor, DONE)
        keys.append(request.run_key)
    assert len(set(keys)) == 3


def test_a_cursor_of_an_older_sensor_starts_anew(home, watched, runs) -> None:
    assert isinstance(look(home, runs, "0f343b0931126a20f133d67c2b018a3b")[0], dg.RunRequest)


@pytest.mark.parametrize("change", ["new packet", "new catalogue", "vanished packet"])
def test_the_sensor_sees_what_changes(home, watched, runs, change) -> None:
    _, cursor = look(home, runs, None, DONE)
    packet = next((watched / "alerts").rglob("*.avro"))
    {
        "new packet": lambda: shutil.copy(packet, packet.with_name("1.avro")),
        "new catalogue": lambda: os.utime(watched / "bts.csv"),
        "vanished packet": packet.unlink,
    }[change]()
    assert isinstance(look(home, runs, cursor)[0], dg.RunRequest)


def test_the_sensor_does_not_mind_files_it_does_not_know(home, watched, runs) -> None:
    _, cursor = look(home, runs, None, DONE)
    (watched / "notes.txt").write_text("seen nothing")
    (watched / "alerts" / "9.avro.part").write_bytes(b"half a packet")
    assert isinstance(look(home, runs, cursor)[0], dg.SkipReason)


def test_without_a_landing_folder_the_sensor_says_what_to_do(tmp_path, monkeypatch, runs) -> None:
    monkeypatch.delenv("NEEDLE_LANDING", raising=False)
    answer, _ = look(tmp_path, runs)
    assert "refresh once with --landing, or set NEEDLE_LANDING" in answer.skip_message


def test_a_landing_folder_may_be_named_by_the_environment(tmp_path, monkeypatch, filled, runs) -> None:
    monkeypatch.setenv("NEEDLE_LANDING", str(filled[0]))
    assert isinstance(look(tmp_path, runs)[0], dg.RunRequest)


def test_the_schedule_keeps_the_time_of_the_settings(home, monkeypatch) -> None:
    (home / "settings.toml").write_text(
        '[schedule]\ncron = "30 4 * * *"\ntimezone = "America/Los_Angeles"\nlanding_check_seconds = 90\n'
    )
    loaded = definitions()
    schedule = loaded.resolve_schedule_def("nightly")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 4 * * *", "America/Los_Angeles")
    assert schedule.job_name == "nightly"
    assert loaded.resolve_sensor_def("landing_files").minimum_interval_seconds == 90


@pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`:DeprecationWarning")
def test_both_are_shown_switched_off_and_can_be_switched_on(ui) -> None:
    shown = ui.graphql(STATES)["repositoriesOrError"]["nodes"][0]
    assert {s["name"]: s["scheduleState"]["status"] for s in shown["schedules"]} == {"nightly": "STOPPED", "training": "STOPPED"}
    assert {s["name"]: s["sensorState"]["status"] for s in shown["sensors"]} == {"landing_files": "STOPPED"}
    where = {name: value for name, value in ui.selector("refresh").items() if name != "pipelineName"}
    changed = ui.graphql(TOGGLES, schedule=where | {"scheduleName": "nightly"}, sensor=where | {"sensorName": "landing_files"})
    assert changed["startSchedule"]["scheduleState"]["status"] == "RUNNING"
    assert changed["startSensor"]["sensorState"]["status"] == "RUNNING"
