"""What starts refreshes by itself: the sensor sees new files once, the schedule keeps the time of the settings."""

import os
import shutil
from pathlib import Path

import dagster as dg
import pytest

from needle_assets.definitions import definitions
from needle_assets.home import Home
from needle_assets.orchestration import automation
from needle_assets.orchestration.jobs import refresh_job

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


def look(home: Path, cursor: str | None = None) -> tuple[dg.RunRequest | dg.SkipReason, str | None]:
    sensor = automation.landing_sensor(refresh_job(), Home(home))
    context = dg.build_sensor_context(cursor=cursor)
    return sensor(context), context.cursor


def test_the_sensor_starts_one_refresh_of_the_folder_it_saw(home, watched) -> None:
    request, cursor = look(home)
    assert isinstance(request, dg.RunRequest)
    assert request.run_config["resources"]["request"]["config"] == {"landing": str(watched)}
    assert isinstance(look(home, cursor)[0], dg.SkipReason)


@pytest.mark.parametrize("change", ["new packet", "new catalogue", "vanished packet"])
def test_the_sensor_sees_what_changes(home, watched, change) -> None:
    _, cursor = look(home)
    packet = next((watched / "alerts").rglob("*.avro"))
    {
        "new packet": lambda: shutil.copy(packet, packet.with_name("1.avro")),
        "new catalogue": lambda: os.utime(watched / "bts.csv"),
        "vanished packet": packet.unlink,
    }[change]()
    request, second = look(home, cursor)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == second != cursor


def test_the_sensor_does_not_mind_files_it_does_not_know(home, watched) -> None:
    _, cursor = look(home)
    (watched / "notes.txt").write_text("seen nothing")
    (watched / "alerts" / "9.avro.part").write_bytes(b"half a packet")
    assert isinstance(look(home, cursor)[0], dg.SkipReason)


def test_without_a_landing_folder_the_sensor_says_what_to_do(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("NEEDLE_LANDING", raising=False)
    answer, _ = look(tmp_path)
    assert "refresh once with --landing, or set NEEDLE_LANDING" in answer.skip_message


def test_a_landing_folder_may_be_named_by_the_environment(tmp_path, monkeypatch, filled) -> None:
    monkeypatch.setenv("NEEDLE_LANDING", str(filled[0]))
    assert isinstance(look(tmp_path)[0], dg.RunRequest)


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
