"""What the warehouse said before, in a lake by its snapshots and beside a file by what was kept; and upkeep that keeps it."""

import datetime as dt
import os
import shutil

import pytest

from needle_assets.cli.querying import run_sql_of_past
from needle_assets.errors import WarehouseError
from needle_assets.pipeline.session import Session
from needle_assets.warehouse import exploring, rows, schema
from needle_assets.warehouse.connection import version_of, writing
from needle_assets.warehouse.copies import past, publish
from needle_assets.warehouse.lake import attached, history
from needle_assets.warehouse.lake.place import lake_of
from needle_assets.warehouse.lake.upkeep import kept_snapshots, maintain
from needle_assets_tests.warehouse.test_lake import home_of, stamp, stored

N_STAMPS = "select count(*) as n from core.stamps"


def model_of(connection, training_set_id):
    """A model with nothing in it but the id of its training set."""
    schema_of = rows.arrow_schema(connection, "results.fold_models")
    empty = {
        field.name: {"string": "{}", "binary": b"", "bool": True, "timestamp[us]": rows.now()}.get(str(field.type), 0)
        for field in schema_of
    }
    lists = {field.name: [] for field in schema_of if str(field.type).startswith("list")}
    connection.register("a_model", rows.to_arrow([{**empty, **lists, "training_set_id": training_set_id}], schema_of))
    connection.execute("insert into results.fold_models by name select * from a_model")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A lake with four published snapshots, of one, two, three and four stamps; the second has the models of a training."""
    made = home_of(tmp_path_factory.mktemp("past") / "home")
    with writing(made.working) as connection:
        schema.apply(connection)
    for n in range(1, 5):
        with writing(made.working) as connection:
            stored(connection, *(stamp(candid) for candid in range(n)))
            connection.execute("update lineage.ledger set run_id = ?, written_at = ?", [f"run{n}", rows.now()])
            connection.execute("delete from results.fold_models")
            if n == 2:
                model_of(connection, "trained-then")
        publish.publish(made.working, made.published, backups=made.backups, accept_loss=True)
    return made


def asked(home, what):
    return run_sql_of_past(home, what, N_STAMPS, style="csv").splitlines()[1]


@pytest.mark.parametrize(("what", "n"), [("run1", 1), ("run3", 3), ("trained-then", 2), ("2999-01-01", 4)])
def test_a_lake_is_asked_as_of_a_run_a_training_or_a_day(home, what, n):
    assert asked(home, what) == str(n)


def test_a_lake_is_asked_as_of_a_moment(home):
    second = history.published(lake_of(home.working))[2]
    assert asked(home, second.at.isoformat()) == "2"


@pytest.mark.parametrize("what", ["1999-01-01", "no such run"])
def test_what_a_lake_does_not_keep_is_told_with_what_it_keeps(home, what):
    with pytest.raises(WarehouseError, match=r"4 published snapshots are kept, .* with the training sets trained-then"):
        asked(home, what)


def test_upkeep_keeps_what_is_published_and_trainings_and_lets_the_rest_go(home, tmp_path):
    shutil.rmtree(tmp_path)
    lake = lake_of(home.working)
    numbers = [snapshot.number for snapshot in history.published(lake)]
    orphan = home.path / "rows" / "core" / "stamps" / "left_behind.parquet"
    shutil.copy(next(orphan.parent.glob("*.parquet")), orphan)
    open_reader = attached.reader(lake, numbers[0])
    done = maintain(lake, n_published=1, days=0)
    assert kept_snapshots(lake, 1) == {numbers[0], numbers[2]}
    assert [snapshot.number for snapshot in history.published(lake)] == [numbers[0], numbers[2]]
    assert done.snapshots_expired > 4
    assert not orphan.exists()
    assert open_reader.execute(N_STAMPS).fetchone() == (4,)
    assert (asked(home, "trained-then"), asked(home, "2999-01-01")) == ("2", "4")
    assert version_of(home.published) == str(numbers[0])
    on_disk = {str(path) for path in (home.path / "rows").rglob("*.parquet")}
    with writing(home.working) as connection:
        named = connection.execute("select data_file from ducklake_list_files('needle', 'stamps', schema => 'core')").fetchall()
    assert {name for (name,) in named} <= on_disk
    assert maintain(lake, n_published=1, days=0).files_removed == 0


def test_new_files_are_not_cleaned_up_as_orphans(home):
    new = home.path / "rows" / "core" / "stamps" / "being_written.parquet"
    shutil.copy(next(new.parent.glob("*.parquet")), new)
    assert maintain(lake_of(home.working), n_published=1).files_removed == 0
    assert new.exists()


def test_beside_a_file_a_day_and_a_run_are_found_in_what_was_published(own):
    _, home = own
    run = exploring.ask(home.published, "select run_id from lineage.ledger limit 1")[1][0][0]
    home.backups.mkdir(exist_ok=True)
    old = home.backups / "needle-20200101T000000Z.duckdb"
    shutil.copy(home.published, old)
    then = dt.datetime(2020, 1, 1, tzinfo=dt.UTC).timestamp()
    os.utime(old, (then, then))
    assert past.find(home.published, home.backups, "2020-01-01") == (old, None)
    assert past.find(home.published, home.backups, "2999-01-01") == (home.published, None)
    assert past.find(home.published, home.backups, run[:8]) == (old, None)
    with pytest.raises(WarehouseError, match="keeps nothing of 1999-01-01"):
        past.find(home.published, home.backups, "1999-01-01")


def test_what_is_kept_of_a_training_is_written_once_and_never_changed(own):
    _, home = own
    with writing(home.working) as connection:
        assert past.freeze(home.working, home.path) == []
        past._write(connection, home.path / past.FOLDER / "an-id.duckdb")
    kept = home.path / past.FOLDER / "an-id.duckdb"
    assert past.find(home.published, home.backups, "an-id") == (kept, None)
    n = exploring.ask(home.published, "select count(*) from core.splits")[1]
    assert exploring.ask(kept, "select count(*) from core.splits")[1] == n
    assert kept.stat().st_mode & 0o222 == 0


def test_after_a_night_a_lake_is_looked_after_and_a_file_needs_nothing(home, own, monkeypatch):
    asked = []
    monkeypatch.setattr("needle_assets.warehouse.lake.upkeep.maintain", lambda lake, **how: asked.append((lake, how)))
    session = Session(home, home.settings())
    session.publish()
    for is_night in (False, True):
        session.is_night = is_night
        with writing(home.working) as connection:
            schema.bump_change(connection)
        assert session.publish()
    assert asked == [(lake_of(home.working), {"n_published": 4})]
    assert publish.look_after(own[1].working, 3) == []
    assert len(asked) == 1
