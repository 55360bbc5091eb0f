"""A click in the UI does what the person meant: its own mutations, against a filled home."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from needle_assets.orchestration.keys import PARTITIONS
from needle_assets_tests.homes import PER_OBJECT, TABLES, ask, assert_consistent, event_counts, statuses
from needle_assets_tests.orchestration.ui import Ui

pytestmark = [
    pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`:DeprecationWarning"),  # Dagster's own
    pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources`:DeprecationWarning"),
]
CURVES = ["core.light_curves", "core.epochs"]
WHOLE: set[tuple[str, str | None]] = {(table, None) for table in TABLES if table not in PER_OBJECT}


@pytest.fixture(scope="module")
def keys(ui: Ui) -> list[str]:
    return list(ui.instance.get_dynamic_partitions(PARTITIONS))


def counts(ui: Ui) -> dict[tuple[str, str | None], int]:
    return {(table, key): n for table in TABLES for key, n in event_counts(ui.instance, table).items()}


@contextmanager
def computes(ui: Ui, expected: set[tuple[str, str | None]]) -> Iterator[None]:
    """What happens inside computes exactly these (asset, object), each once; and everything is as it should be afterwards."""
    before = counts(ui)
    yield
    gained = {what: n - before.get(what, 0) for what, n in counts(ui).items() if n != before.get(what, 0)}
    assert gained == dict.fromkeys(expected, 1)
    assert all(run.status is dg.DagsterRunStatus.SUCCESS for run in ui.instance.get_runs())
    assert_consistent(home_of(ui))


def home_of(ui: Ui) -> Path:
    return Path(ui.instance.root_directory).parents[1]


def of(tables: list[str], keys: list[str]) -> set[tuple[str, str | None]]:
    return {(table, key) for table in tables for key in keys}


def test_one_object_of_one_asset_is_one_run(ui, keys) -> None:
    n_runs = ui.instance.get_runs_count()
    with computes(ui, {("core.epochs", keys[2])}):
        ui.materialize(["core.epochs"], partition=keys[2])
    assert ui.instance.get_runs_count() == n_runs + 1


def test_one_asset_is_one_run_for_all_its_objects(ui, keys) -> None:
    with computes(ui, of(["core.light_curves"], keys)):
        backfill = ui.backfill(["core.light_curves"], keys)
    assert len(ui.runs_of(backfill)) == 1


def test_one_asset_without_objects_is_one_run(ui) -> None:
    with computes(ui, {("raw.objects", None)}):
        ui.materialize(["raw.objects"])


def test_scattered_objects_are_computed_once_by_the_first_run(ui, keys) -> None:
    scattered = [keys[0], keys[2], keys[4]]
    with computes(ui, of(CURVES, scattered)):
        backfill = ui.backfill(CURVES, scattered)
    runs = ui.runs_of(backfill)
    assert len(runs) == 3
    assert [run.run_id for run in runs if told_by(ui, run)] == [runs[0].run_id]
    writers = ask(
        home_of(ui) / ".state" / "working.duckdb", "select distinct run_id from lineage.ledger where request_id = ?", backfill
    )
    assert writers == [(runs[0].run_id,)]


def told_by(ui: Ui, run: dg.DagsterRun) -> int:
    records = ui.instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    return len(records)


def test_a_second_click_computes_again(ui, keys) -> None:
    for _ in range(2):
        with computes(ui, of(CURVES, [keys[1], keys[3]])):
            ui.backfill(CURVES, [keys[1], keys[3]])


def test_the_job_takes_a_list_of_objects_and_is_one_run(ui, keys) -> None:
    n_runs = ui.instance.get_runs_count()
    with computes(ui, of(PER_OBJECT, [keys[0], keys[4]])):
        ui.launch("refresh", {"resources": {"request": {"config": {"objects": [keys[0], keys[4]]}}}})
    assert ui.instance.get_runs_count() == n_runs + 1


def test_the_job_alone_finds_nothing_to_do(ui) -> None:
    with computes(ui, set()):
        ui.launch("refresh", {})


def test_everything_up_to_date_is_shown_as_fresh(ui, keys) -> None:
    assert set(statuses(ui.instance, keys).values()) == {"FRESH"}


@pytest.mark.slow
def test_one_object_of_all_assets_is_one_run(ui, keys) -> None:
    n_runs = ui.instance.get_runs_count()
    with computes(ui, of(PER_OBJECT, [keys[1]]) | WHOLE):
        ui.materialize(TABLES, partition=keys[1])
    assert ui.instance.get_runs_count() == n_runs + 1


@pytest.mark.slow
def test_all_objects_of_all_assets_as_a_range_are_one_run(ui, keys) -> None:
    n_runs = ui.instance.get_runs_count()
    with computes(ui, of(PER_OBJECT, keys) | WHOLE):
        ui.materialize(TABLES, asset_partition_range_start=keys[0], asset_partition_range_end=keys[-1])
    assert ui.instance.get_runs_count() == n_runs + 1


@pytest.mark.slow
def test_all_objects_of_the_assets_that_have_them_are_one_run(ui, keys) -> None:
    with computes(ui, of(PER_OBJECT, keys)):
        backfill = ui.backfill(PER_OBJECT)
    assert len(ui.runs_of(backfill)) == 1


@pytest.mark.slow
def test_everything_at_once_is_computed_once_in_few_runs(ui, keys) -> None:
    with computes(ui, of(PER_OBJECT, keys) | WHOLE):
        backfill = ui.backfill(TABLES)
    assert len(ui.runs_of(backfill)) <= 2 * len(WHOLE) + 1, "Dagster parts what has objects from what has none"
